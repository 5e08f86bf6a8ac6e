//! What runs as long as the server does: a part that ends before it was told to, by a return or a panic, ends the server.

use std::{collections::HashMap, future::Future};

use tokio::task::{Id, JoinError, JoinSet};

/// The server's parts, by name.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    running: JoinSet<()>,
    /// Whether each may come to an end by itself.
    names: HashMap<Id, (&'static str, bool)>,
}

impl Parts {
    /// One that goes on until the server stops.
    pub(crate) fn spawn(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(tasks::named(name, part)).id();
        self.names.insert(id, (name, false));
    }

    /// One that may be done before.
    pub(crate) fn spawn_once(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(tasks::named(name, part)).id();
        self.names.insert(id, (name, true));
    }

    /// Waits until a part has ended that should not have: its name. Never returns while all is well.
    pub(crate) async fn ended(&mut self) -> &'static str {
        loop {
            let (id, panicked) = match self.running.join_next_with_id().await {
                Some(Ok((id, ()))) => (id, None),
                Some(Err(error)) => (error.id(), Some(error)),
                None => std::future::pending().await,
            };
            let (name, may_end) = self.names.remove(&id).unwrap_or(("a part", false));
            if panicked.is_none() && may_end {
                continue;
            }
            let error = panicked.as_ref().map(JoinError::to_string);
            tracing::error!(part = name, error, "a part of the server ended that should not: the server stops");
            return name;
        }
    }

    /// Ends all of them.
    pub(crate) async fn shutdown(&mut self) {
        self.running.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_returns_or_panics_is_told_and_one_that_may_be_done_is_not() {
        let mut parts = Parts::default();
        parts.spawn("lasting", std::future::pending());
        parts.spawn_once("short", async {});
        parts.spawn("returns", async {});
        assert_eq!(parts.ended().await, "returns");
        parts.spawn_once("panics", async { panic!("on purpose") });
        assert_eq!(parts.ended().await, "panics");
        let still = tokio::time::timeout(std::time::Duration::from_millis(50), parts.ended()).await;
        assert!(still.is_err(), "{still:?}");
    }
}
