//! `FOR`, `LET`, `FILTER`, `SORT`, `LIMIT`, `RETURN`.

use super::Planner;
use crate::ast::{self, ExprKind, SortDirection, Statement, StatementKind, Target};
use crate::expr::{Expr, VarId};
use crate::plan::{Collect, CollectMethod, CollectionAccess, NodeKind, Scan, SortElement};
use base::{Error, Result, code};
use velocypack::Value;

/// `LIMIT x, null`: no upper bound. Offset and count can be added without overflow.
const NO_LIMIT: u64 = u64::MAX / 4;

impl Planner<'_> {
    pub(super) fn statement(&mut self, statement: &Statement) -> Result<()> {
        match &statement.kind {
            StatementKind::For(for_in) => self.for_in(for_in),
            StatementKind::Traversal(traversal) => self.traversal(traversal, statement.at),
            StatementKind::Paths(paths) => self.paths(paths, statement.at),
            StatementKind::Let(items) => items.iter().try_for_each(|(target, value)| self.assign(target, value)),
            StatementKind::Filter(condition) => {
                let condition = self.lower(condition)?;
                let input = self.calculate(condition, None)?;
                self.push(NodeKind::Filter { input })
            }
            StatementKind::Collect(collect) => self.collect(collect),
            StatementKind::Sort(items) => self.sort(items),
            StatementKind::Limit { offset, count } => self.limit(offset.as_ref(), count),
            StatementKind::Window(window) => self.window(window, statement.at),
            StatementKind::Return { distinct, value } => self.return_value(*distinct, value, statement.at),
            StatementKind::Modify(modify) => self.modify(modify),
            StatementKind::Upsert(upsert) => self.upsert(upsert),
        }
    }

    fn for_in(&mut self, for_in: &ast::For) -> Result<()> {
        if let Some(collection) = self.as_collection(&for_in.source)? {
            return self.for_collection(for_in, &collection);
        }
        if for_in.search.is_some() {
            return self.fail(for_in.source.at, "SEARCH condition used on non-view");
        }
        let source = self.lower(&for_in.source)?;
        let input = self.calculate(source, None)?;
        self.for_options(for_in.options.as_ref())?;
        self.scope().loops += 1;
        let out = self.loop_variable(&for_in.target)?;
        self.push(NodeKind::EnumerateList { input, out })?;
        self.bind_pattern(&for_in.target, out)
    }

    fn for_collection(&mut self, for_in: &ast::For, collection: &str) -> Result<()> {
        self.use_collection(collection, CollectionAccess::Read)?;
        if for_in.search.is_some() {
            return self.fail(for_in.source.at, "SEARCH condition used on non-view");
        }
        let hints = self.for_options(for_in.options.as_ref())?;
        self.scope().loops += 1;
        let out = self.loop_variable(&for_in.target)?;
        let scan = Scan {
            index_hint: hints.index_hint,
            force_index_hint: hints.force_index_hint,
            disable_index: hints.disable_index,
            ..Scan::of(collection, out)
        };
        self.push(NodeKind::EnumerateCollection(scan))?;
        self.bind_pattern(&for_in.target, out)
    }

    fn loop_variable(&mut self, target: &Target) -> Result<VarId> {
        match target {
            Target::Name(ident) => self.declare(ident),
            _ => self.new_var(None),
        }
    }

    fn assign(&mut self, target: &Target, value: &ast::Expr) -> Result<()> {
        let lowered = self.lower(value)?;
        let Target::Name(ident) = target else {
            let var = self.calculate(lowered, None)?;
            return self.bind_pattern(target, var);
        };
        self.check_free(ident)?;
        if let Some(var) = self.own_subquery(value, &lowered) {
            // The subquery's result gets the name itself.
            if let Some(variable) = self.variables.get_mut(var.0 as usize) {
                variable.name.clone_from(&ident.name);
            }
            self.introduce(&ident.name, var);
            return Ok(());
        }
        let var = self.calculate(lowered, Some(&ident.name))?;
        self.introduce(&ident.name, var);
        Ok(())
    }

    /// The variable of the subquery that was just planned, if the expression is nothing else.
    fn own_subquery(&self, value: &ast::Expr, lowered: &Expr) -> Option<VarId> {
        match (&value.kind, lowered, self.nodes.last().map(|node| &node.kind)) {
            (ExprKind::Subquery(_), Expr::Var(var), Some(NodeKind::Subquery { out, .. })) if var == out => Some(*var),
            _ => None,
        }
    }

    /// Sets the variables of a pattern from the value in `var`; missing parts are null.
    fn bind_pattern(&mut self, target: &Target, var: VarId) -> Result<()> {
        match target {
            Target::Name(_) => Ok(()),
            Target::Array(items) => {
                for (position, item) in items.iter().enumerate() {
                    let index = Expr::Const(Value::uint(position as u64));
                    if let Some(item) = item {
                        self.bind_part(item, Expr::Indexed(Box::new(Expr::Var(var)), Box::new(index)))?;
                    }
                }
                Ok(())
            }
            Target::Object(items) => {
                items.iter().try_for_each(|(name, item)| self.bind_part(item, Expr::Attribute(Box::new(Expr::Var(var)), name.clone())))
            }
        }
    }

    fn bind_part(&mut self, target: &Target, value: Expr) -> Result<()> {
        if let Target::Name(ident) = target {
            let out = self.declare(ident)?;
            return self.push(NodeKind::Calculation { expr: value, out });
        }
        let var = self.calculate(value, None)?;
        self.bind_pattern(target, var)
    }

    fn sort(&mut self, items: &[ast::SortItem]) -> Result<()> {
        let mut elements = Vec::new();
        for item in items {
            let expr = self.lower(&item.expr)?;
            let ascending = self.ascending(&item.direction)?;
            if matches!(expr, Expr::Const(_)) {
                continue;
            }
            let input = self.calculate(expr, None)?;
            elements.push(SortElement { input, path: Vec::new(), ascending });
        }
        if elements.is_empty() {
            // Compat: `SORT null` after COLLECT gives up the order of the groups.
            if let [.., collect, sort] = self.nodes.as_slice()
                && matches!((&collect.kind, &sort.kind), (NodeKind::Collect(_), NodeKind::Sort { .. }))
            {
                self.nodes.pop();
            }
            return Ok(());
        }
        self.push(NodeKind::Sort { elements, limit: None })
    }

    fn ascending(&mut self, direction: &SortDirection) -> Result<bool> {
        let value = match direction {
            SortDirection::Ascending => return Ok(true),
            SortDirection::Descending => return Ok(false),
            SortDirection::Value(value) => value,
        };
        let lowered = self.lower(value)?;
        let word = match &lowered {
            Expr::Const(word) => word.as_slice().as_str().map(str::to_ascii_lowercase),
            _ => None,
        };
        match word.as_deref() {
            Some("asc") => Ok(true),
            Some("desc") => Ok(false),
            _ => self.fail(value.at, "unexpected sort direction"),
        }
    }

    fn limit(&mut self, offset: Option<&ast::Expr>, count: &ast::Expr) -> Result<()> {
        let offset = match offset {
            Some(offset) => self.limit_value(offset, 0)?,
            None => 0,
        };
        let count = self.limit_value(count, NO_LIMIT)?;
        self.push(NodeKind::Limit { offset, count, full_count: false })
    }

    fn limit_value(&mut self, expr: &ast::Expr, of_null: u64) -> Result<u64> {
        let Expr::Const(value) = self.lower(expr)? else {
            return self.fail(expr.at, "unexpected non-constant value in LIMIT");
        };
        let slice = value.as_slice();
        if slice.is_null() {
            return Ok(of_null);
        }
        let out_of_range = |detail: &str| Err(Error::with_detail(code::QUERY_NUMBER_OUT_OF_RANGE, detail));
        if let Some(number) = slice.as_i64() {
            return u64::try_from(number).map(|number| number.min(NO_LIMIT)).or_else(|_| out_of_range("LIMIT value is negative"));
        }
        match slice.as_f64() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked; Compat: doubles are cut")]
            Some(number) if number >= 0.0 => Ok((number as u64).min(NO_LIMIT)),
            Some(_) => out_of_range("LIMIT value is negative"),
            None => out_of_range("LIMIT value is not a number"),
        }
    }

    fn return_value(&mut self, distinct: bool, value: &ast::Expr, at: u32) -> Result<()> {
        let lowered = self.lower(value)?;
        let mut input = self.calculate(lowered, None)?;
        if distinct {
            if self.scopes.len() == 1 && self.scope().loops == 0 {
                return self.fail(at, "cannot use DISTINCT modifier on top-level query element");
            }
            let out = self.new_var(None)?;
            self.push(NodeKind::Collect(Collect {
                method: CollectMethod::Distinct,
                groups: vec![(out, input)],
                aggregates: Vec::new(),
                into: None,
                into_expr: None,
                keep: Vec::new(),
            }))?;
            input = out;
        }
        self.push(NodeKind::Return { input })
    }
}
