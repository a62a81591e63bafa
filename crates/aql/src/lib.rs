//! Layer 2: AQL from text to an optimised, distributed plan. Pure: no clock, no threads, no I/O.

pub mod expr;
pub mod plan;
