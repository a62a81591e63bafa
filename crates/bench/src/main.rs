//! The load generator of the benchmarks: one job in (JSON, first argument), one result out (JSON,
//! standard output). The scripts in `bench/` start the servers, alternate the sides and compare.
//!
//! All clients are tasks of one thread: each keeps one connection and has one request under way.
//! So the generator takes little of the two cores that it shares with the servers it measures.
//!
//! Invariant: an operation counts only when the server has said that it is done.

mod client;
mod http;
mod job;
mod postgres;
mod record;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(text) = std::env::args().nth(1) else {
        eprintln!("usage: bench-load JOB, a JSON object; see crates/bench/src/job.rs");
        return ExitCode::FAILURE;
    };
    match execute(&text) {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn execute(text: &str) -> Result<String, String> {
    let job: job::Job = serde_json::from_str(text).map_err(|error| format!("the job is wrong: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let summary = runtime.block_on(run::run(job))?;
    serde_json::to_string(&summary).map_err(|error| error.to_string())
}
