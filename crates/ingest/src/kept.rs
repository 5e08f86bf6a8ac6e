//! The leases a worker had, on its disk: started again while the server is away it goes on with them. Should another worker
//! have them by then, the server says so by their epochs, as of any other late sighting.

use std::{
    fs,
    path::{Path, PathBuf},
};

use prost::Message as _;
use proto::v1;

#[derive(Debug, Clone)]
pub(crate) struct KeptLeases(PathBuf);

impl KeptLeases {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.join("leases"))
    }

    /// None where there are none, or where what is there makes no sense: then the server is asked first.
    pub(crate) fn read(&self) -> v1::LeaseCamerasResponse {
        let bytes = fs::read(&self.0).unwrap_or_default();
        v1::LeaseCamerasResponse::decode(&*bytes).unwrap_or_else(|error| {
            tracing::warn!(%error, "the leases of before can't be read");
            v1::LeaseCamerasResponse::default()
        })
    }

    /// No credentials are in them: the server has none to send.
    pub(crate) fn keep(&self, leases: &v1::LeaseCamerasResponse) {
        if let Err(error) = durable::write(&self.0, &leases.encode_to_vec()) {
            tracing::warn!(%error, "the leases are not kept: after a restart the server is asked first");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_there_after_a_restart_and_rubbish_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let kept = KeptLeases::new(dir.path());
        assert!(kept.read().leases.is_empty());
        let lease = v1::Lease { camera_id: "gate".into(), agency_id: "harbour".into(), epoch: 7, ..v1::Lease::default() };
        let all = v1::LeaseCamerasResponse { leases: vec![lease] };
        kept.keep(&all);
        assert_eq!(KeptLeases::new(dir.path()).read(), all);
        fs::write(dir.path().join("leases"), [0xff; 9]).unwrap();
        assert!(kept.read().leases.is_empty());
    }
}
