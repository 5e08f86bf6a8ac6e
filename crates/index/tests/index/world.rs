//! Every place an index can be in: a folder, a fake of a Qdrant server, and a real one where `SIGHTLINE_TEST_QDRANT` names it.

use std::time::Duration;

use index::{ApiKey, IndexLocation, ServerSettings, VectorIndex};

use crate::{fake::Fake, support::SPEC};

pub(crate) struct World {
    pub(crate) place: IndexLocation,
    _fake: Option<Fake>,
    _folder: Option<tempfile::TempDir>,
    /// Of a real server: what to leave behind is nothing.
    rented: Option<ServerSettings>,
}

impl World {
    pub(crate) fn folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { place: IndexLocation::folder(folder.path()), _fake: None, _folder: Some(folder), rented: None }
    }

    pub(crate) fn fake() -> Self {
        let fake = Fake::start();
        Self { place: IndexLocation::server(settings(&fake.url())).unwrap(), _fake: Some(fake), _folder: None, rented: None }
    }

    /// `None`, and says so, where there is none.
    pub(crate) fn server() -> Option<Self> {
        let Ok(url) = std::env::var("SIGHTLINE_TEST_QDRANT") else {
            eprintln!(
                "SKIPPED: set SIGHTLINE_TEST_QDRANT to the address of a Qdrant server in cluster mode, http://127.0.0.1:6334"
            );
            return None;
        };
        let key = std::env::var("SIGHTLINE_TEST_QDRANT_KEY").ok();
        let name = format!("test{:012x}", rand::random::<u64>() >> 16);
        let api_key = key.as_deref().and_then(ApiKey::new);
        // Of a cluster of several machines.
        let replication = std::env::var("SIGHTLINE_TEST_QDRANT_REPLICATION").map_or(1, |n| n.parse().unwrap());
        let settings = ServerSettings { name, api_key, replication, ..settings(&url) };
        Some(Self { place: IndexLocation::server(settings.clone()).unwrap(), _fake: None, _folder: None, rented: Some(settings) })
    }

    pub(crate) fn open(&self) -> VectorIndex {
        let index = self.place.open(SPEC).unwrap();
        index.ready().unwrap();
        index
    }

    /// Whether every shard takes about a second to be made.
    pub(crate) fn is_slow(&self) -> bool {
        self.rented.is_some()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let Some(settings) = self.rented.take() else { return };
        self.place.keep_only(&[]).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = qdrant_client::Qdrant::from_url(&settings.url)
                .api_key(std::env::var("SIGHTLINE_TEST_QDRANT_KEY").ok())
                .skip_compatibility_check();
            client.build().unwrap().delete_collection(format!("{}-notes", settings.name)).await.unwrap();
        });
    }
}

/// Of a server that has all the time it needs.
pub(crate) fn settings(url: &str) -> ServerSettings {
    ServerSettings {
        url: url.to_owned(),
        api_key: None,
        name: "test".to_owned(),
        replication: 1,
        write_consistency: 1,
        timeout: Duration::from_secs(20),
        exact: true,
        rest: Duration::from_millis(300),
    }
}

/// Makes of each function a test on every kind of index.
macro_rules! on_every_index {
    ($($name:ident,)*) => {
        mod folder {
            $(#[test] fn $name() { super::$name(&crate::world::World::folder()); })*
        }
        mod fake {
            $(#[test] fn $name() { super::$name(&crate::world::World::fake()); })*
        }
        mod server {
            $(#[test] fn $name() {
                if let Some(world) = crate::world::World::server() {
                    super::$name(&world);
                }
            })*
        }
    };
}
pub(crate) use on_every_index;
