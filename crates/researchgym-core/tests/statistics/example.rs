//! The worked example of `docs/reference/statistics.md`: its numbers are those that come out.
