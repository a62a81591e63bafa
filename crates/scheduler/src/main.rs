//! `arangodb`: the scheduler. Starts a whole cluster as local processes, starts again what dies,
//! stops it in order and shows what runs where.
//!
//! Begin with `machine` (all decisions, pure) and `run` (the loop around it). `layout` says which
//! tasks there are, `platform` runs them, `servers` talks to them, `web` and `control` are for
//! people and other programs.

mod control;
mod layout;
mod machine;
mod options;
mod platform;
mod run;
mod servers;
mod setup_file;
mod table;
mod task;
mod web;

use base::Result;
use options::{Options, Verb};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match carry_out(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("arangodb: {}", error.message());
            ExitCode::FAILURE
        }
    }
}

fn carry_out(arguments: &[String]) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    match options.verb {
        Verb::Run => control::run(options),
        Verb::Start => control::start(&options, arguments),
        Verb::Stop => control::stop(&options),
        Verb::Status => control::status(&options),
        Verb::Version => {
            println!("arangodb {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
        Verb::Help => {
            print!("{}", options::help());
            Ok(ExitCode::SUCCESS)
        }
    }
}
