//! From the text to the plan: the stages in order, and what a caller may choose.

use crate::binding::Binds;
use crate::catalog::CatalogView;
use crate::expr::Expr;
use crate::plan::Query;
use crate::{lexer, optimizer, parser, planner};
use base::{Error, Result, code};
use velocypack::{Slice, Value};

/// Evaluates a constant expression, or declines.
pub type Fold<'a> = &'a dyn Fn(&Expr) -> Option<Value>;

/// Choices of the caller.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// `options.optimizer.rules`: `+name`, `-name`, `-all`.
    pub rules: Vec<String>,
    /// Count the rows before the last top-level `LIMIT`.
    pub full_count: bool,
    /// The error messages are those of explain, without the prefix `AQL: `.
    pub is_explain: bool,
}

/// Compiles a query: parse, bind, plan, optimise, distribute.
///
/// `fold` evaluates constant expressions (`exec::evaluate_const`).
pub fn compile(text: &str, bind_vars: Slice<'_>, catalog: &dyn CatalogView, options: &CompileOptions, fold: Fold<'_>) -> Result<Query> {
    let mut query = plan(text, bind_vars, catalog, options, fold).map_err(|error| in_phase(&error, "parsing", options))?;
    optimizer::optimize(&mut query, catalog, options, fold).map_err(|error| in_phase(&error, "optimizing plan", options))?;
    Ok(query)
}

fn plan(text: &str, bind_vars: Slice<'_>, catalog: &dyn CatalogView, options: &CompileOptions, fold: Fold<'_>) -> Result<Query> {
    let syntax = parser::parse(text)?;
    let binds = Binds::new(&lexer::tokens(text)?, bind_vars)?;
    planner::plan(text, &syntax, binds, catalog, options, fold)
}

fn in_phase(error: &Error, phase: &str, options: &CompileOptions) -> Error {
    if error.code() == code::QUERY_EMPTY {
        return error.clone();
    }
    let prefix = if options.is_explain { "" } else { "AQL: " };
    Error::new(error.code(), format!("{prefix}{} (while {phase})", error.message()))
}
