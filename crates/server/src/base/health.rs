//! Whether a part of the server does its work, told to whoever watches.

use std::sync::Arc;

use futures::future::BoxFuture;

type Tell = dyn Fn(&'static str, bool) -> BoxFuture<'static, ()> + Send + Sync;

/// Where a part says how it does.
#[derive(Clone)]
pub(crate) struct Health(Arc<Tell>);

impl Health {
    pub(crate) fn new(tell: impl Fn(&'static str, bool) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The part of this name serves from now on, or does not.
    pub(crate) async fn set(&self, part: &'static str, serves: bool) {
        (self.0)(part, serves).await;
    }
}
