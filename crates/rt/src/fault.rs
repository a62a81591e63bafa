//! Fault points: named places where a test can make the process crash, wait or fail.
//!
//! They are armed by the environment variable `ARANGODB_FAULTS`, read once:
//! `name=crash,other=sleep:500,third=fail`. Without it a point costs one load.

use base::Error;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

/// Name of the variable that arms fault points.
pub const VARIABLE: &str = "ARANGODB_FAULTS";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Crash,
    Sleep(Duration),
    Fail,
}

fn armed() -> &'static HashMap<String, Effect> {
    static ARMED: OnceLock<HashMap<String, Effect>> = OnceLock::new();
    ARMED.get_or_init(|| std::env::var(VARIABLE).map(|text| parse(&text)).unwrap_or_default())
}

fn parse(text: &str) -> HashMap<String, Effect> {
    let entries = text.split(',').filter_map(|entry| {
        let (name, effect) = entry.trim().split_once('=')?;
        let effect = match effect.split_once(':') {
            None if effect == "crash" => Effect::Crash,
            None if effect == "fail" => Effect::Fail,
            Some(("sleep", ms)) => Effect::Sleep(Duration::from_millis(ms.parse().ok()?)),
            _ => return None,
        };
        Some((name.to_owned(), effect))
    });
    entries.collect()
}

/// Passes a fault point that cannot fail: `crash` ends the process at once, `sleep` holds the
/// thread, `fail` is ignored.
pub fn hit(name: &'static str) {
    // The only possible error is `fail`, which this kind of point has no way to report.
    let _ = check(name);
}

/// Passes a fault point that may fail (`fail` answers 22, the debug error).
///
/// # Errors
/// The debug error if the point is armed with `fail`.
pub fn check(name: &'static str) -> Result<(), Error> {
    match armed().get(name) {
        None => Ok(()),
        Some(Effect::Crash) => {
            tracing::error!("fault point {name}: crash");
            std::process::abort()
        }
        Some(Effect::Sleep(time)) => {
            std::thread::sleep(*time);
            Ok(())
        }
        Some(Effect::Fail) => Err(Error::with_detail(base::code::DEBUG, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_and_nonsense_is_skipped() {
        let faults = parse("a=crash, b=sleep:20,c=fail,d=dance,e,f=sleep:x");
        assert_eq!(faults.len(), 3);
        assert_eq!(faults.get("a"), Some(&Effect::Crash));
        assert_eq!(faults.get("b"), Some(&Effect::Sleep(Duration::from_millis(20))));
        assert_eq!(faults.get("c"), Some(&Effect::Fail));
    }

    #[test]
    fn unarmed_points_do_nothing() {
        hit("nothing");
        assert!(check("nothing").is_ok());
    }
}
