//! `arangod`: one server of any role.
//!
//! Read top-down: options, role, log, sockets, data directory, then the role's own wiring
//! (`wire_*`), then waiting for the signal to stop. Every fault before the server is ready is one
//! line on standard error and an exit code other than 0.

mod authentication;
mod commands;
mod gate;
mod launch;
mod lock;
mod logging;
mod memory;
mod options;
mod role;
mod signals;
mod store;
mod wire_agent;
mod wire_cluster;
mod wire_single;

use options::{Options, Refusal};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            eprintln!("arangod: {}", refusal.message);
            ExitCode::from(u8::try_from(refusal.exit_code).unwrap_or(1))
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Refusal> {
    let options = Options::read(arguments, &options::usual_config_files())?;
    if commands::run(&options) {
        return Ok(());
    }
    let fault = |message: String| Refusal { message, exit_code: 1 };
    let role = role::determine(&options).map_err(fault)?;
    let log = logging::start(&options).map_err(fault)?;
    launch::run(options, role, log).map_err(fault)
}
