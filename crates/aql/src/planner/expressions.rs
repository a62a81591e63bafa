//! Expressions of the syntax tree to expressions of the plan.

use super::Planner;
use crate::ast::{self, ExprKind};
use crate::binding::named;
use crate::expr::{Expansion, Expr, ObjectKey, Quantifier, UnaryOp, VarId};
use crate::functions::{self, FunctionInfo};
use crate::plan::{CollectionAccess, NodeKind};
use crate::simplify;
use base::{Error, Result, code};
use velocypack::Value;

impl Planner<'_> {
    /// Lowers an expression; subqueries in it become nodes before the current one.
    pub(super) fn lower(&mut self, expr: &ast::Expr) -> Result<Expr> {
        let lowered = self.lower_unfolded(expr)?;
        Ok(simplify::fold_top(lowered, self.fold))
    }

    fn boxed(&mut self, expr: &ast::Expr) -> Result<Box<Expr>> {
        self.lower(expr).map(Box::new)
    }

    fn all(&mut self, exprs: &[ast::Expr]) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| self.lower(expr)).collect()
    }

    fn lower_unfolded(&mut self, expr: &ast::Expr) -> Result<Expr> {
        Ok(match &expr.kind {
            ExprKind::Literal(value) => Expr::Const(value.clone()),
            ExprKind::HugeNumber => {
                self.warn(code::QUERY_NUMBER_OUT_OF_RANGE, code::QUERY_NUMBER_OUT_OF_RANGE.text());
                Expr::Const(Value::null())
            }
            ExprKind::Name(name) => self.name(name)?,
            ExprKind::Param(name) => Expr::Const(self.binds.value(name)?),
            ExprKind::SourceParam(name) => return self.collection_operand(&self.binds.source(name)?),
            ExprKind::Element => self.elements.last().cloned().ok_or_else(|| Error::internal("element outside of an expansion"))?,
            ExprKind::Attribute(base, name) => Expr::Attribute(self.boxed(base)?, name.clone()),
            ExprKind::BoundAttribute(base, param) => {
                let path = self.binds.path(param)?;
                Expr::path(self.lower(base)?, &path)
            }
            ExprKind::Indexed(base, index) => attribute_or_index(self.lower(base)?, self.lower(index)?),
            ExprKind::Expansion(expansion) => self.expansion(expansion)?,
            ExprKind::Unary(op, operand) => Expr::Unary(*op, self.boxed(operand)?),
            ExprKind::Binary(op, left, right) => Expr::Binary(*op, self.boxed(left)?, self.boxed(right)?),
            ExprKind::And(operands) => Expr::And(self.logical(operands, true)?),
            ExprKind::Or(operands) => Expr::Or(self.logical(operands, false)?),
            ExprKind::ArrayCompare(quantifier, op, left, right) => {
                Expr::ArrayCompare(self.quantifier(quantifier)?, *op, self.boxed(left)?, self.boxed(right)?)
            }
            ExprKind::Ternary(condition, then, otherwise) => self.ternary(condition, then.as_deref(), otherwise)?,
            ExprKind::Range(low, high) => Expr::Range(self.boxed(low)?, self.boxed(high)?),
            ExprKind::Array(items) => Expr::Array(self.all(items)?),
            ExprKind::Object(entries) => self.object(entries)?,
            ExprKind::Call(name, args) => self.call(name, args)?,
            ExprKind::Subquery(query) => Expr::Var(self.subquery(query)?),
        })
    }

    fn name(&mut self, name: &str) -> Result<Expr> {
        if let Some(var) = self.visible(name) {
            return Ok(Expr::Var(var));
        }
        let special = match name {
            "CURRENT" => self.iterators.last().copied(),
            "OLD" => self.scopes.iter().rev().find_map(|scope| scope.old),
            "NEW" => self.scopes.iter().rev().find_map(|scope| scope.new),
            _ => None,
        };
        match special {
            Some(var) => Ok(Expr::Var(var)),
            None => self.collection_operand(name),
        }
    }

    /// Compat: collections are no values (`--query.allow-collections-in-expressions false`).
    fn collection_operand(&mut self, name: &str) -> Result<Expr> {
        self.use_collection(name, CollectionAccess::Read)?;
        Err(named(code::QUERY_COLLECTION_USED_IN_EXPRESSION, name))
    }

    /// The collection that an expression names, if it does.
    pub(super) fn as_collection(&mut self, expr: &ast::Expr) -> Result<Option<String>> {
        match &expr.kind {
            ExprKind::Name(name) if self.visible(name).is_none() && !matches!(name.as_str(), "CURRENT" | "OLD" | "NEW") => {
                Ok(Some(name.clone()))
            }
            ExprKind::SourceParam(name) => self.binds.source(name).map(Some),
            _ => Ok(None),
        }
    }

    fn expansion(&mut self, expansion: &ast::Expansion) -> Result<Expr> {
        let input = self.lower(&expansion.input)?;
        let iterator = self.new_var(None)?;
        self.iterators.push(iterator);
        let parts = self.expansion_parts(expansion, iterator);
        self.iterators.pop();
        let (filter, limit, projection) = parts?;
        let question = match &expansion.question {
            Some(Some(quantifier)) => Some(self.quantifier(quantifier)?),
            Some(None) => Some(Quantifier::Any),
            None => None,
        };
        Ok(Expr::Expansion(Box::new(Expansion { input, levels: expansion.levels, iterator, filter, limit, projection, question })))
    }

    #[expect(clippy::type_complexity, reason = "the three optional parts of an expansion")]
    fn expansion_parts(
        &mut self,
        expansion: &ast::Expansion,
        iterator: VarId,
    ) -> Result<(Option<Expr>, Option<(Expr, Expr)>, Option<Expr>)> {
        let filter = expansion.filter.as_ref().map(|filter| self.lower(filter)).transpose()?;
        let limit = match &expansion.limit {
            Some((offset, count)) => {
                let offset = match offset {
                    Some(offset) => self.lower(offset)?,
                    None => Expr::Const(Value::int(0)),
                };
                Some((offset, self.lower(count)?))
            }
            None => None,
        };
        let mut projection = expansion.projection.as_ref().map(|projection| self.lower(projection)).transpose()?;
        if let Some(tail) = &expansion.tail {
            self.elements.push(projection.take().unwrap_or(Expr::Var(iterator)));
            let lowered = self.lower(tail);
            self.elements.pop();
            projection = Some(lowered?);
        }
        Ok((filter, limit, projection))
    }

    fn quantifier(&mut self, quantifier: &ast::Quantifier) -> Result<Quantifier> {
        Ok(match quantifier {
            ast::Quantifier::Any => Quantifier::Any,
            ast::Quantifier::All => Quantifier::All,
            ast::Quantifier::None => Quantifier::None,
            ast::Quantifier::AtLeast(count) => Quantifier::AtLeast(self.boxed(count)?),
            ast::Quantifier::Exactly(count) => match self.lower(count)? {
                Expr::Range(low, high) => Quantifier::Between(low, high),
                count => Quantifier::Between(Box::new(count.clone()), Box::new(count)),
            },
            ast::Quantifier::Between(low, high) => Quantifier::Between(self.boxed(low)?, self.boxed(high)?),
        })
    }

    /// Operands of `&&` (or `||`). A subquery in a later operand runs only if that is evaluated.
    fn logical(&mut self, operands: &[ast::Expr], all: bool) -> Result<Vec<Expr>> {
        let mut lowered: Vec<Expr> = Vec::with_capacity(operands.len());
        for operand in operands {
            if lowered.is_empty() || !has_subquery(operand) {
                lowered.push(self.lower(operand)?);
                continue;
            }
            let before = std::mem::take(&mut lowered);
            let before = self.hoist(if all { Expr::And(before) } else { Expr::Or(before) })?;
            let guard = if all { before.clone() } else { Expr::Unary(UnaryOp::Not, Box::new(before.clone())) };
            let operand = self.guarded(guard, operand)?;
            lowered.extend([before, operand]);
        }
        Ok(lowered)
    }

    fn ternary(&mut self, condition: &ast::Expr, then: Option<&ast::Expr>, otherwise: &ast::Expr) -> Result<Expr> {
        let mut condition = self.lower(condition)?;
        let lazy = !matches!(condition, Expr::Const(_)) && (then.is_some_and(has_subquery) || has_subquery(otherwise));
        if !lazy {
            let then = then.map(|then| self.boxed(then)).transpose()?;
            return Ok(Expr::Ternary(Box::new(condition), then, self.boxed(otherwise)?));
        }
        condition = self.hoist(condition)?;
        let then = then.map(|then| self.guarded(condition.clone(), then)).transpose()?;
        let otherwise = self.guarded(Expr::Unary(UnaryOp::Not, Box::new(condition.clone())), otherwise)?;
        Ok(Expr::Ternary(Box::new(condition), then.map(Box::new), Box::new(otherwise)))
    }

    /// Calculates an expression into a variable, unless it depends on the element of an expansion.
    fn hoist(&mut self, expr: Expr) -> Result<Expr> {
        let expr = simplify::fold_top(expr, self.fold);
        let bound = self.iterators.iter().any(|iterator| expr.uses(*iterator));
        if bound || matches!(expr, Expr::Const(_)) { Ok(expr) } else { Ok(Expr::Var(self.calculate(expr, None)?)) }
    }

    fn guarded(&mut self, guard: Expr, operand: &ast::Expr) -> Result<Expr> {
        self.guards.push(guard);
        let lowered = self.lower(operand);
        self.guards.pop();
        lowered
    }

    fn object(&mut self, entries: &[(ast::Key, ast::Expr)]) -> Result<Expr> {
        let mut lowered = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = match key {
                ast::Key::Name(name) => {
                    if matches!(&value.kind, ExprKind::Name(own) if own == name && value.height == 1) {
                        self.check_shorthand(name)?;
                    }
                    ObjectKey::Name(name.clone())
                }
                ast::Key::Param(param) => {
                    let bound = self.binds.value(param)?;
                    let text = bound.as_slice().as_str().ok_or_else(|| named(code::QUERY_BIND_PARAMETER_TYPE, param))?;
                    ObjectKey::Name(text.to_owned())
                }
                ast::Key::SourceParam(param) => return Err(named(code::QUERY_BIND_PARAMETER_TYPE, param)),
                ast::Key::Computed(key) => match self.lower(key)? {
                    Expr::Const(value) if value.as_slice().is_string() => {
                        ObjectKey::Name(value.as_slice().as_str().unwrap_or_default().to_owned())
                    }
                    key => ObjectKey::Computed(key),
                },
            };
            lowered.push((key, self.lower(value)?));
        }
        Ok(Expr::Object(lowered))
    }

    /// Compat: `{a}` needs a variable (1512), it never names a collection.
    fn check_shorthand(&self, name: &str) -> Result<()> {
        let special = matches!(name, "CURRENT" | "OLD" | "NEW");
        if self.visible(name).is_some() || special || self.catalog.collection(name).is_some() {
            return Ok(());
        }
        Err(named(code::QUERY_VARIABLE_NAME_UNKNOWN, name))
    }

    fn call(&mut self, name: &str, args: &[ast::Expr]) -> Result<Expr> {
        if name.contains("::") {
            return Ok(Expr::UserCall(name.to_ascii_uppercase(), self.all(args)?));
        }
        let upper = name.to_ascii_uppercase();
        let Some(function) = functions::lookup(&upper) else {
            return Err(named(code::QUERY_FUNCTION_NAME_UNKNOWN, &upper));
        };
        if args.len() < function.min_args || args.len() > function.max_args {
            let text = format!(
                "invalid number of arguments for function '{upper}()', expected number of arguments: minimum: {}, maximum: {}",
                function.min_args, function.max_args
            );
            return Err(Error::new(code::QUERY_FUNCTION_ARGUMENT_NUMBER_MISMATCH, text));
        }
        if function.reads_documents && !self.modified.is_empty() {
            return Err(named(code::QUERY_ACCESS_AFTER_MODIFICATION, &format!("function '{upper}'")));
        }
        self.known_call(function, args)
    }

    fn known_call(&mut self, function: &FunctionInfo, args: &[ast::Expr]) -> Result<Expr> {
        let mut lowered = Vec::with_capacity(args.len());
        for (position, arg) in args.iter().enumerate() {
            let collection = if takes_collection(function.name, position) { self.as_collection(arg)? } else { None };
            let Some(collection) = collection else {
                lowered.push(self.lower(arg)?);
                continue;
            };
            self.use_collection(&collection, CollectionAccess::Read)?;
            let name = Expr::Const(Value::string(&collection));
            if function.name == "LENGTH" {
                return Ok(Expr::Call("COLLECTION_COUNT".into(), vec![name]));
            }
            lowered.push(name);
        }
        Ok(Expr::Call(function.name.to_owned(), lowered))
    }

    /// Plans a subquery; the variable holds its result.
    pub(super) fn subquery(&mut self, query: &ast::Query) -> Result<VarId> {
        let plan = self.query(query)?;
        let reads = plan.outer_reads();
        if self.iterators.iter().any(|iterator| reads.contains(iterator)) {
            return Err(Error::new(code::QUERY_PARSE, "subqueries inside of array expansions cannot use CURRENT"));
        }
        let out = self.new_var(None)?;
        let deterministic = plan.nodes.iter().all(|node| node.kind.is_deterministic());
        self.push(NodeKind::Subquery { is_const: reads.is_empty() && deterministic, plan, out })?;
        Ok(out)
    }
}

/// `x["name"]` with a constant name is the attribute.
fn attribute_or_index(base: Expr, index: Expr) -> Expr {
    if let Expr::Const(value) = &index
        && let Some(name) = value.as_slice().as_str()
        && name.parse::<f64>().is_err()
    {
        return Expr::Attribute(Box::new(base), name.to_owned());
    }
    Expr::Indexed(Box::new(base), Box::new(index))
}

fn takes_collection(function: &str, position: usize) -> bool {
    position == 0
        && matches!(
            function,
            "LENGTH"
                | "DOCUMENT"
                | "COLLECTION_COUNT"
                | "IS_SAME_COLLECTION"
                | "NEAR"
                | "WITHIN"
                | "WITHIN_RECTANGLE"
                | "FULLTEXT"
                | "SCHEMA_GET"
                | "SHARD_ID"
        )
}

fn has_subquery(expr: &ast::Expr) -> bool {
    let any = |exprs: &[ast::Expr]| exprs.iter().any(has_subquery);
    let quantified = |quantifier: &ast::Quantifier| match quantifier {
        ast::Quantifier::AtLeast(count) | ast::Quantifier::Exactly(count) => has_subquery(count),
        ast::Quantifier::Between(low, high) => has_subquery(low) || has_subquery(high),
        _ => false,
    };
    match &expr.kind {
        ExprKind::Subquery(_) => true,
        ExprKind::Attribute(base, _) | ExprKind::BoundAttribute(base, _) | ExprKind::Unary(_, base) => has_subquery(base),
        ExprKind::Indexed(left, right) | ExprKind::Binary(_, left, right) | ExprKind::Range(left, right) => {
            has_subquery(left) || has_subquery(right)
        }
        ExprKind::ArrayCompare(quantifier, _, left, right) => quantified(quantifier) || has_subquery(left) || has_subquery(right),
        ExprKind::And(all) | ExprKind::Or(all) | ExprKind::Array(all) | ExprKind::Call(_, all) => any(all),
        ExprKind::Ternary(condition, then, otherwise) => {
            has_subquery(condition) || then.as_deref().is_some_and(has_subquery) || has_subquery(otherwise)
        }
        ExprKind::Object(entries) => {
            entries.iter().any(|(key, value)| has_subquery(value) || matches!(key, ast::Key::Computed(key) if has_subquery(key)))
        }
        ExprKind::Expansion(expansion) => {
            let parts = expansion.filter.iter().chain(&expansion.projection).chain(&expansion.tail);
            has_subquery(&expansion.input) || parts.into_iter().any(has_subquery)
        }
        _ => false,
    }
}
