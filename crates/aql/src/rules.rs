//! The optimiser's rules, one file each, named like the rule; [`conditions`] and [`pipeline`] hold what
//! several of them ask of plans.

mod collect_in_cluster;
mod conditions;
mod distribute_filtercalc_to_cluster;
mod distribute_limit_to_cluster;
mod distribute_sort_to_cluster;
mod inline_subqueries;
mod move_calculations_down;
mod move_calculations_up;
mod move_filters_into_enumerate;
mod move_filters_up;
mod optimize_count;
mod optimize_subqueries;
mod optimize_traversal_last_element_access;
mod optimize_traversals;
mod pipeline;
mod reduce_extraction_to_projection;
mod remove_collect_variables;
mod remove_data_modification_out_variables;
mod remove_filter_covered_by_index;
mod remove_filter_covered_by_traversal;
mod remove_redundant_calculations;
mod remove_redundant_path_var;
mod remove_redundant_sorts;
mod remove_sort_rand_limit_1;
mod remove_unnecessary_calculations;
mod remove_unnecessary_filters;
mod replace_or_with_in;
mod restrict_to_single_shard;
mod scatter_in_cluster;
mod sort_limit;
mod use_index_for_sort;
mod use_indexes;

use crate::optimizer::{Cx, Rule, RuleKind};
use crate::plan::Plan;
use base::Result;

type Run = fn(&mut Plan, &mut Cx<'_>) -> Result<bool>;

const fn optional(name: &'static str, run: Run) -> Rule {
    Rule { name, kind: RuleKind::Optional, run }
}

const fn cluster(name: &'static str, run: Run) -> Rule {
    Rule { name, kind: RuleKind::OptionalInCluster, run }
}

/// In the order of application.
pub(crate) static ALL: &[Rule] = &[
    optional("inline-subqueries", inline_subqueries::run),
    optional("move-calculations-up", move_calculations_up::run),
    optional("move-filters-up", move_filters_up::run),
    optional("remove-redundant-calculations", remove_redundant_calculations::run),
    optional("remove-unnecessary-filters", remove_unnecessary_filters::run),
    optional("remove-unnecessary-calculations", remove_unnecessary_calculations::run),
    optional("remove-redundant-sorts", remove_redundant_sorts::run),
    optional("optimize-subqueries", optimize_subqueries::run),
    optional("optimize-count", optimize_count::run),
    optional("move-calculations-up-2", move_calculations_up::run),
    optional("move-filters-up-2", move_filters_up::run),
    optional("remove-redundant-sorts-2", remove_redundant_sorts::run),
    optional("remove-sort-rand-limit-1", remove_sort_rand_limit_1::run),
    optional("remove-collect-variables", remove_collect_variables::run),
    optional("remove-data-modification-out-variables", remove_data_modification_out_variables::run),
    optional("replace-or-with-in", replace_or_with_in::run),
    optional("use-indexes", use_indexes::run),
    optional("remove-filter-covered-by-index", remove_filter_covered_by_index::run),
    optional("remove-unnecessary-filters-2", remove_unnecessary_filters::run),
    optional("use-index-for-sort", use_index_for_sort::run),
    optional("optimize-traversal-last-element-access", optimize_traversal_last_element_access::run),
    optional("optimize-traversals", optimize_traversals::run),
    optional("remove-filter-covered-by-traversal", remove_filter_covered_by_traversal::run),
    optional("remove-unnecessary-calculations-2", remove_unnecessary_calculations::run),
    optional("remove-redundant-path-var", remove_redundant_path_var::run),
    optional("move-calculations-down", move_calculations_down::run),
    Rule { name: "scatter-in-cluster", kind: RuleKind::AlwaysInCluster, run: scatter_in_cluster::run },
    cluster("distribute-filtercalc-to-cluster", distribute_filtercalc_to_cluster::run),
    cluster("distribute-sort-to-cluster", distribute_sort_to_cluster::run),
    cluster("distribute-limit-to-cluster", distribute_limit_to_cluster::run),
    optional("move-filters-into-enumerate", move_filters_into_enumerate::run),
    cluster("collect-in-cluster", collect_in_cluster::run),
    optional("sort-limit", sort_limit::run),
    optional("reduce-extraction-to-projection", reduce_extraction_to_projection::run),
    cluster("restrict-to-single-shard", restrict_to_single_shard::run),
];
