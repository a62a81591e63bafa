//! `POST /_api/query`: what a query text declares, without running it.

use crate::ast::{self, ExprKind, SourceName, StatementKind, Subject, UpsertSearch};
use crate::{binding, lexer, parser};
use base::Result;
use serde_json::{Value as Json, json};

/// `{parsed, collections, bindVars, ast, warnings}` of a query text.
pub fn parse_for_client(text: &str) -> Result<Json> {
    let query = parser::parse(text)?;
    let bind_vars = binding::declared(&lexer::tokens(text)?);
    let mut names = Names::default();
    let statements = names.query(&query);
    names.collections.sort();
    names.collections.dedup();
    Ok(json!({
        "parsed": true,
        "collections": names.collections,
        "bindVars": bind_vars,
        "ast": [{"type": "root", "subNodes": statements}],
        "warnings": [],
    }))
}

/// Walks the tree with the variables in scope, which have numbers in the order of their appearance.
#[derive(Default)]
struct Names {
    visible: Vec<(String, usize)>,
    count: usize,
    collections: Vec<String>,
}

fn node(kind: &str, sub: Vec<Json>) -> Json {
    if sub.is_empty() { json!({"type": kind}) } else { json!({"type": kind, "subNodes": sub}) }
}

fn named(kind: &str, name: &str, sub: Vec<Json>) -> Json {
    if sub.is_empty() { json!({"type": kind, "name": name}) } else { json!({"type": kind, "name": name, "subNodes": sub}) }
}

impl Names {
    fn query(&mut self, query: &ast::Query) -> Vec<Json> {
        let outer = self.visible.len();
        let nodes = query.statements.iter().map(|statement| self.statement(&statement.kind)).collect();
        self.visible.truncate(outer);
        nodes
    }

    fn variable(&mut self, name: &str) -> Json {
        let id = self.count;
        self.count += 1;
        self.visible.push((name.to_owned(), id));
        json!({"type": "variable", "name": name, "id": id})
    }

    fn target(&mut self, target: &ast::Target) -> Json {
        match target {
            ast::Target::Name(ident) => self.variable(&ident.name),
            ast::Target::Array(items) => {
                let parts = items.iter().map(|item| item.as_ref().map_or_else(|| node("no-op", Vec::new()), |item| self.target(item)));
                node("destructuring", parts.collect())
            }
            ast::Target::Object(items) => node("destructuring", items.iter().map(|(_, item)| self.target(item)).collect()),
        }
    }

    fn source(&mut self, source: &SourceName) -> Json {
        match source {
            SourceName::Name(name) => {
                self.collections.push(name.clone());
                named("collection", name, Vec::new())
            }
            SourceName::SourceParam(name) => named("datasource parameter", &format!("@{name}"), Vec::new()),
            SourceName::Param(name) => named("parameter", name, Vec::new()),
        }
    }

    fn optional(&mut self, expr: Option<&ast::Expr>) -> Json {
        expr.map_or_else(|| node("no-op", Vec::new()), |expr| self.expr(expr))
    }

    fn assignments(&mut self, kind: &str, items: &[(ast::Ident, ast::Expr)]) -> Json {
        let values: Vec<Json> = items.iter().map(|(_, value)| self.expr(value)).collect();
        let assigned =
            items.iter().zip(values).map(|((ident, _), value)| node("assign", vec![self.variable(&ident.name), value])).collect();
        node(kind, assigned)
    }

    fn statement(&mut self, statement: &StatementKind) -> Json {
        match statement {
            StatementKind::For(for_in) => {
                let source = self.expr(&for_in.source);
                let options = self.optional(for_in.options.as_ref());
                let target = self.target(&for_in.target);
                node("for", vec![target, source, options])
            }
            StatementKind::Traversal(traversal) => {
                let mut sub = vec![self.optional(traversal.depth.as_ref()), self.expr(&traversal.start), self.subject(&traversal.subject)];
                sub.extend(traversal.variables.iter().map(|ident| self.variable(&ident.name)));
                sub.extend(traversal.prune.iter().map(|(_, prune)| self.expr(prune)));
                sub.push(self.optional(traversal.options.as_ref()));
                node("traversal", sub)
            }
            StatementKind::Paths(paths) => {
                let mut sub = vec![self.expr(&paths.start), self.expr(&paths.target), self.subject(&paths.subject)];
                sub.extend(paths.variables.iter().map(|ident| self.variable(&ident.name)));
                sub.push(self.optional(paths.options.as_ref()));
                node("shortest path", sub)
            }
            StatementKind::Let(items) => {
                let mut lets = items.iter().map(|(target, value)| {
                    let value = self.expr(value);
                    node("let", vec![self.target(target), value])
                });
                let (first, rest): (Option<Json>, Vec<Json>) = (lets.next(), lets.collect());
                if rest.is_empty() { first.unwrap_or(Json::Null) } else { node("let", first.into_iter().chain(rest).collect()) }
            }
            StatementKind::Filter(condition) => node("filter", vec![self.expr(condition)]),
            StatementKind::Collect(collect) => self.collect(collect),
            StatementKind::Sort(items) => {
                let elements = items.iter().map(|item| {
                    let descending = matches!(item.direction, ast::SortDirection::Descending);
                    node("sort element", vec![self.expr(&item.expr), json!({"type": "value", "value": !descending})])
                });
                let elements = elements.collect();
                node("sort", vec![node("array", elements)])
            }
            StatementKind::Limit { offset, count } => {
                let offset = offset.as_ref().map_or_else(|| json!({"type": "value", "value": 0}), |offset| self.expr(offset));
                node("limit", vec![offset, self.expr(count)])
            }
            StatementKind::Window(window) => {
                let sub =
                    vec![self.optional(window.range.as_ref()), self.expr(&window.bounds), self.assignments("array", &window.aggregates)];
                node("window", sub)
            }
            StatementKind::Return { distinct, value } => {
                let value = self.expr(value);
                node("return", vec![if *distinct { node("distinct", vec![value]) } else { value }])
            }
            StatementKind::Modify(modify) => {
                let kind = match modify.kind {
                    crate::plan::ModifyKind::Insert => "insert",
                    crate::plan::ModifyKind::Update => "update",
                    crate::plan::ModifyKind::Replace => "replace",
                    crate::plan::ModifyKind::Remove => "remove",
                };
                let sub = vec![self.optional(modify.options.as_ref()), self.source(&modify.target), self.expr(&modify.subject)];
                node(kind, sub.into_iter().chain(modify.with.iter().map(|with| self.expr(with))).collect())
            }
            StatementKind::Upsert(upsert) => {
                let (UpsertSearch::Example(search) | UpsertSearch::Filter(search)) = &upsert.search;
                let sub = vec![
                    self.optional(upsert.options.as_ref()),
                    self.source(&upsert.target),
                    self.expr(search),
                    self.expr(&upsert.insert),
                    self.expr(&upsert.update),
                ];
                node("upsert", sub)
            }
        }
    }

    fn collect(&mut self, collect: &ast::Collect) -> Json {
        let mut sub = vec![self.optional(collect.options.as_ref())];
        sub.push(self.assignments("array", &collect.groups));
        sub.push(self.assignments("aggregations", &collect.aggregates));
        if let Some(count) = &collect.count {
            sub.push(self.variable(&count.name));
        }
        if let Some((into, value)) = &collect.into {
            let value = value.as_ref().map(|value| self.expr(value));
            sub.push(self.variable(&into.name));
            sub.extend(value);
        }
        node("collect", sub)
    }

    fn subject(&mut self, subject: &Subject) -> Json {
        match subject {
            Subject::Named(name) => self.expr(name),
            Subject::Edges(edges) => {
                let edges = edges.iter().map(|(_, source)| self.source(source)).collect();
                node("collection list", edges)
            }
        }
    }

    fn all(&mut self, exprs: &[ast::Expr]) -> Vec<Json> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr(&mut self, expr: &ast::Expr) -> Json {
        match &expr.kind {
            ExprKind::Literal(value) => json!({"type": "value", "value": value.to_serde()}),
            ExprKind::HugeNumber => json!({"type": "value", "value": null}),
            ExprKind::Name(name) => self.name(name),
            ExprKind::Param(name) => named("parameter", name, Vec::new()),
            ExprKind::SourceParam(name) => named("datasource parameter", &format!("@{name}"), Vec::new()),
            ExprKind::Element => named("reference", "CURRENT", Vec::new()),
            ExprKind::Attribute(base, name) => named("attribute access", name, vec![self.expr(base)]),
            ExprKind::BoundAttribute(base, name) => {
                node("bound attribute access", vec![self.expr(base), named("parameter", name, Vec::new())])
            }
            ExprKind::Indexed(base, index) => node("indexed access", vec![self.expr(base), self.expr(index)]),
            ExprKind::Expansion(expansion) => {
                let mut sub = vec![self.expr(&expansion.input)];
                sub.push(self.optional(expansion.filter.as_ref()));
                sub.push(self.optional(expansion.projection.as_ref()));
                sub.extend(expansion.tail.iter().map(|tail| self.expr(tail)));
                node("expansion", sub)
            }
            ExprKind::Unary(op, operand) => node(crate::explain::unary_name(*op), vec![self.expr(operand)]),
            ExprKind::Binary(op, left, right) => match crate::explain::binary_name(*op) {
                (kind, None) => node(kind, vec![self.expr(left), self.expr(right)]),
                (function, Some(_)) => named("function call", function, vec![node("array", vec![self.expr(left), self.expr(right)])]),
            },
            ExprKind::And(all) => node("logical and", self.all(all)),
            ExprKind::Or(all) => node("logical or", self.all(all)),
            ExprKind::ArrayCompare(_, op, left, right) => {
                let kind = format!("array {}", crate::explain::binary_name(*op).0);
                node(&kind, vec![self.expr(left), self.expr(right)])
            }
            ExprKind::Ternary(condition, then, otherwise) => {
                let mut sub = vec![self.expr(condition)];
                sub.extend(then.iter().map(|then| self.expr(then)));
                sub.push(self.expr(otherwise));
                node("ternary", sub)
            }
            ExprKind::Range(low, high) => node("range", vec![self.expr(low), self.expr(high)]),
            ExprKind::Array(items) => node("array", self.all(items)),
            ExprKind::Object(entries) => node("object", entries.iter().map(|(key, value)| self.entry(key, value)).collect()),
            ExprKind::Call(name, args) => {
                let args = self.all(args);
                let kind = if name.contains("::") { "user function call" } else { "function call" };
                named(kind, &name.to_ascii_uppercase(), vec![node("array", args)])
            }
            ExprKind::Subquery(query) => node("subquery", self.query(query)),
        }
    }

    fn entry(&mut self, key: &ast::Key, value: &ast::Expr) -> Json {
        match key {
            ast::Key::Name(name) => named("object element", name, vec![self.expr(value)]),
            ast::Key::Param(name) | ast::Key::SourceParam(name) => {
                node("calculated object element", vec![named("parameter", name, Vec::new()), self.expr(value)])
            }
            ast::Key::Computed(key) => node("calculated object element", vec![self.expr(key), self.expr(value)]),
        }
    }

    fn name(&mut self, name: &str) -> Json {
        match self.visible.iter().rev().find(|(known, _)| known == name) {
            Some((_, id)) => json!({"type": "reference", "name": name, "id": id}),
            None if matches!(name, "OLD" | "NEW" | "CURRENT") => named("reference", name, Vec::new()),
            None => {
                self.collections.push(name.to_owned());
                named("collection", name, Vec::new())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_collections_and_parameters() {
        let parsed = parse_for_client("FOR d IN @@c FOR e IN edges FILTER d.x == @x RETURN [d, e]").unwrap();
        assert_eq!(parsed["bindVars"], json!(["@c", "x"]));
        assert_eq!(parsed["collections"], json!(["edges"]));
        assert_eq!(parsed["ast"][0]["subNodes"][0]["type"], "for");
        assert_eq!(parsed["ast"][0]["subNodes"][0]["subNodes"][0], json!({"type": "variable", "name": "d", "id": 0}));
    }
}
