//! The index on a Qdrant server: a real one where `SIGHTLINE_TEST_QDRANT` names it, else a fake in this process.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::qdrant::Fake;

pub(crate) struct IndexServer {
    pub(crate) url: String,
    /// Of this test alone.
    pub(crate) name: String,
    fake: Option<Fake>,
}

impl IndexServer {
    pub(crate) fn start() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}n{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        match std::env::var("SIGHTLINE_TEST_QDRANT") {
            Ok(url) => Self { url, name, fake: None },
            Err(_) => {
                let fake = Fake::start();
                Self { url: fake.url(), name, fake: Some(fake) }
            }
        }
    }

    /// For the configuration of a server; `SIGHTLINE_TEST_QDRANT_REPLICATION` machines of a real cluster have each day.
    pub(crate) fn configuration(&self) -> String {
        let replication = std::env::var("SIGHTLINE_TEST_QDRANT_REPLICATION").unwrap_or_else(|_| "1".to_owned());
        format!("[index]\nurl = \"{}\"\nname = \"{}\"\nreplication = {replication}\n", self.url, self.name)
    }

    /// What collections there are of this test.
    pub(crate) fn collections(&self) -> Vec<String> {
        self.ask(async |client| {
            let all = client.list_collections().await.unwrap().collections;
            all.into_iter().map(|c| c.name).filter(|name| name.starts_with(&format!("{}-", self.name))).collect()
        })
    }

    fn ask<T>(&self, work: impl AsyncFnOnce(qdrant_client::Qdrant) -> T) -> T {
        let key = std::env::var("SIGHTLINE_TEST_QDRANT_KEY").ok();
        let client = qdrant_client::Qdrant::from_url(&self.url).api_key(key).skip_compatibility_check().build().unwrap();
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work(client))
    }
}

impl Drop for IndexServer {
    fn drop(&mut self) {
        if self.fake.is_none() {
            let left = self.collections();
            self.ask(async |client| {
                for name in left {
                    // Somebody may be killing its machines.
                    if let Err(error) = client.delete_collection(&name).await {
                        eprintln!("{name} is left behind: {error}");
                    }
                }
            });
        }
    }
}
