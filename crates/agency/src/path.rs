//! Paths into the configuration tree, as clients spell them: `/a/b/c` with an optional leading
//! slash, repeated slashes collapsed, a trailing slash ignored.
//!
//! Invariant: every function of this crate that walks a path uses [`parts`], so that two
//! spellings of one path are one node everywhere.

use base::{Error, Result};

/// Limit: levels between the root and a leaf. Deeper values are refused, so that no recursion over
/// the tree and no JSON parser on the way can run out of stack.
pub const DEPTH_MAX: usize = 100;

/// The components of `path`, without empty ones.
pub fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> + Clone {
    path.split('/').filter(|part| !part.is_empty())
}

/// `path` in the one normal spelling: `/a/b/c`, `/` for the root.
#[must_use]
pub fn normal(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 1);
    for part in parts(path) {
        out.push('/');
        out.push_str(part);
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

/// Like [`normal`], but refuses paths that are too deep.
pub fn checked(path: &str) -> Result<String> {
    if parts(path).count() > DEPTH_MAX {
        return Err(Error::bad_parameter("agency path is too deep"));
    }
    Ok(normal(path))
}

/// True if the normal path `path` is `ancestor` or lies below it.
#[must_use]
pub fn is_within(path: &str, ancestor: &str) -> bool {
    ancestor == "/" || path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_are_equal() {
        for spelling in ["/a/b", "a/b", "//a//b/", "a/b/"] {
            assert_eq!(normal(spelling), "/a/b");
        }
        assert_eq!(normal(""), "/");
        assert_eq!(normal("///"), "/");
    }

    #[test]
    fn within_respects_component_borders() {
        assert!(is_within("/a/b", "/a"));
        assert!(is_within("/a", "/a"));
        assert!(is_within("/a", "/"));
        assert!(!is_within("/ab", "/a"));
    }

    #[test]
    fn too_deep_is_refused() {
        assert!(checked(&"/x".repeat(DEPTH_MAX)).is_ok());
        assert!(checked(&"/x".repeat(DEPTH_MAX + 1)).is_err());
    }
}
