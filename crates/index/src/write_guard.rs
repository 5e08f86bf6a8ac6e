use std::{fmt, sync::Arc};

use crate::IndexError;

/// Whether this process may change an index that others have open too: asked before each change. Without it, it only reads.
#[derive(Clone)]
pub struct WriteGuard(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl WriteGuard {
    /// For an index that nobody else has.
    pub fn always() -> Self {
        Self(None)
    }

    /// For as long as `may_write` says so. It is called before each change and must not block.
    pub fn while_it(may_write: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(may_write)))
    }

    pub(crate) fn may_write(&self) -> bool {
        self.0.as_ref().is_none_or(|may_write| may_write())
    }

    /// # Errors
    /// [`IndexError::NotOurs`] where this process may not write.
    pub(crate) fn check(&self, action: &'static str) -> Result<(), IndexError> {
        if self.may_write() { Ok(()) } else { Err(IndexError::NotOurs { action }) }
    }
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteGuard").field(&self.may_write()).finish()
    }
}
