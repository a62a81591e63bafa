//! The lease under which a DB-server answers for the shards it leads (design, decision 9).
//!
//! A heartbeat that a majority of the agents has confirmed extends the lease from the moment it
//! was *sent*. The agency's supervision declares a server failed only after a longer time without
//! heartbeats, so a leader whose lease has run out answers nothing before anybody takes over.
//! Invariant: `is_valid()` implies that no other server has been made leader of our shards.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Monotonic time until which this server may serve.
#[derive(Debug, Default)]
pub struct Lease {
    valid_until_us: AtomicU64,
}

impl Lease {
    /// Extends the lease after a heartbeat sent at `sent` (monotonic) has been accepted.
    pub fn extend(&self, sent: Duration, length: Duration) {
        let until = sent.saturating_add(length).as_micros();
        self.valid_until_us.fetch_max(u64::try_from(until).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    /// May this server serve at `now` (monotonic)?
    #[must_use]
    pub fn is_valid_at(&self, now: Duration) -> bool {
        now.as_micros() < u128::from(self.valid_until_us.load(Ordering::Acquire))
    }

    /// May this server serve now?
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.is_valid_at(rt::clock::monotonic())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_the_sending_of_the_heartbeat_and_never_shrinks() {
        let lease = Lease::default();
        let at = Duration::from_millis;
        assert!(!lease.is_valid_at(at(0)));
        lease.extend(at(100), at(50));
        assert!(lease.is_valid_at(at(149)));
        assert!(!lease.is_valid_at(at(150)));
        lease.extend(at(90), at(50));
        assert!(lease.is_valid_at(at(149)));
    }
}
