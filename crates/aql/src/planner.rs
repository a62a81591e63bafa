//! The syntax tree to the first plan: names become variables and collections, bind parameters
//! constants, subqueries nodes.
//!
//! `expressions` lowers expressions; one file per family of statements. A (sub)query is planned into
//! [`Planner::nodes`], which subqueries put aside while they are planned.

mod collect;
mod expressions;
mod graphs;
mod modifications;
mod options;
mod statements;

use crate::ast::{self, SourceName};
use crate::binding::{Binds, named};
use crate::catalog::{CatalogView, CollectionInfo};
use crate::compile::{CompileOptions, Fold};
use crate::expr::{Expr, VarId};
use crate::plan::{CollectionAccess, CollectionUse, Node, NodeKind, Plan, Query, Variable};
use crate::position::error_near;
use base::{Error, Result, code};

/// Limit: nodes of a plan before it is optimised.
const NODES_MAX: u32 = 4000;
/// Limit: variables of a query.
const VARIABLES_MAX: usize = 4000;
/// Limit: collections of a query.
const COLLECTIONS_MAX: usize = 2048;

/// Plans a parsed query.
pub(crate) fn plan(
    text: &str,
    syntax: &ast::Query,
    binds: Binds<'_>,
    catalog: &dyn CatalogView,
    options: &CompileOptions,
    fold: Fold<'_>,
) -> Result<Query> {
    let mut planner = Planner {
        text,
        catalog,
        binds,
        fold,
        variables: Vec::new(),
        collections: Vec::new(),
        warnings: Vec::new(),
        nodes_made: 0,
        modified: Vec::new(),
        with: Vec::new(),
        scopes: Vec::new(),
        iterators: Vec::new(),
        guards: Vec::new(),
        elements: Vec::new(),
        nodes: Vec::new(),
    };
    for source in &syntax.with {
        let name = planner.source_name(source)?;
        planner.use_collection(&name, CollectionAccess::Read)?;
        planner.with.push(name);
    }
    let mut plan = planner.query(syntax)?;
    if options.full_count {
        count_fully(&mut plan);
    }
    Ok(Query { plan, variables: planner.variables, collections: planner.collections, rules: Vec::new(), warnings: planner.warnings })
}

/// `fullCount` concerns the last `LIMIT` of the main query.
fn count_fully(plan: &mut Plan) {
    for node in plan.nodes.iter_mut().rev() {
        if let NodeKind::Limit { full_count, .. } = &mut node.kind {
            *full_count = true;
            return;
        }
    }
}

/// Names of one (sub)query.
#[derive(Default)]
struct Scope {
    names: Vec<Name>,
    /// `FOR`s so far.
    loops: u32,
    old: Option<VarId>,
    new: Option<VarId>,
}

struct Name {
    name: String,
    var: VarId,
    /// `FOR`s before it, or itself if it is one's.
    loops: u32,
}

struct Planner<'a> {
    text: &'a str,
    catalog: &'a dyn CatalogView,
    binds: Binds<'a>,
    fold: Fold<'a>,
    variables: Vec<Variable>,
    collections: Vec<CollectionUse>,
    warnings: Vec<(u32, String)>,
    nodes_made: u32,
    /// Collections that were written to by the statements so far.
    modified: Vec<String>,
    /// Collections of `WITH`.
    with: Vec<String>,
    scopes: Vec<Scope>,
    /// `CURRENT` of the expansions around the expression being lowered.
    iterators: Vec<VarId>,
    /// Conditions under which the operand being lowered is evaluated at all.
    guards: Vec<Expr>,
    /// What stands for the element in the tail of an expansion.
    elements: Vec<Expr>,
    /// Nodes of the (sub)query being planned.
    nodes: Vec<Node>,
}

impl Planner<'_> {
    /// Plans a query or subquery; the nodes of the outer one are left alone.
    fn query(&mut self, query: &ast::Query) -> Result<Plan> {
        let outer = std::mem::take(&mut self.nodes);
        let guards = std::mem::take(&mut self.guards);
        self.scopes.push(Scope::default());
        self.push(NodeKind::Singleton)?;
        if !guards.is_empty() {
            // Compat: a subquery in an operand that is not evaluated does not run.
            let condition = match guards.as_slice() {
                [only] => only.clone(),
                all => Expr::And(all.to_vec()),
            };
            let condition = self.calculate(condition, None)?;
            self.push(NodeKind::Filter { input: condition })?;
        }
        for statement in &query.statements {
            self.statement(statement)?;
        }
        self.scopes.pop();
        self.guards = guards;
        Ok(Plan { nodes: std::mem::replace(&mut self.nodes, outer) })
    }

    fn push(&mut self, kind: NodeKind) -> Result<()> {
        self.nodes_made += 1;
        if self.nodes_made > NODES_MAX {
            return Err(Error::from(code::QUERY_TOO_MUCH_NESTING));
        }
        self.nodes.push(Node { id: self.nodes_made, kind, cost: 0.0, rows: 0.0 });
        Ok(())
    }

    /// A new variable; without a name it is named like its number.
    fn new_var(&mut self, name: Option<&str>) -> Result<VarId> {
        let number = self.variables.len();
        let id = u32::try_from(number).ok().filter(|_| number < VARIABLES_MAX);
        let id = id.ok_or_else(|| Error::from(code::QUERY_TOO_MUCH_NESTING))?;
        self.variables.push(Variable { name: name.map_or_else(|| number.to_string(), str::to_owned) });
        Ok(VarId(id))
    }

    /// Calculates an expression into a variable; a plain variable is taken as it is.
    fn calculate(&mut self, expr: Expr, name: Option<&str>) -> Result<VarId> {
        if let (Expr::Var(var), None) = (&expr, name) {
            return Ok(*var);
        }
        let out = self.new_var(name)?;
        self.push(NodeKind::Calculation { expr, out })?;
        Ok(out)
    }

    fn scope(&mut self) -> &mut Scope {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn visible(&self, name: &str) -> Option<VarId> {
        let names = self.scopes.iter().rev().flat_map(|scope| scope.names.iter().rev());
        names.into_iter().find(|known| known.name == name).map(|known| known.var)
    }

    /// Fails with 1511 if the name is taken.
    fn check_free(&self, ident: &ast::Ident) -> Result<()> {
        if self.visible(&ident.name).is_none() {
            return Ok(());
        }
        let message = named(code::QUERY_VARIABLE_REDECLARED, &ident.name);
        Err(error_near(self.text, ident.at, code::QUERY_VARIABLE_REDECLARED, message.message()))
    }

    fn declare(&mut self, ident: &ast::Ident) -> Result<VarId> {
        self.check_free(ident)?;
        let var = self.new_var(Some(&ident.name))?;
        self.introduce(&ident.name, var);
        Ok(var)
    }

    fn introduce(&mut self, name: &str, var: VarId) {
        let scope = self.scope();
        let loops = scope.loops;
        scope.names.push(Name { name: name.to_owned(), var, loops });
    }

    fn source_name(&mut self, source: &SourceName) -> Result<String> {
        match source {
            SourceName::Name(name) => Ok(name.clone()),
            SourceName::SourceParam(name) => self.binds.source(name),
            SourceName::Param(name) => self.binds.text(name),
        }
    }

    /// Notes that the query uses a collection: 1203 if there is none, 1579 if it was written to.
    fn use_collection(&mut self, name: &str, access: CollectionAccess) -> Result<CollectionInfo> {
        let info = self.catalog.collection(name).ok_or_else(|| Error::with_detail(code::ARANGO_DATA_SOURCE_NOT_FOUND, name))?;
        if self.modified.iter().any(|modified| modified == name) {
            return Err(named(code::QUERY_ACCESS_AFTER_MODIFICATION, &format!("collection '{name}'")));
        }
        if let Some(known) = self.collections.iter_mut().find(|known| known.name == name) {
            known.access = known.access.max(access);
            return Ok(info);
        }
        if self.collections.len() >= COLLECTIONS_MAX {
            return Err(Error::from(code::QUERY_TOO_MANY_COLLECTIONS));
        }
        self.collections.push(CollectionUse { name: name.to_owned(), access });
        Ok(info)
    }

    fn fail<T>(&self, at: u32, message: &str) -> Result<T> {
        Err(error_near(self.text, at, code::QUERY_PARSE, message))
    }

    fn warn(&mut self, code: base::Code, message: impl Into<String>) {
        self.warnings.push((code.0, message.into()));
    }
}
