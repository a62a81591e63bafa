//! The optimiser's rules, one file each, named like the rule.

use crate::optimizer::Rule;

/// In the order of application.
pub(crate) static ALL_RULES: &[Rule] = &[];
pub(crate) const ALL: &[Rule] = ALL_RULES;
