//! A plan as short text, for tests and logs: one line per node.

use crate::expr::{BinaryOp, Expr, ObjectKey, Quantifier, UnaryOp, VarId};
use crate::plan::{
    Aggregate, Collect, CollectMethod, Direction, FieldCondition, GraphUse, IndexScan, Modify, ModifyKind, NodeKind, Paths, PathsKind,
    Plan, Query, Scan, SortElement, Traversal, Upsert, Window,
};
use std::fmt::Write;

/// The plan of a query, indented by subquery.
#[must_use]
pub fn plan(query: &Query) -> String {
    let mut printer = Printer { query, out: String::new() };
    printer.plan(&query.plan, 0);
    printer.out
}

/// An expression of a query.
#[must_use]
pub fn expr(query: &Query, expr: &Expr) -> String {
    Printer { query, out: String::new() }.expr(expr)
}

struct Printer<'a> {
    query: &'a Query,
    out: String,
}

impl Printer<'_> {
    fn plan(&mut self, plan: &Plan, depth: usize) {
        for node in &plan.nodes {
            let line = self.node(&node.kind);
            let _ = writeln!(self.out, "{:indent$}{line}", "", indent = depth * 4);
            if let NodeKind::Subquery { plan, .. } = &node.kind {
                self.plan(plan, depth + 1);
            }
        }
    }

    fn var(&self, var: VarId) -> String {
        match self.query.variables.get(var.0 as usize) {
            Some(variable) if variable.name == var.0.to_string() => format!("#{}", var.0),
            Some(variable) => variable.name.clone(),
            None => format!("#{}?", var.0),
        }
    }

    fn optional(&self, var: Option<VarId>) -> String {
        var.map_or_else(|| "-".into(), |var| self.var(var))
    }

    fn node(&self, kind: &NodeKind) -> String {
        match kind {
            NodeKind::Singleton => "Singleton".into(),
            NodeKind::EnumerateCollection(scan) => self.scan("EnumerateCollection", scan),
            NodeKind::Index(scan) => self.index(scan),
            NodeKind::EnumerateList { input, out } => format!("EnumerateList {} in {}", self.var(*out), self.var(*input)),
            NodeKind::Calculation { expr, out } => format!("Calculation {} = {}", self.var(*out), self.expr(expr)),
            NodeKind::Subquery { out, is_const, .. } => format!("Subquery {}{}", self.var(*out), if *is_const { " const" } else { "" }),
            NodeKind::Filter { input } => format!("Filter {}", self.var(*input)),
            NodeKind::Sort { elements, limit } => {
                let limit = limit.map(|limit| format!(" limit {limit}")).unwrap_or_default();
                format!("Sort {}{limit}", self.elements(elements))
            }
            NodeKind::Limit { offset, count, full_count } => {
                format!("Limit {offset}, {count}{}", if *full_count { " fullCount" } else { "" })
            }
            NodeKind::Collect(collect) => self.collect(collect),
            NodeKind::Window(window) => self.window(window),
            NodeKind::Return { input } => format!("Return {}", self.var(*input)),
            NodeKind::NoResults => "NoResults".into(),
            NodeKind::Modify(modify) => self.modify(modify),
            NodeKind::Upsert(upsert) => self.upsert(upsert),
            NodeKind::Traversal(traversal) => self.traversal(traversal),
            NodeKind::Paths(paths) => self.paths(paths),
            NodeKind::Remote { collection, shard_values } => {
                let shard = self.list(shard_values);
                let shard = if shard.is_empty() { shard } else { format!(" one shard [{shard}]") };
                format!("Remote {collection}{shard}")
            }
            NodeKind::Scatter => "Scatter".into(),
            NodeKind::Gather { elements } => format!("Gather {}", self.elements(elements)).trim_end().to_owned(),
        }
    }

    fn elements(&self, elements: &[SortElement]) -> String {
        let print = |element: &SortElement| {
            let path: String = element.path.iter().map(|name| format!(".{name}")).collect();
            format!("{}{path}{}", self.var(element.input), if element.ascending { "" } else { " desc" })
        };
        elements.iter().map(print).collect::<Vec<_>>().join(", ")
    }

    fn scan(&self, what: &str, scan: &Scan) -> String {
        let mut line = format!("{what} {} in {}", self.var(scan.out), scan.collection);
        if scan.random {
            line.push_str(" random");
        }
        if scan.count_only {
            line.push_str(" count only");
        }
        if !scan.projections.is_empty() {
            let paths: Vec<String> = scan.projections.iter().map(|path| path.join(".")).collect();
            let _ = write!(line, " projections [{}]", paths.join(", "));
        }
        if let Some(filter) = &scan.filter {
            let _ = write!(line, " filter {}", self.expr(filter));
        }
        line
    }

    fn index(&self, scan: &IndexScan) -> String {
        let mut line = self.scan("Index", &scan.scan);
        for (number, branch) in scan.branches.iter().enumerate() {
            let fields = branch.index.fields.iter();
            let conditions: Vec<String> =
                fields.zip(&branch.conditions).map(|(field, condition)| self.condition(field, condition)).collect();
            let _ = write!(line, "{} {}({})", if number == 0 { "" } else { " or" }, branch.index.name, conditions.join(" && "));
        }
        for (flag, word) in [(scan.sorted, " sorted"), (scan.reverse, " reverse"), (scan.covering, " covering")] {
            line.push_str(if flag { word } else { "" });
        }
        line
    }

    fn condition(&self, field: &str, condition: &FieldCondition) -> String {
        match condition {
            FieldCondition::Eq(expr) => format!("{field} == {}", self.expr(expr)),
            FieldCondition::In(expr) => format!("{field} IN {}", self.expr(expr)),
            FieldCondition::Range { low, high } => {
                let low =
                    low.as_ref().map(|(expr, inclusive)| format!("{field} {} {}", if *inclusive { ">=" } else { ">" }, self.expr(expr)));
                let high =
                    high.as_ref().map(|(expr, inclusive)| format!("{field} {} {}", if *inclusive { "<=" } else { "<" }, self.expr(expr)));
                low.into_iter().chain(high).collect::<Vec<_>>().join(" && ")
            }
        }
    }

    fn aggregates(&self, aggregates: &[Aggregate]) -> String {
        let print = |aggregate: &Aggregate| {
            let input = aggregate.input.map(|input| self.var(input)).unwrap_or_default();
            format!("{} = {}({input})", self.var(aggregate.out), aggregate.function)
        };
        aggregates.iter().map(print).collect::<Vec<_>>().join(", ")
    }

    fn collect(&self, collect: &Collect) -> String {
        let method = match collect.method {
            CollectMethod::Hash => "hash",
            CollectMethod::Sorted => "sorted",
            CollectMethod::Distinct => "distinct",
            CollectMethod::Count => "count",
        };
        let groups: Vec<String> = collect.groups.iter().map(|(out, input)| format!("{} = {}", self.var(*out), self.var(*input))).collect();
        let mut line = format!("Collect {method} {}", groups.join(", "));
        if !collect.aggregates.is_empty() {
            let _ = write!(line, " aggregate {}", self.aggregates(&collect.aggregates));
        }
        if let Some(into) = collect.into {
            let keep: Vec<&str> = collect.keep.iter().map(|(name, _)| name.as_str()).collect();
            let value = collect.into_expr.map_or_else(|| format!("[{}]", keep.join(", ")), |var| self.var(var));
            let _ = write!(line, " into {} = {value}", self.var(into));
        }
        line.replace("  ", " ")
    }

    fn window(&self, window: &Window) -> String {
        let bound = |bound: &Option<Expr>| bound.as_ref().map_or_else(|| "unbounded".into(), |expr| self.expr(expr));
        let range = window.range.map(|var| format!("{} ", self.var(var))).unwrap_or_default();
        format!("Window {range}{} {} {}", bound(&window.preceding), bound(&window.following), self.aggregates(&window.aggregates))
    }

    fn modify(&self, modify: &Modify) -> String {
        let kind = match modify.kind {
            ModifyKind::Insert => "Insert",
            ModifyKind::Update => "Update",
            ModifyKind::Replace => "Replace",
            ModifyKind::Remove => "Remove",
        };
        let key = modify.key.map(|key| format!("{} with ", self.var(key))).unwrap_or_default();
        let outs = format!(" old {} new {}", self.optional(modify.old), self.optional(modify.new));
        format!("{kind} {key}{} in {}{outs}", self.var(modify.document), modify.collection)
    }

    fn upsert(&self, upsert: &Upsert) -> String {
        let word = if upsert.replace { "replace" } else { "update" };
        let (found, insert, update) = (self.var(upsert.found), self.var(upsert.insert), self.var(upsert.update));
        let outs = format!(" old {} new {}", self.optional(upsert.old), self.optional(upsert.new));
        format!("Upsert {found} insert {insert} {word} {update} in {}{outs}", upsert.collection)
    }

    fn graph(graph: &GraphUse) -> String {
        let edges = graph.edges.iter().map(|(name, direction)| {
            let word = match direction {
                Direction::Outbound => "outbound",
                Direction::Inbound => "inbound",
                Direction::Any => "any",
            };
            format!("{word} {name}")
        });
        edges.collect::<Vec<_>>().join(", ")
    }

    fn traversal(&self, traversal: &Traversal) -> String {
        let outs: Vec<String> =
            [traversal.vertex_out, traversal.edge_out, traversal.path_out].into_iter().map(|out| self.optional(out)).collect();
        let mut line = format!(
            "Traversal {} in {}..{} from {} {}",
            outs.join(", "),
            traversal.min_depth,
            traversal.max_depth,
            self.var(traversal.start),
            Self::graph(&traversal.graph)
        );
        let mut part = |word: &str, expr: &Expr| {
            let _ = write!(line, " {word} {}", self.expr(expr));
        };
        traversal.prune.iter().for_each(|expr| part("prune", expr));
        traversal.edge_condition.iter().for_each(|expr| part("all edges", expr));
        traversal.vertex_condition.iter().for_each(|expr| part("all vertices", expr));
        traversal.edge_conditions.iter().for_each(|(depth, expr)| part(&format!("edge {depth}"), expr));
        traversal.vertex_conditions.iter().for_each(|(depth, expr)| part(&format!("vertex {depth}"), expr));
        if !traversal.options.produce_vertices {
            line.push_str(" without vertices");
        }
        line
    }

    fn paths(&self, paths: &Paths) -> String {
        let kind = match paths.kind {
            PathsKind::Shortest => "ShortestPath",
            PathsKind::KShortest => "KShortestPaths",
            PathsKind::KPaths => "KPaths",
            PathsKind::AllShortest => "AllShortestPaths",
        };
        let outs = [paths.vertex_out.or(paths.path_out), paths.edge_out].map(|out| self.optional(out));
        let (start, target) = (self.var(paths.start), self.var(paths.target));
        format!("{kind} {} from {start} to {target} {}", outs.join(", "), Self::graph(&paths.graph))
    }

    fn list(&self, exprs: &[Expr]) -> String {
        exprs.iter().map(|expr| self.expr(expr)).collect::<Vec<_>>().join(", ")
    }

    fn joined(&self, exprs: &[Expr], word: &str) -> String {
        format!("({})", exprs.iter().map(|expr| self.expr(expr)).collect::<Vec<_>>().join(word))
    }

    fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Const(value) => value.to_json(),
            Expr::Var(var) => self.var(*var),
            Expr::Attribute(base, name) => format!("{}.{name}", self.expr(base)),
            Expr::Indexed(base, index) => format!("{}[{}]", self.expr(base), self.expr(index)),
            Expr::Unary(op, operand) => {
                let sign = match op {
                    UnaryOp::Plus => "+",
                    UnaryOp::Minus => "-",
                    UnaryOp::Not => "!",
                };
                format!("{sign}{}", self.expr(operand))
            }
            Expr::Binary(op, left, right) => format!("({} {} {})", self.expr(left), symbol(*op), self.expr(right)),
            Expr::And(all) => self.joined(all, " && "),
            Expr::Or(all) => self.joined(all, " || "),
            Expr::ArrayCompare(quantifier, op, left, right) => {
                format!("({} {} {} {})", self.expr(left), self.quantifier(quantifier), symbol(*op), self.expr(right))
            }
            Expr::Ternary(condition, then, otherwise) => {
                let then = then.as_ref().map(|then| self.expr(then)).unwrap_or_default();
                format!("({} ? {then} : {})", self.expr(condition), self.expr(otherwise))
            }
            Expr::Range(low, high) => format!("({}..{})", self.expr(low), self.expr(high)),
            Expr::Array(items) => format!("[{}]", self.list(items)),
            Expr::Object(entries) => {
                let print = |(key, value): &(ObjectKey, Expr)| match key {
                    ObjectKey::Name(name) => format!("{name}: {}", self.expr(value)),
                    ObjectKey::Computed(key) => format!("[{}]: {}", self.expr(key), self.expr(value)),
                };
                format!("{{{}}}", entries.iter().map(print).collect::<Vec<_>>().join(", "))
            }
            Expr::Call(name, args) | Expr::UserCall(name, args) => format!("{name}({})", self.list(args)),
            Expr::Expansion(expansion) => {
                let mut inner = match &expansion.question {
                    Some(quantifier) => format!("? {}", self.quantifier(quantifier)),
                    None => "*".repeat(expansion.levels as usize),
                };
                let mut part = |word: &str, expr: &Expr| {
                    let _ = write!(inner, " {word} {}", self.expr(expr));
                };
                expansion.filter.iter().for_each(|filter| part("filter", filter));
                if let Some((offset, count)) = &expansion.limit {
                    part("limit", offset);
                    part("count", count);
                }
                expansion.projection.iter().for_each(|projection| part("return", projection));
                format!("{}[{inner} by {}]", self.expr(&expansion.input), self.var(expansion.iterator))
            }
            Expr::Collection(name) => format!("collection {name}"),
        }
    }

    fn quantifier(&self, quantifier: &Quantifier) -> String {
        match quantifier {
            Quantifier::Any => "any".into(),
            Quantifier::All => "all".into(),
            Quantifier::None => "none".into(),
            Quantifier::AtLeast(count) => format!("at least {}", self.expr(count)),
            Quantifier::Between(low, high) => format!("{}..{}", self.expr(low), self.expr(high)),
        }
    }
}

/// The operator as it is written.
#[must_use]
pub fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Plus => "+",
        BinaryOp::Minus => "-",
        BinaryOp::Times => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::In => "in",
        BinaryOp::NotIn => "not in",
        BinaryOp::Like => "like",
        BinaryOp::NotLike => "not like",
        BinaryOp::Matches => "=~",
        BinaryOp::NotMatches => "!~",
    }
}
