//! `OPTIONS {…}`: constant objects; what is unknown or wrong is warned about (1539) and ignored.

use super::Planner;
use crate::ast;
use crate::expr::Expr;
use crate::plan::{ModifyOptions, TraversalOptions};
use base::{Error, Result, code};
use velocypack::{Slice, Value};

/// Hints for an enumeration.
#[derive(Default)]
pub(super) struct ForOptions {
    pub index_hint: Vec<String>,
    pub force_index_hint: bool,
    pub disable_index: bool,
}

impl Planner<'_> {
    /// The options as one constant object; empty if there are none.
    pub(super) fn options(&mut self, options: Option<&ast::Expr>) -> Result<Value> {
        let Some(options) = options else { return Ok(Value::empty_object()) };
        match self.lower(options)? {
            Expr::Const(value) if value.as_slice().is_object() => Ok(value),
            Expr::Const(_) => self.fail(options.at, "'OPTIONS' have to be an object"),
            _ => Err(Error::from(code::QUERY_COMPILE_TIME_OPTIONS)),
        }
    }

    fn unknown_option(&mut self, statement: &str, name: &str) {
        let message = format!("{}: unknown attribute '{name}' in {statement}", code::QUERY_INVALID_OPTIONS_ATTRIBUTE.text());
        self.warn(code::QUERY_INVALID_OPTIONS_ATTRIBUTE, message);
    }

    pub(super) fn for_options(&mut self, options: Option<&ast::Expr>) -> Result<ForOptions> {
        let given = self.options(options)?;
        let mut chosen = ForOptions::default();
        for (name, value) in given.as_slice().entries() {
            match name {
                "indexHint" => chosen.index_hint = texts(value),
                "forceIndexHint" => chosen.force_index_hint = is_true(value),
                "disableIndex" => chosen.disable_index = is_true(value),
                "maxProjections" | "useCache" | "lookahead" => {}
                other => self.unknown_option("FOR", other),
            }
        }
        Ok(chosen)
    }

    pub(super) fn collect_options(&mut self, options: Option<&ast::Expr>) -> Result<Option<String>> {
        let given = self.options(options)?;
        let mut method = None;
        for (name, value) in given.as_slice().entries() {
            match (name, value.as_str()) {
                ("method", Some(text @ ("hash" | "sorted"))) => method = Some(text.to_owned()),
                ("disableIndex", _) => {}
                (other, _) => self.unknown_option("COLLECT", other),
            }
        }
        Ok(method)
    }

    pub(super) fn modify_options(&mut self, options: Option<&ast::Expr>) -> Result<ModifyOptions> {
        let given = self.options(options)?;
        let mut chosen = default_modify_options();
        for (name, value) in given.as_slice().entries() {
            match name {
                "ignoreErrors" => chosen.ignore_errors = is_true(value),
                "waitForSync" => chosen.wait_for_sync = is_true(value),
                "keepNull" => chosen.keep_null = is_true(value),
                "mergeObjects" => chosen.merge_objects = is_true(value),
                "ignoreRevs" => chosen.ignore_revs = is_true(value),
                "exclusive" => chosen.exclusive = is_true(value),
                "overwrite" if is_true(value) && chosen.overwrite_mode == "conflict" => chosen.overwrite_mode = "replace".into(),
                "overwriteMode" => match value.as_str() {
                    Some(mode @ ("conflict" | "ignore" | "replace" | "update")) => chosen.overwrite_mode = mode.to_owned(),
                    _ => self.unknown_option("data modification", name),
                },
                "versionAttribute" => chosen.version_attribute = value.as_str().map(str::to_owned),
                "overwrite" | "refillIndexCaches" | "readOwnWrites" | "indexHint" | "forceIndexHint" | "disableIndex" | "useCache" => {}
                other => self.unknown_option("data modification", other),
            }
        }
        Ok(chosen)
    }

    pub(super) fn traversal_options(&mut self, options: Option<&ast::Expr>) -> Result<TraversalOptions> {
        let given = self.options(options)?;
        let mut chosen = default_traversal_options();
        for (name, value) in given.as_slice().entries() {
            match (name, value.as_str()) {
                ("bfs", _) => {
                    if is_true(value) {
                        chosen.order = "bfs".into();
                    }
                }
                ("order", Some(order @ ("dfs" | "bfs" | "weighted"))) => chosen.order = order.to_owned(),
                ("uniqueVertices", Some(unique @ ("none" | "path" | "global"))) => chosen.unique_vertices = unique.to_owned(),
                ("uniqueEdges", Some(unique @ ("none" | "path"))) => chosen.unique_edges = unique.to_owned(),
                ("uniqueEdges", Some("global")) => {
                    let message =
                        "uniqueEdges: 'global' is not supported, due to otherwise unpredictable results. Use 'path' or 'none' instead";
                    return self.fail(options.map_or(0, |options| options.at), message);
                }
                ("weightAttribute", Some(attribute)) => chosen.weight_attribute = Some(attribute.to_owned()),
                ("defaultWeight", _) => chosen.default_weight = value.as_f64().unwrap_or(1.0),
                ("edgeCollections", _) => chosen.edge_collections = texts(value),
                ("vertexCollections", _) => chosen.vertex_collections = texts(value),
                ("produceVertices", _) => chosen.produce_vertices = is_true(value),
                ("parallelism" | "maxProjections" | "indexHint" | "useCache" | "algorithm", _) => {}
                (other, _) => self.unknown_option("graph query", other),
            }
        }
        if chosen.unique_vertices == "global" && chosen.order == "dfs" {
            let message = "uniqueVertices: 'global' is only supported, with mode: bfs|weighted due to otherwise unpredictable results.";
            return self.fail(options.map_or(0, |options| options.at), message);
        }
        Ok(chosen)
    }
}

pub(super) fn default_modify_options() -> ModifyOptions {
    ModifyOptions {
        ignore_errors: false,
        wait_for_sync: false,
        keep_null: true,
        merge_objects: true,
        ignore_revs: true,
        overwrite_mode: "conflict".into(),
        exclusive: false,
        version_attribute: None,
    }
}

fn default_traversal_options() -> TraversalOptions {
    TraversalOptions {
        order: "dfs".into(),
        unique_vertices: "none".into(),
        unique_edges: "path".into(),
        weight_attribute: None,
        default_weight: 1.0,
        edge_collections: Vec::new(),
        vertex_collections: Vec::new(),
        produce_vertices: true,
    }
}

fn is_true(value: Slice<'_>) -> bool {
    crate::simplify::is_true(value)
}

fn texts(value: Slice<'_>) -> Vec<String> {
    match value.as_str() {
        Some(text) => vec![text.to_owned()],
        None => value.elements().filter_map(|element| element.as_str().map(str::to_owned)).collect(),
    }
}
