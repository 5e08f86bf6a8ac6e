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
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn the_log_says_which_task_wrote_a_line_and_not_which_call_started_it() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(log.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
        let told = tracing::subscriber::set_default(subscriber);
        let call = tracing::info_span!("call");
        let task = call.in_scope(|| {
            spawn("heartbeat", async {
                tracing::info!("beats");
                7
            })
        });
        assert_eq!(task.await.unwrap(), 7);
        drop(told);
        let log = std::fs::read_to_string(log.path()).unwrap();
        assert!(log.contains("task{name=\"heartbeat\"}") && log.contains("beats") && !log.contains("call"), "{log}");
    }
}
