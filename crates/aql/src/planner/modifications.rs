//! `INSERT`, `UPDATE`, `REPLACE`, `REMOVE`, `UPSERT`.

use super::{Name, Planner, Scope};
use crate::ast::{self, UpsertSearch};
use crate::expr::{BinaryOp, Expr, ObjectKey, VarId};
use crate::plan::{CollectionAccess, Modify, ModifyKind, ModifyOptions, NodeKind, Plan, Scan, Upsert};
use base::{Error, Result, code};
use velocypack::{Slice, Value};

impl Planner<'_> {
    pub(super) fn modify(&mut self, modify: &ast::Modify) -> Result<()> {
        let subject = self.lower(&modify.subject)?;
        let subject = self.calculate(subject, None)?;
        let with = match &modify.with {
            Some(with) => {
                let lowered = self.lower(with)?;
                Some(self.calculate(lowered, None)?)
            }
            None => None,
        };
        let options = self.modify_options(modify.options.as_ref())?;
        let collection = self.target(&modify.target, &options)?;
        let overwrites = matches!(options.overwrite_mode.as_str(), "replace" | "update");
        let has_old = modify.kind != ModifyKind::Insert || overwrites;
        let old = if has_old { Some(self.new_var(Some("$OLD"))?) } else { None };
        let new = if modify.kind == ModifyKind::Remove { None } else { Some(self.new_var(Some("$NEW"))?) };
        let (document, key) = match with {
            Some(document) => (document, Some(subject)),
            None => (subject, None),
        };
        self.push(NodeKind::Modify(Modify { kind: modify.kind, collection, document, key, old, new, options }))?;
        (self.scope().old, self.scope().new) = (old, new);
        Ok(())
    }

    /// The collection to write to; nothing may use it from here on.
    fn target(&mut self, target: &ast::SourceName, options: &ModifyOptions) -> Result<String> {
        let name = self.source_name(target)?;
        let access = if options.exclusive { CollectionAccess::Exclusive } else { CollectionAccess::Write };
        self.use_collection(&name, access)?;
        self.modified.push(name.clone());
        Ok(name)
    }

    pub(super) fn upsert(&mut self, upsert: &ast::Upsert) -> Result<()> {
        let options = self.modify_options(upsert.options.as_ref())?;
        let hints = self.for_hints(upsert.options.as_ref())?;
        let collection = self.source_name(&upsert.target)?;
        self.use_collection(&collection, CollectionAccess::Read)?;
        let found = self.look_up(&upsert.search, &collection, hints)?;
        let insert = self.lower(&upsert.insert)?;
        let insert = self.calculate(insert, None)?;
        let before = self.scope().old.replace(found);
        let update = self.lower(&upsert.update);
        self.scope().old = before;
        let update = self.calculate(update?, None)?;
        let collection = self.target(&upsert.target, &options)?;
        let old = Some(self.new_var(Some("$OLD"))?);
        let new = Some(self.new_var(Some("$NEW"))?);
        self.push(NodeKind::Upsert(Upsert { collection, found, insert, update, replace: upsert.replace, old, new, options }))?;
        (self.scope().old, self.scope().new) = (old, new);
        Ok(())
    }

    /// Only the options that concern the look-up; the others were judged with the modification.
    fn for_hints(&mut self, options: Option<&ast::Expr>) -> Result<Scan> {
        let given = self.options(options)?;
        let object = given.as_slice();
        let flag = |name: &str| object.get(name).and_then(Slice::as_bool).unwrap_or(false);
        let mut scan = Scan::of("", VarId(0));
        if let Some(hint) = object.get("indexHint") {
            let one = hint.as_str().map(str::to_owned);
            scan.index_hint = one.into_iter().chain(hint.elements().filter_map(|name| name.as_str().map(str::to_owned))).collect();
        }
        (scan.force_index_hint, scan.disable_index) = (flag("forceIndexHint"), flag("disableIndex"));
        Ok(scan)
    }

    /// `FOR d IN collection FILTER … LIMIT 1 RETURN d` as a subquery; the first of its result.
    fn look_up(&mut self, search: &UpsertSearch, collection: &str, hints: Scan) -> Result<VarId> {
        let example = match search {
            UpsertSearch::Example(example) => Some((self.lower(example)?, example.at)),
            UpsertSearch::Filter(_) => None,
        };
        let document = self.new_var(None)?;
        let example = match example {
            Some((example, at)) => self.conditions_of(document, &example, at)?,
            None => Vec::new(),
        };
        let outer = std::mem::take(&mut self.nodes);
        let guards = std::mem::take(&mut self.guards);
        self.scopes.push(Scope { names: vec![Name { name: "CURRENT".into(), var: document, loops: 1 }], ..Scope::default() });
        let planned = self.look_up_nodes(search, document, example, Scan { collection: collection.to_owned(), out: document, ..hints });
        self.scopes.pop();
        self.guards = guards;
        let plan = Plan { nodes: std::mem::replace(&mut self.nodes, outer) };
        planned?;
        let rows = self.new_var(None)?;
        self.push(NodeKind::Subquery { plan, out: rows, is_const: false })?;
        self.calculate(Expr::Call("FIRST".into(), vec![Expr::Var(rows)]), None)
    }

    fn look_up_nodes(&mut self, search: &UpsertSearch, document: VarId, mut conditions: Vec<Expr>, scan: Scan) -> Result<()> {
        self.push(NodeKind::Singleton)?;
        self.push(NodeKind::EnumerateCollection(scan))?;
        if let UpsertSearch::Filter(filter) = search {
            conditions.push(self.lower(filter)?);
        }
        let condition = match conditions.len() {
            1 => conditions.pop().unwrap_or(Expr::Const(Value::bool(true))),
            _ => Expr::And(conditions),
        };
        let input = self.calculate(condition, None)?;
        self.push(NodeKind::Filter { input })?;
        self.push(NodeKind::Limit { offset: 0, count: 1, full_count: false })?;
        self.push(NodeKind::Return { input: document })
    }

    /// Equalities that an example demands; nested objects give conditions on paths.
    fn conditions_of(&mut self, document: VarId, example: &Expr, at: u32) -> Result<Vec<Expr>> {
        let mut conditions = Vec::new();
        let mut open: Vec<(Expr, Expr)> = vec![(Expr::Var(document), example.clone())];
        let is_literal = |expr: &Expr| match expr {
            Expr::Object(_) => true,
            Expr::Const(value) => value.as_slice().is_object(),
            _ => false,
        };
        if !is_literal(example) {
            return self.fail(at, "'UPSERT' lookup has to be an object literal");
        }
        while let Some((path, expr)) = open.pop() {
            let members: Vec<(String, Expr)> = match expr {
                Expr::Object(entries) => {
                    let named = entries.into_iter().map(|(key, value)| match key {
                        ObjectKey::Name(name) => Ok((name, value)),
                        ObjectKey::Computed(_) => Err(Error::new(code::QUERY_PARSE, "computed keys are not allowed in 'UPSERT' lookups")),
                    });
                    named.collect::<Result<_>>()?
                }
                Expr::Const(value) if value.as_slice().is_object() && value.as_slice().len() > 0 => {
                    let entries = value.as_slice();
                    entries.entries().map(|(name, value)| (name.to_owned(), Expr::Const(value.to_value()))).collect()
                }
                value => {
                    conditions.push(Expr::Binary(BinaryOp::Eq, Box::new(path), Box::new(value)));
                    continue;
                }
            };
            for (name, value) in members.into_iter().rev() {
                open.push((Expr::Attribute(Box::new(path.clone()), name), value));
            }
        }
        if conditions.is_empty() {
            conditions.push(Expr::Const(Value::bool(true)));
        }
        Ok(conditions)
    }
}
