//! Which variables expressions and nodes read and set, and how to exchange them.

use crate::expr::{Expr, ObjectKey, Quantifier, VarId};
use crate::functions;
use crate::plan::{FieldCondition, IndexScan, Node, NodeKind, Plan, Scan, SortElement, Traversal};
use std::collections::BTreeSet;

/// A set of variables.
pub type VarSet = BTreeSet<VarId>;

impl Quantifier {
    fn each_child<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        match self {
            Quantifier::Any | Quantifier::All | Quantifier::None => {}
            Quantifier::AtLeast(count) => f(count),
            Quantifier::Between(low, high) => {
                f(low);
                f(high);
            }
        }
    }

    fn each_child_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match self {
            Quantifier::Any | Quantifier::All | Quantifier::None => {}
            Quantifier::AtLeast(count) => f(count),
            Quantifier::Between(low, high) => {
                f(low);
                f(high);
            }
        }
    }
}

impl Expr {
    /// Calls `f` with every direct operand.
    pub fn each_child<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        match self {
            Expr::Const(_) | Expr::Collection(_) | Expr::Var(_) => {}
            Expr::Attribute(base, _) | Expr::Unary(_, base) => f(base),
            Expr::Indexed(left, right) | Expr::Binary(_, left, right) | Expr::Range(left, right) => {
                f(left);
                f(right);
            }
            Expr::And(all) | Expr::Or(all) | Expr::Array(all) | Expr::Call(_, all) | Expr::UserCall(_, all) => all.iter().for_each(f),
            Expr::ArrayCompare(quantifier, _, left, right) => {
                quantifier.each_child(f);
                f(left);
                f(right);
            }
            Expr::Ternary(condition, then, otherwise) => {
                f(condition);
                then.iter().for_each(|then| f(then));
                f(otherwise);
            }
            Expr::Object(entries) => {
                for (key, value) in entries {
                    if let ObjectKey::Computed(key) = key {
                        f(key);
                    }
                    f(value);
                }
            }
            Expr::Expansion(expansion) => {
                f(&expansion.input);
                let limits = expansion.limit.iter().flat_map(|(offset, count)| [offset, count]);
                expansion.filter.iter().chain(limits).chain(&expansion.projection).for_each(&mut *f);
                expansion.question.iter().for_each(|quantifier| quantifier.each_child(f));
            }
        }
    }

    /// Calls `f` with every direct operand, to change it.
    pub fn each_child_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match self {
            Expr::Const(_) | Expr::Collection(_) | Expr::Var(_) => {}
            Expr::Attribute(base, _) | Expr::Unary(_, base) => f(base),
            Expr::Indexed(left, right) | Expr::Binary(_, left, right) | Expr::Range(left, right) => {
                f(left);
                f(right);
            }
            Expr::And(all) | Expr::Or(all) | Expr::Array(all) | Expr::Call(_, all) | Expr::UserCall(_, all) => all.iter_mut().for_each(f),
            Expr::ArrayCompare(quantifier, _, left, right) => {
                quantifier.each_child_mut(f);
                f(left);
                f(right);
            }
            Expr::Ternary(condition, then, otherwise) => {
                f(condition);
                then.iter_mut().for_each(|then| f(then));
                f(otherwise);
            }
            Expr::Object(entries) => {
                for (key, value) in entries {
                    if let ObjectKey::Computed(key) = key {
                        f(key);
                    }
                    f(value);
                }
            }
            Expr::Expansion(expansion) => {
                f(&mut expansion.input);
                expansion.filter.iter_mut().for_each(&mut *f);
                if let Some((offset, count)) = &mut expansion.limit {
                    f(offset);
                    f(count);
                }
                expansion.projection.iter_mut().for_each(&mut *f);
                expansion.question.iter_mut().for_each(|quantifier| quantifier.each_child_mut(f));
            }
        }
    }

    /// Adds all variables that it reads; iterators of its own expansions are left out.
    pub fn reads(&self, set: &mut VarSet) {
        match self {
            Expr::Var(var) => {
                set.insert(*var);
            }
            Expr::Expansion(expansion) => {
                let had = set.contains(&expansion.iterator);
                self.each_child(&mut |child| child.reads(set));
                if !had {
                    set.remove(&expansion.iterator);
                }
            }
            _ => self.each_child(&mut |child| child.reads(set)),
        }
    }

    /// Does it read the variable?
    #[must_use]
    pub fn uses(&self, var: VarId) -> bool {
        match self {
            Expr::Var(own) => *own == var,
            _ => {
                let mut found = false;
                self.each_child(&mut |child| found = found || child.uses(var));
                found
            }
        }
    }

    /// Is it true of the expression or of something in it?
    #[must_use]
    pub fn any(&self, is: &dyn Fn(&Expr) -> bool) -> bool {
        if is(self) {
            return true;
        }
        let mut found = false;
        self.each_child(&mut |child| found = found || child.any(is));
        found
    }

    /// Same value for the same variables, without side effects.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        !self.any(&|expr| match expr {
            Expr::UserCall(..) => true,
            Expr::Call(name, _) => functions::lookup(name).is_none_or(|function| !function.is_deterministic),
            _ => false,
        })
    }

    /// May a DB-server evaluate it for its part of the rows: it reaches for no other data and does not
    /// depend on where or when it runs.
    #[must_use]
    pub fn is_local(&self) -> bool {
        !self.any(&|expr| match expr {
            Expr::Collection(_) | Expr::UserCall(..) => true,
            Expr::Call(name, _) => functions::lookup(name).is_none_or(|function| !function.is_foldable),
            _ => false,
        })
    }

    /// Replaces variables by expressions.
    pub fn replace(&mut self, map: &dyn Fn(VarId) -> Option<Expr>) {
        if let Expr::Var(var) = self {
            if let Some(by) = map(*var) {
                *self = by;
            }
            return;
        }
        self.each_child_mut(&mut |child| child.replace(map));
    }

    /// How many times the variable occurs in it.
    #[must_use]
    pub fn occurrences(&self, var: VarId) -> usize {
        match self {
            Expr::Var(own) => usize::from(*own == var),
            _ => {
                let mut count = 0;
                self.each_child(&mut |child| count += child.occurrences(var));
                count
            }
        }
    }
}

impl IndexScan {
    fn each_expr<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        self.scan.filter.iter().for_each(&mut *f);
        for condition in self.branches.iter().flat_map(|branch| &branch.conditions) {
            match condition {
                FieldCondition::Eq(expr) | FieldCondition::In(expr) => f(expr),
                FieldCondition::Range { low, high } => low.iter().chain(high).for_each(|(expr, _)| f(expr)),
            }
        }
    }

    fn each_expr_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        self.scan.filter.iter_mut().for_each(&mut *f);
        for condition in self.branches.iter_mut().flat_map(|branch| &mut branch.conditions) {
            match condition {
                FieldCondition::Eq(expr) | FieldCondition::In(expr) => f(expr),
                FieldCondition::Range { low, high } => low.iter_mut().chain(high).for_each(|(expr, _)| f(expr)),
            }
        }
    }
}

impl Traversal {
    fn each_expr<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        let by_depth = self.edge_conditions.iter().chain(&self.vertex_conditions).map(|(_, expr)| expr);
        self.prune.iter().chain(&self.edge_condition).chain(&self.vertex_condition).chain(by_depth).for_each(f);
    }

    fn each_expr_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        let by_depth = self.edge_conditions.iter_mut().chain(&mut self.vertex_conditions).map(|(_, expr)| expr);
        self.prune.iter_mut().chain(&mut self.edge_condition).chain(&mut self.vertex_condition).chain(by_depth).for_each(f);
    }

    /// Vertex, edge, path and prune variables.
    #[must_use]
    pub fn outputs(&self) -> Vec<VarId> {
        [self.vertex_out, self.edge_out, self.path_out, self.prune_out].into_iter().flatten().collect()
    }
}

impl NodeKind {
    /// Calls `f` with every expression of the node itself (not of subqueries).
    pub fn each_expr<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        match self {
            NodeKind::EnumerateCollection(Scan { filter, .. }) => filter.iter().for_each(f),
            NodeKind::Index(scan) => scan.each_expr(f),
            NodeKind::Calculation { expr, .. } => f(expr),
            NodeKind::Window(window) => window.preceding.iter().chain(&window.following).for_each(f),
            NodeKind::Traversal(traversal) => traversal.each_expr(f),
            NodeKind::Remote { shard_values, .. } => shard_values.iter().for_each(f),
            _ => {}
        }
    }

    /// Calls `f` with every expression of the node itself (not of subqueries), to change it.
    pub fn each_expr_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match self {
            NodeKind::EnumerateCollection(Scan { filter, .. }) => filter.iter_mut().for_each(f),
            NodeKind::Index(scan) => scan.each_expr_mut(f),
            NodeKind::Calculation { expr, .. } => f(expr),
            NodeKind::Window(window) => window.preceding.iter_mut().chain(&mut window.following).for_each(f),
            NodeKind::Traversal(traversal) => traversal.each_expr_mut(f),
            NodeKind::Remote { shard_values, .. } => shard_values.iter_mut().for_each(f),
            _ => {}
        }
    }

    /// Calls `f` with every variable that the node reads as such, outside expressions.
    fn each_input(&mut self, f: &mut dyn FnMut(&mut VarId)) {
        let sort = |elements: &mut Vec<SortElement>, f: &mut dyn FnMut(&mut VarId)| {
            elements.iter_mut().for_each(|element| f(&mut element.input));
        };
        match self {
            NodeKind::EnumerateList { input, .. } | NodeKind::Filter { input } | NodeKind::Return { input } => f(input),
            NodeKind::Sort { elements, .. } | NodeKind::Gather { elements } => sort(elements, f),
            NodeKind::Collect(collect) => {
                collect.groups.iter_mut().for_each(|(_, input)| f(input));
                collect.aggregates.iter_mut().filter_map(|aggregate| aggregate.input.as_mut()).for_each(&mut *f);
                collect.into_expr.iter_mut().for_each(&mut *f);
                collect.keep.iter_mut().for_each(|(_, var)| f(var));
            }
            NodeKind::Window(window) => {
                window.range.iter_mut().for_each(&mut *f);
                window.aggregates.iter_mut().filter_map(|aggregate| aggregate.input.as_mut()).for_each(&mut *f);
            }
            NodeKind::Modify(modify) => {
                f(&mut modify.document);
                modify.key.iter_mut().for_each(f);
            }
            NodeKind::Upsert(upsert) => [&mut upsert.found, &mut upsert.insert, &mut upsert.update].into_iter().for_each(f),
            NodeKind::Traversal(traversal) => f(&mut traversal.start),
            NodeKind::Paths(paths) => [&mut paths.start, &mut paths.target].into_iter().for_each(f),
            _ => {}
        }
    }

    /// Variables that the node reads; for subqueries those of the outer query.
    #[must_use]
    pub fn reads(&self) -> VarSet {
        let mut set = VarSet::new();
        if let NodeKind::Subquery { plan, .. } = self {
            return plan.outer_reads();
        }
        self.each_expr(&mut |expr| expr.reads(&mut set));
        self.clone_inputs(&mut set);
        match self {
            NodeKind::Traversal(traversal) => {
                set.remove(&traversal.condition_var);
                traversal.outputs().iter().for_each(|out| {
                    set.remove(out);
                });
            }
            NodeKind::EnumerateCollection(scan) => {
                set.remove(&scan.out);
            }
            NodeKind::Index(scan) => {
                set.remove(&scan.scan.out);
            }
            _ => {}
        }
        set
    }

    fn clone_inputs(&self, set: &mut VarSet) {
        let sort = |elements: &[SortElement], set: &mut VarSet| set.extend(elements.iter().map(|element| element.input));
        match self {
            NodeKind::EnumerateList { input, .. } | NodeKind::Filter { input } | NodeKind::Return { input } => {
                set.insert(*input);
            }
            NodeKind::Sort { elements, .. } | NodeKind::Gather { elements } => sort(elements, set),
            NodeKind::Collect(collect) => {
                set.extend(collect.groups.iter().map(|(_, input)| *input));
                set.extend(collect.aggregates.iter().filter_map(|aggregate| aggregate.input));
                set.extend(collect.into_expr);
                set.extend(collect.keep.iter().map(|(_, var)| *var));
            }
            NodeKind::Window(window) => {
                set.extend(window.range);
                set.extend(window.aggregates.iter().filter_map(|aggregate| aggregate.input));
            }
            NodeKind::Modify(modify) => {
                set.insert(modify.document);
                set.extend(modify.key);
            }
            NodeKind::Upsert(upsert) => set.extend([upsert.found, upsert.insert, upsert.update]),
            NodeKind::Traversal(traversal) => {
                set.insert(traversal.start);
            }
            NodeKind::Paths(paths) => set.extend([paths.start, paths.target]),
            _ => {}
        }
    }

    /// Variables that the node sets for the nodes after it.
    #[must_use]
    pub fn writes(&self) -> Vec<VarId> {
        match self {
            NodeKind::EnumerateCollection(scan) => vec![scan.out],
            NodeKind::Index(scan) => vec![scan.scan.out],
            NodeKind::EnumerateList { out, .. } | NodeKind::Calculation { out, .. } | NodeKind::Subquery { out, .. } => vec![*out],
            NodeKind::Collect(collect) => {
                let groups = collect.groups.iter().map(|(out, _)| *out);
                groups.chain(collect.aggregates.iter().map(|aggregate| aggregate.out)).chain(collect.into).collect()
            }
            NodeKind::Window(window) => window.aggregates.iter().map(|aggregate| aggregate.out).collect(),
            NodeKind::Modify(modify) => modify.old.into_iter().chain(modify.new).collect(),
            NodeKind::Upsert(upsert) => upsert.old.into_iter().chain(upsert.new).collect(),
            NodeKind::Traversal(traversal) => traversal.outputs(),
            NodeKind::Paths(paths) => [paths.vertex_out, paths.edge_out, paths.path_out].into_iter().flatten().collect(),
            _ => Vec::new(),
        }
    }

    /// Reads `by` instead of `var`, also in subqueries.
    pub fn exchange(&mut self, var: VarId, by: VarId) {
        self.each_input(&mut |input| {
            if *input == var {
                *input = by;
            }
        });
        self.each_expr_mut(&mut |expr| expr.replace(&|own| (own == var).then_some(Expr::Var(by))));
        if let NodeKind::Subquery { plan, .. } = self {
            plan.nodes.iter_mut().for_each(|node| node.kind.exchange(var, by));
        }
    }

    /// Writes documents, itself or in a subquery.
    #[must_use]
    pub fn is_modification(&self) -> bool {
        match self {
            NodeKind::Modify(_) | NodeKind::Upsert(_) => true,
            NodeKind::Subquery { plan, .. } => plan.is_modification(),
            _ => false,
        }
    }

    /// Has no effect but its variables: evaluating it once more, later or not at all changes nothing else.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        let mut deterministic = !self.is_modification();
        self.each_expr(&mut |expr| deterministic = deterministic && expr.is_deterministic());
        if let NodeKind::Subquery { plan, .. } = self {
            deterministic = deterministic && plan.nodes.iter().all(|node| node.kind.is_deterministic());
        }
        deterministic
    }
}

impl Plan {
    /// Variables of outer queries that the plan reads.
    #[must_use]
    pub fn outer_reads(&self) -> VarSet {
        let mut set = self.all_reads();
        for node in &self.nodes {
            for out in node.kind.writes() {
                set.remove(&out);
            }
        }
        set
    }

    /// All variables that its nodes read.
    #[must_use]
    pub fn all_reads(&self) -> VarSet {
        self.nodes.iter().flat_map(|node| node.kind.reads()).collect()
    }

    /// Writes documents somewhere.
    #[must_use]
    pub fn is_modification(&self) -> bool {
        self.nodes.iter().any(|node| node.kind.is_modification())
    }

    /// Variables that the nodes after position `at` read.
    #[must_use]
    pub fn read_after(&self, at: usize) -> VarSet {
        self.nodes.iter().skip(at + 1).flat_map(|node| node.kind.reads()).collect()
    }

    /// The node that sets the variable.
    #[must_use]
    pub fn setter(&self, var: VarId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.kind.writes().contains(&var))
    }
}
