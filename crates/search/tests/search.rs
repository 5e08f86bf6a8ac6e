//! Searches over a real index and a real catalogue.

#[expect(clippy::unwrap_used, reason = "clippy only knows test functions, not their helpers")]
mod search {
    mod bounds;
    mod pages;
    mod ranking;
    mod steered;
    mod world;
}
