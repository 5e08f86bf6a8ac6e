//! Making a collection, and how long the server waits for such a thing.

use std::time::Duration;

use qdrant_client::qdrant::CreateCollection;

use super::link::{Again, CallError, Kind, Link};
use crate::IndexError;

/// A wait that the server is told in whole seconds.
pub(super) fn seconds(time: Duration) -> Option<u64> {
    Some(time.as_secs().max(1))
}

pub(super) fn create_collection(link: &Link, request: CreateCollection) -> Result<(), IndexError> {
    let made = link.call("make a collection", Again::Never, request, |client, request| async move {
        client.create_collection(request).await
    });
    match made {
        Err(CallError { kind: Kind::Exists, .. }) => Ok(()),
        other => Ok(other.map(drop)?),
    }
}
