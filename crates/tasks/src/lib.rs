//! The one door to tasks: each has a name, and a span that says it in every line of the log.
//!
//! `clippy.toml` bans `tokio::spawn` everywhere else outside of tests. A task of a `TaskTracker` or a `JoinSet` gets its name
//! by [`named`].

#![warn(missing_docs, clippy::missing_errors_doc)]

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::{Instrument as _, instrument::Instrumented};

/// What the span of a task is called. It lasts as long as the task: it is for the log, and no part of traces.
pub const SPAN: &str = "task";

/// Starts a task under a name, as `tokio::spawn` does: within a runtime, and it goes on when the handle is dropped.
#[expect(clippy::disallowed_methods, reason = "the one door")]
pub fn spawn<F>(name: &'static str, task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(named(name, task))
}

/// Gives a task a name. Its span has no parent: it may go on longer than the call that starts it.
pub fn named<F: Future>(name: &'static str, task: F) -> Instrumented<F> {
    task.instrument(tracing::info_span!(parent: None, "task", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_has_a_span_of_its_own_and_gives_its_answer() {
        let outer = tracing::info_span!("outer");
        let task = outer.in_scope(|| spawn("a test", async { 7 }));
        assert_eq!(task.await.unwrap(), 7);
    }
}
