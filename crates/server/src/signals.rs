//! SIGINT and SIGTERM end the server in order, a second one at once; SIGHUP reopens the log.

use crate::logging::Log;
use rt::shutdown::Shutdown;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Exit code after a second signal: what a shell reports for a process that SIGINT ended.
const EXIT_IMPATIENT: i32 = 130;

/// Watches the signals until the process ends.
pub fn watch(shutdown: Shutdown, log: &'static Log) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
                _ = hangup.recv() => {
                    log.reopen();
                    continue;
                }
            };
            if shutdown.is_triggered() {
                tracing::error!(target: "startup", "{name} received again, terminating at once");
                std::process::exit(EXIT_IMPATIENT);
            }
            tracing::info!(target: "startup", "{name} received, beginning shut down sequence");
            shutdown.trigger();
        }
    });
    Ok(())
}
