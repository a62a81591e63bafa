//! What a function may know of the query that calls it, and where it leaves warnings.
//!
//! Invariant: at most `warnings_max` warnings are kept; further ones are dropped. With
//! `fail_on_warning` the first one becomes an error, which the operators raise after the block of
//! rows that caused it.

use crate::source::{QueryContext, Source};
use crate::stats::Warning;
use base::code::{self, Code};
use base::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// Warnings kept per query unless it asks for more or fewer (`maxWarningCount`).
pub const WARNINGS_MAX_DEFAULT: usize = 10;

/// Limit: steps that a regular expression may go back in one text.
const BACKTRACKS_MAX: usize = 1_000_000;

/// Compiled patterns kept per query.
const PATTERNS_MAX: usize = 256;

/// The surroundings of function calls in one query.
pub struct FunctionContext {
    source: Option<Arc<dyn Source>>,
    query: QueryContext,
    warnings: Vec<Warning>,
    warnings_max: usize,
    fail_on_warning: bool,
    failure: Option<Error>,
    random_state: u64,
    patterns: HashMap<String, Option<Arc<fancy_regex::Regex>>>,
}

impl FunctionContext {
    /// Surroundings of a running query.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, warnings_max: usize, fail_on_warning: bool) -> Self {
        let query = source.query_context().clone();
        Self { source: Some(source), warnings_max, fail_on_warning, ..Self::over(query) }
    }

    /// Surroundings for constant folding: no data can be reached.
    #[must_use]
    pub fn without_source() -> Self {
        Self::over(QueryContext::default())
    }

    fn over(query: QueryContext) -> Self {
        let random_state = query.random_seed ^ 0x9e37_79b9_7f4a_7c15;
        Self {
            source: None,
            query,
            warnings: Vec::new(),
            warnings_max: WARNINGS_MAX_DEFAULT,
            fail_on_warning: false,
            failure: None,
            random_state,
            patterns: HashMap::new(),
        }
    }

    /// The data of the query; an error while constants are folded, where there is none.
    pub fn source(&self) -> Result<&Arc<dyn Source>> {
        self.source.as_ref().ok_or_else(|| Error::internal("a function that reads data has been called at compile time"))
    }

    /// Time, user, database.
    #[must_use]
    pub fn query(&self) -> &QueryContext {
        &self.query
    }

    /// Adds a warning with its own text.
    pub fn warn(&mut self, code: Code, message: impl Into<String>) {
        let message = message.into();
        if self.fail_on_warning && self.failure.is_none() {
            self.failure = Some(Error::new(code, message.clone()));
        }
        if self.warnings.len() < self.warnings_max {
            self.warnings.push((code.0, message));
        }
    }

    /// Adds a warning with the default text of its number.
    pub fn warn_code(&mut self, code: Code) {
        self.warn(code, code.text());
    }

    /// Warning 1542 for a call of `function`.
    pub fn warn_argument(&mut self, function: &str) {
        self.warn(code::QUERY_FUNCTION_ARGUMENT_TYPE_MISMATCH, format!("invalid argument type in call to function '{function}()'"));
    }

    /// Takes over warnings of a part of the query that ran elsewhere.
    pub fn add_warnings(&mut self, warnings: Vec<Warning>) {
        for (number, message) in warnings {
            self.warn(Code(number), message);
        }
    }

    /// Warnings so far.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The error that a warning became under `failOnWarning`.
    pub fn check_warnings(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// 64 random bits (SplitMix64 from the seed of the query).
    pub fn random_u64(&mut self) -> u64 {
        self.random_state = self.random_state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random_state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A random number in `[0, 1)`.
    pub fn random_f64(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.random_u64() >> 11) as f64;
        bits / (1_u64 << 53) as f64
    }

    /// The compiled form of a regular expression, from a small cache; `None` if it is invalid.
    pub fn regex(&mut self, pattern: &str, case_insensitive: bool) -> Option<Arc<fancy_regex::Regex>> {
        let text = if case_insensitive { format!("(?i){pattern}") } else { pattern.to_owned() };
        if let Some(known) = self.patterns.get(&text) {
            return known.clone();
        }
        if self.patterns.len() >= PATTERNS_MAX {
            self.patterns.clear();
        }
        let compiled =
            fancy_regex::RegexBuilder::new(&text).delegate_size_limit(1 << 22).backtrack_limit(BACKTRACKS_MAX).build().ok().map(Arc::new);
        self.patterns.insert(text, compiled.clone());
        compiled
    }
}
