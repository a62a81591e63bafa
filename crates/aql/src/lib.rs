//! Layer 2: AQL from text to an optimised, distributed plan. Pure: no clock, no threads, no I/O.
//!
//! The way of a query: `lexer` and `parser` make the syntax tree (`ast`), `planner` resolves names and
//! bind parameters and makes a [`plan::Query`], `optimizer` rewrites it rule by rule, `distribute` cuts
//! it into snippets for shards, [`explain`] prints it. Start with [`compile`].

mod ast;
mod binding;
pub mod catalog;
mod compile;
mod cost;
pub mod explain;
pub mod expr;
pub mod functions;
mod lexer;
mod optimizer;
mod parse_json;
mod parser;
pub mod plan;
mod planner;
mod position;
mod rules;
mod simplify;
pub mod text;
mod token;
pub mod variables;

pub use catalog::{CatalogView, CollectionInfo, GraphInfo};
pub use compile::{CompileOptions, Fold, compile};
pub use explain::explain;
pub use optimizer::rules_json;
pub use parse_json::parse_for_client;
