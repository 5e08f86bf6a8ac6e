use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex},
};

use crate::{
    CatalogueError,
    cameras::pooled::Pooled,
    crop::{CropStore, Crops},
    engine::{Database, Engine},
    record::queue::Queue,
    record::recorded::Recorded,
};

/// Where a catalogue lives.
#[derive(Debug, Clone)]
pub struct CatalogueConfig {
    pub database: Database,
    pub crops: Crops,
}

impl CatalogueConfig {
    /// SQLite and crops in one folder, made if missing: what a deployment on one machine has.
    pub fn in_folder(folder: &Path) -> Self {
        Self { database: Database::File(folder.join("catalogue.db")), crops: Crops::Folder(folder.join("crops")) }
    }
}

/// The truth of one deployment. Cheap to clone; all clones are one catalogue.
#[derive(Clone)]
pub struct Catalogue {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    name: String,
    pub(crate) engine: Engine,
    pub(crate) crops: CropStore,
    /// Held while crops and rows change together, so that a sweep never takes a crop whose row is about to commit.
    pub(crate) crops_change: tokio::sync::Mutex<()>,
    pub(crate) queue: Queue,
    /// As they were when somebody asked last.
    pub(crate) pooled: Mutex<Pooled>,
    /// As far as it was read.
    pub(crate) recorded: Mutex<Recorded>,
    /// The catalogue has written to the record by itself.
    pub(crate) grown: tokio::sync::Notify,
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalogue({})", self.inner.name)
    }
}

impl Catalogue {
    /// Opens or makes a catalogue and brings its tables up to date.
    pub async fn open(config: &CatalogueConfig) -> Result<Self, CatalogueError> {
        let crops = CropStore::open(&config.crops).await?;
        let engine = Engine::open(&config.database).await?;
        Ok(Self::of(config, engine, crops))
    }

    /// Opens a catalogue in a file that nobody writes to, and changes nothing of it.
    ///
    /// # Errors
    /// [`CatalogueError::TooOld`] where its tables would have to be brought up to date.
    pub async fn open_unchanged(config: &CatalogueConfig) -> Result<Self, CatalogueError> {
        let (Database::File(file), Crops::Folder(_)) = (&config.database, &config.crops) else {
            return Err(CatalogueError::invalid("not a catalogue in a folder:", &config.database.to_string()));
        };
        let engine = Engine::open_unchanged(file).await?;
        let crops = CropStore::open(&config.crops).await?;
        Ok(Self::of(config, engine, crops))
    }

    fn of(config: &CatalogueConfig, engine: Engine, crops: CropStore) -> Self {
        let name = config.database.to_string();
        let (crops_change, queue, pooled) = (tokio::sync::Mutex::default(), Queue::default(), Mutex::default());
        let (recorded, grown) = (Mutex::default(), tokio::sync::Notify::new());
        Self { inner: Arc::new(Inner { name, engine, crops, crops_change, queue, pooled, recorded, grown }) }
    }

    /// Waits for what is under way and closes the files.
    pub async fn close(&self) {
        self.inner.engine.close().await;
    }
}
