use std::sync::Arc;

use access::PooledCamera;

/// Every camera, and how many changes there had been.
pub(crate) type Pooled = Option<(i64, Arc<[PooledCamera]>)>;
