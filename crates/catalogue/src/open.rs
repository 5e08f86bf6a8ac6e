use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{CatalogueError, audit::Queue, crop::CropStore};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// As the first migration sets it.
const APPLICATION_ID: i64 = 0x5367_6874;
const READERS: u32 = 4;
/// How long to wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a catalogue lives.
#[derive(Debug, Clone)]
pub struct CatalogueConfig {
    /// The SQLite file; made if missing, its folder too.
    pub database: PathBuf,
    /// The folder of the crops; made if missing.
    pub crops: PathBuf,
}

/// The truth of one deployment. Cheap to clone; all clones are one catalogue.
#[derive(Clone)]
pub struct Catalogue {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) path: PathBuf,
    /// One connection.
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
    pub(crate) crops: CropStore,
    /// Held while crops and rows change together, so that a sweep never takes a crop whose row is about to commit.
    pub(crate) crops_change: tokio::sync::Mutex<()>,
    pub(crate) queue: Queue,
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalogue({})", self.inner.path.display())
    }
}

impl Catalogue {
    /// Opens or makes a catalogue and brings its tables up to date.
    pub async fn open(config: &CatalogueConfig) -> Result<Self, CatalogueError> {
        let path = config.database.clone();
        let crops = CropStore::open(&config.crops)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| CatalogueError::Io {
                action: "create the catalogue's folder",
                path: folder.to_owned(),
                source,
            })?;
        }
        inspect(&path).await?;
        let failed = |e| CatalogueError::database(e, &path);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL may lose the last commits on power loss; what was acknowledged must not be.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = |size, options| {
            SqlitePoolOptions::new()
                .max_connections(size)
                .min_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_with(options)
        };
        let writer = pool(1, options.clone()).await.map_err(failed)?;
        migrate(&writer, &path).await?;
        let reader = pool(READERS, options.read_only(true).create_if_missing(false)).await.map_err(failed)?;
        let crops_change = tokio::sync::Mutex::new(());
        Ok(Self { inner: Arc::new(Inner { path, writer, reader, crops, crops_change, queue: Queue::default() }) })
    }

    /// Waits for what is under way and closes the files.
    pub async fn close(&self) {
        self.inner.reader.close().await;
        self.inner.writer.close().await;
    }

    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.inner.reader
    }

    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.inner.writer
    }

    /// Starts a change. Takes the write lock at once: a change never fails half-way for another one.
    pub(crate) async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, CatalogueError> {
        Ok(self.writer().begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// Looks at a file that is there already without changing a byte of it: another program's database is not ours to migrate.
async fn inspect(path: &Path) -> Result<(), CatalogueError> {
    if !path.metadata().is_ok_and(|m| m.len() > 0) {
        return Ok(());
    }
    let failed = |e| CatalogueError::database(e, path);
    let mut connection = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).connect().await.map_err(failed)?;
    let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await.map_err(failed)?;
    // A process killed while making the catalogue leaves no table, or the migrator's own.
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name <> '_sqlx_migrations'")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
    connection.close().await.map_err(failed)?;
    if tables > 0 && id != APPLICATION_ID {
        return Err(CatalogueError::NotACatalogue { path: path.to_owned() });
    }
    Ok(())
}

async fn migrate(pool: &SqlitePool, path: &Path) -> Result<(), CatalogueError> {
    match MIGRATIONS.run(pool).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..)) => {
            Err(CatalogueError::TooNew { path: path.to_owned() })
        }
        Err(MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _)) => Err(CatalogueError::database(e, path)),
        Err(other) => Err(CatalogueError::Database(Box::new(other))),
    }
}
