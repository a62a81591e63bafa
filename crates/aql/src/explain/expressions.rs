//! Expressions as trees of ArangoDB's AST nodes.

use super::Printer;
use crate::expr::{BinaryOp, Expansion, Expr, ObjectKey, Quantifier, UnaryOp, VarId};
use crate::plan::{FieldCondition, IndexBranch};
use serde_json::{Value as Json, json};
use velocypack::{Kind, Value};

/// Name of the AST node, and its number if it is an operator; without one it is a function's name.
pub(crate) fn binary_name(op: BinaryOp) -> (&'static str, Option<u32>) {
    match op {
        BinaryOp::Plus => ("plus", Some(18)),
        BinaryOp::Minus => ("minus", Some(19)),
        BinaryOp::Times => ("times", Some(20)),
        BinaryOp::Div => ("division", Some(21)),
        BinaryOp::Mod => ("modulus", Some(22)),
        BinaryOp::Eq => ("compare ==", Some(25)),
        BinaryOp::Ne => ("compare !=", Some(26)),
        BinaryOp::Lt => ("compare <", Some(27)),
        BinaryOp::Le => ("compare <=", Some(28)),
        BinaryOp::Gt => ("compare >", Some(29)),
        BinaryOp::Ge => ("compare >=", Some(30)),
        BinaryOp::In => ("compare in", Some(31)),
        BinaryOp::NotIn => ("compare not in", Some(32)),
        BinaryOp::Like | BinaryOp::NotLike => ("LIKE", None),
        BinaryOp::Matches | BinaryOp::NotMatches => ("REGEX_TEST", None),
    }
}

/// Name of the AST node.
pub(crate) fn unary_name(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Plus => "unary plus",
        UnaryOp::Minus => "unary minus",
        UnaryOp::Not => "unary not",
    }
}

fn node(kind: &str, id: u32, sub: Vec<Json>) -> Json {
    json!({"type": kind, "typeID": id, "subNodes": sub})
}

impl Printer<'_> {
    pub(super) fn expr(&self, expr: &Expr) -> Json {
        match expr {
            Expr::Const(value) => constant(value),
            Expr::Var(var) => self.reference(*var),
            Expr::Attribute(base, name) => json!({"type": "attribute access", "typeID": 35, "name": name, "subNodes": [self.expr(base)]}),
            Expr::Indexed(base, index) => node("indexed access", 37, vec![self.expr(base), self.expr(index)]),
            Expr::Unary(op, operand) => {
                let id = match op {
                    UnaryOp::Plus => 13,
                    UnaryOp::Minus => 14,
                    UnaryOp::Not => 15,
                };
                node(unary_name(*op), id, vec![self.expr(operand)])
            }
            Expr::Binary(op, left, right) => self.binary(*op, left, right),
            Expr::And(all) => self.chain("logical and", 16, all),
            Expr::Or(all) => self.chain("logical or", 17, all),
            Expr::ArrayCompare(quantifier, op, left, right) => {
                let (name, id) = binary_name(*op);
                let sub = vec![self.expr(left), self.expr(right), self.quantifier(quantifier)];
                node(&format!("array {name}"), id.map_or(0, |id| id + 39), sub)
            }
            Expr::Ternary(condition, then, otherwise) => {
                let then = then.iter().map(|then| self.expr(then));
                node("ternary", 33, [self.expr(condition)].into_iter().chain(then).chain([self.expr(otherwise)]).collect())
            }
            Expr::Range(low, high) => node("range", 49, vec![self.expr(low), self.expr(high)]),
            Expr::Array(items) => node("array", 41, self.all(items)),
            Expr::Object(entries) => {
                let entry = |(key, value): &(ObjectKey, Expr)| match key {
                    ObjectKey::Name(name) => json!({"type": "object element", "typeID": 43, "name": name, "subNodes": [self.expr(value)]}),
                    ObjectKey::Computed(key) => node("calculated object element", 50, vec![self.expr(key), self.expr(value)]),
                };
                node("object", 42, entries.iter().map(entry).collect())
            }
            Expr::Call(name, args) => self.call("function call", 47, name, args),
            Expr::UserCall(name, args) => self.call("user function call", 48, name, args),
            Expr::Expansion(expansion) => self.expansion(expansion),
            Expr::Collection(name) => json!({"type": "collection", "typeID": 44, "name": name}),
        }
    }

    fn all(&self, exprs: &[Expr]) -> Vec<Json> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    pub(super) fn reference(&self, var: VarId) -> Json {
        let is_subquery = self.subqueries.contains(&var);
        json!({"type": "reference", "typeID": 45, "name": self.name(var), "id": var.0, "subqueryReference": is_subquery})
    }

    fn call(&self, kind: &str, id: u32, name: &str, args: &[Expr]) -> Json {
        json!({"type": kind, "typeID": id, "name": name, "subNodes": [node("array", 41, self.all(args))]})
    }

    fn binary(&self, op: BinaryOp, left: &Expr, right: &Expr) -> Json {
        let sub = vec![self.expr(left), self.expr(right)];
        match (binary_name(op), op) {
            ((kind, Some(id)), BinaryOp::Eq) => json!({"type": kind, "typeID": id, "excludesNull": false, "subNodes": sub}),
            ((kind, Some(id)), _) => node(kind, id, sub),
            ((function, None), _) => {
                let call = json!({"type": "function call", "typeID": 47, "name": function, "subNodes": [node("array", 41, sub)]});
                let negated = matches!(op, BinaryOp::NotLike | BinaryOp::NotMatches);
                if negated { node("unary not", 15, vec![call]) } else { call }
            }
        }
    }

    /// ArangoDB's explainer draws `&&` and `||` with two operands.
    fn chain(&self, kind: &str, id: u32, operands: &[Expr]) -> Json {
        let mut printed = operands.iter().map(|operand| self.expr(operand));
        let first = printed.next().unwrap_or(Json::Null);
        printed.fold(first, |left, right| node(kind, id, vec![left, right]))
    }

    fn quantifier(&self, quantifier: &Quantifier) -> Json {
        let word = match quantifier {
            Quantifier::Any => "any",
            Quantifier::All => "all",
            Quantifier::None => "none",
            Quantifier::AtLeast(count) => {
                return json!({"type": "quantifier", "typeID": 73, "quantifier": "at least", "subNodes": [self.expr(count)]});
            }
            Quantifier::Between(low, high) => return node("range", 49, vec![self.expr(low), self.expr(high)]),
        };
        json!({"type": "quantifier", "typeID": 73, "quantifier": word})
    }

    fn expansion(&self, expansion: &Expansion) -> Json {
        let no_op = || json!({"type": "no-op", "typeID": 50});
        let variable = json!({"type": "variable", "typeID": 7, "name": self.name(expansion.iterator), "id": expansion.iterator.0});
        let filter = expansion.filter.as_ref().map_or_else(no_op, |filter| self.expr(filter));
        let limit = expansion
            .limit
            .as_ref()
            .map_or_else(no_op, |(offset, count)| node("array limit", 60, vec![self.expr(offset), self.expr(count)]));
        let projection = expansion.projection.as_ref().map_or_else(no_op, |projection| self.expr(projection));
        let sub = vec![
            node("iterator", 39, vec![variable, self.expr(&expansion.input)]),
            self.reference(expansion.iterator),
            filter,
            limit,
            projection,
        ];
        json!({"type": "expansion", "typeID": 38, "levels": expansion.levels, "booleanize": expansion.question.is_some(), "subNodes": sub})
    }

    /// Conditions of index look-ups as an n-ary `||` of n-ary `&&`.
    pub(super) fn condition(&self, document: VarId, branches: &[IndexBranch]) -> Json {
        let ands: Vec<Json> = branches.iter().map(|branch| self.branch(document, branch)).collect();
        if branches.iter().all(|branch| branch.conditions.is_empty()) { json!({}) } else { node("n-ary or", 63, ands) }
    }

    fn branch(&self, document: VarId, branch: &IndexBranch) -> Json {
        let mut conditions = Vec::new();
        for (field, condition) in branch.index.fields.iter().zip(&branch.conditions) {
            let path: Vec<String> = field.trim_end_matches("[*]").split('.').map(str::to_owned).collect();
            let attribute = Expr::path(Expr::Var(document), &path);
            let compare = |op: BinaryOp, right: &Expr| self.binary(op, &attribute, right);
            match condition {
                FieldCondition::Eq(value) => conditions.push(compare(BinaryOp::Eq, value)),
                FieldCondition::In(list) => conditions.push(compare(BinaryOp::In, list)),
                FieldCondition::Range { low, high } => {
                    let low = low.iter().map(|(value, inclusive)| compare(if *inclusive { BinaryOp::Ge } else { BinaryOp::Gt }, value));
                    let high = high.iter().map(|(value, inclusive)| compare(if *inclusive { BinaryOp::Le } else { BinaryOp::Lt }, value));
                    conditions.extend(low.chain(high));
                }
            }
        }
        node("n-ary and", 62, conditions)
    }
}

fn constant(value: &Value) -> Json {
    let slice = value.as_slice();
    let raw = value.to_serde();
    let type_id = match slice.kind() {
        Kind::Array => return json!({"type": "array", "typeID": 41, "raw": raw}),
        Kind::Object => return json!({"type": "object", "typeID": 42, "raw": raw}),
        Kind::Bool => 1,
        Kind::Double => 3,
        Kind::String => 4,
        _ if slice.is_number() => 2,
        _ => 0,
    };
    json!({"type": "value", "typeID": 40, "value": raw, "vTypeID": type_id})
}
