//! Domain values to columns and back. What can't be read back is an error that says what, never a guess.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use types::{CaptureTime, Embedding, ModelDigest, ReceiveTime, SightingId};
use uuid::Uuid;

use crate::CatalogueError;

pub(crate) fn time(micros: i64) -> Result<ReceiveTime, CatalogueError> {
    ReceiveTime::from_micros(micros).map_err(|_| CatalogueError::unreadable(format!("time {micros}")))
}

pub(crate) fn capture(micros: i64) -> Result<CaptureTime, CatalogueError> {
    CaptureTime::from_micros(micros).map_err(|_| CatalogueError::unreadable(format!("time {micros}")))
}

/// Half of what there is at most, so that it can be added to a time.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2)
}

pub(crate) fn id(bytes: &[u8]) -> Result<SightingId, CatalogueError> {
    Uuid::from_slice(bytes).map(SightingId).map_err(|_| CatalogueError::unreadable("sighting id"))
}

pub(crate) fn digest(bytes: &[u8]) -> Result<[u8; 32], CatalogueError> {
    bytes.try_into().map_err(|_| CatalogueError::unreadable("digest"))
}

pub(crate) fn embedding_bytes(embedding: &Embedding) -> Vec<u8> {
    embedding.values().iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub(crate) fn embedding(model: &[u8], bytes: &[u8]) -> Result<Embedding, CatalogueError> {
    let (values, rest) = bytes.as_chunks::<4>();
    if values.is_empty() || !rest.is_empty() {
        return Err(CatalogueError::unreadable("embedding"));
    }
    let values = values.iter().map(|v| f32::from_le_bytes(*v)).collect();
    Embedding::new(ModelDigest(digest(model)?), values).map_err(|e| CatalogueError::unreadable(format!("embedding ({e})")))
}

pub(crate) fn document(value: &impl Serialize) -> Result<String, CatalogueError> {
    serde_json::to_string(value).map_err(|e| CatalogueError::Database(Box::new(e)))
}

/// Unknown fields and words are errors: a policy or a case half-understood would permit too much.
pub(crate) fn read_document<T: DeserializeOwned>(text: &str, what: impl Fn() -> String) -> Result<T, CatalogueError> {
    serde_json::from_str(text).map_err(|_| CatalogueError::unreadable(what()))
}
