//! The signal that ends a process or a part of it.

use tokio_util::sync::CancellationToken;

/// A signal that is given once and seen by all clones.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Not yet triggered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal that follows this one, and may be triggered alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Gives the signal; again is harmless.
    pub fn trigger(&self) {
        self.0.cancel();
    }

    /// Has it been given?
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns once it is given. Cancel safe.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_ends_with_its_parent_but_not_the_other_way() {
        let parent = Shutdown::new();
        let (first, second) = (parent.child(), parent.child());
        first.trigger();
        assert!(first.is_triggered() && !parent.is_triggered() && !second.is_triggered());
        parent.trigger();
        second.wait().await;
    }
}
