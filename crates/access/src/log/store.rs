use std::collections::BTreeMap;

/// A place for tiles could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("access the log's tile {path}")]
pub struct StoreError {
    /// The path, as C2SP `tlog-tiles` names it.
    pub path: String,
    /// What the place itself says.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Where tiles and entry bundles are kept, under the paths of C2SP `tlog-tiles`: `tile/0/000`, `tile/entries/x001/234.p/5`.
pub trait TileStore {
    /// `None` where there is nothing.
    ///
    /// # Errors
    /// [`StoreError`] where the place could not be read.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whole and durable when it returns, or not at all. A path is only ever written again with the same bytes.
    ///
    /// # Errors
    /// [`StoreError`] where it is not durable.
    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), StoreError>;
}

/// Tiles in memory: for tests, and to check a log that came as one archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryTiles(pub BTreeMap<String, Vec<u8>>);

impl TileStore for MemoryTiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(path).cloned())
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }
}
