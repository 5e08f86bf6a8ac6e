use std::{path::Path, sync::LazyLock, time::Duration};

use sqlx::{
    AnyConnection, AnyPool, ConnectOptions, Connection, Row, SqliteConnection,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{
    Engine, Look,
    migrations::{SQLITE, migrated, migrator},
    pools::Kind,
};
use crate::CatalogueError;

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| migrator(SQLITE));

/// As the first migration sets it.
const APPLICATION_ID: i64 = 0x5367_6874;
const READERS: u32 = 4;
/// How long to wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// What a connection's URL can't say. NORMAL may lose the last commits on power loss; what was acknowledged must not be. What is
/// deleted is overwritten at once; see `erase` for what is not.
const PRAGMAS: &str =
    "PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON";

pub(super) async fn open(path: &Path) -> Result<Engine, CatalogueError> {
    if path.to_str().is_none() {
        return Err(CatalogueError::invalid("the catalogue's path is not UTF-8:", &path.display().to_string()));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| CatalogueError::Io {
            action: "create the catalogue's folder",
            path: folder.to_owned(),
            source,
        })?;
    }
    inspect(path).await?;
    let failed = |e| CatalogueError::database(e, path);
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let mut first: SqliteConnection = options.connect().await.map_err(failed)?;
    let done = MIGRATIONS.run(&mut first).await;
    migrated(done, &path.display().to_string(), |e| CatalogueError::database(e, path))?;
    first.close().await.map_err(failed)?;
    let options = options.create_if_missing(false);
    let writer = pool(1, &options).await.map_err(failed)?;
    let reader = pool(READERS, &options.read_only(true)).await.map_err(failed)?;
    Ok(Engine { kind: Kind::Sqlite, writer, reader })
}

/// Both of its pools only read.
pub(super) async fn open_unchanged(path: &Path) -> Result<Engine, CatalogueError> {
    if !path.is_file() {
        return Err(CatalogueError::NotACatalogue { database: path.display().to_string() });
    }
    let failed = |e| CatalogueError::database(e, path);
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    inspect_by(&options, path).await?;
    let mut connection: SqliteConnection = options.connect().await.map_err(failed)?;
    let done: i64 =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    let newest = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or_default();
    let database = path.display().to_string();
    match done.cmp(&newest) {
        std::cmp::Ordering::Less => return Err(CatalogueError::TooOld { database }),
        std::cmp::Ordering::Greater => return Err(CatalogueError::TooNew { database }),
        std::cmp::Ordering::Equal => {}
    }
    let reader = pool(READERS, &options).await.map_err(failed)?;
    Ok(Engine { kind: Kind::Sqlite, writer: reader.clone(), reader })
}

/// Every connection passes here when it is given back, whoever had it and whatever failed. SQLite ends a transaction by itself
/// when it finds no room or can't read or write; `sqlx` then fails to roll back and goes on believing in it, and refuses to begin
/// another. Such a connection is thrown away, and the next caller gets a new one.
async fn is_settled(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    // What was dropped without a commit is rolled back only now.
    connection.ping().await?;
    let settled = !connection.is_in_transaction();
    if !settled {
        tracing::warn!("a change to the catalogue failed half-way; its connection to the database is made anew");
    }
    Ok(settled)
}

/// What a file says of itself, read without changing a byte of it. `None`: it is not there, or a process was killed while making it.
pub(super) async fn look(path: &Path) -> Result<Option<Look>, CatalogueError> {
    if !path.metadata().is_ok_and(|m| m.len() > 0) {
        return Ok(None);
    }
    let failed = |e| CatalogueError::database(e, path);
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    inspect_by(&options, path).await?;
    let mut connection: SqliteConnection = options.connect().await.map_err(failed)?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name IN ('_sqlx_migrations', 'audit', 'sighting')")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
    if tables < 3 {
        return Ok(None);
    }
    let row = sqlx::query(
        "SELECT (SELECT max(version) FROM _sqlx_migrations WHERE success), (SELECT COALESCE(max(seq), 0) FROM audit),
                (SELECT COALESCE(max(value), 0) FROM sequence WHERE name = 'change'), (SELECT count(*) FROM sighting)",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(failed)?;
    let number = |column: usize| row.try_get::<Option<i64>, _>(column).map(Option::unwrap_or_default).map_err(failed);
    let newest = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or_default();
    let look = Look {
        schema: number(0)?,
        newest,
        entries: number(1)?.unsigned_abs(),
        last_change: number(2)?.unsigned_abs(),
        sightings: number(3)?.unsigned_abs(),
    };
    connection.close().await.map_err(failed)?;
    Ok(Some(look))
}

/// Writes a copy to a file that is not there yet. One transaction reads all of it, so that it is of one moment; a copy that is cut
/// off is no catalogue. It holds nothing that was deleted, as `VACUUM` copies rows and not pages.
pub(super) async fn copy(from: &Path, to: &Path) -> Result<(), CatalogueError> {
    if !from.is_file() {
        return Err(CatalogueError::NotACatalogue { database: from.display().to_string() });
    }
    let Some(target) = to.to_str() else {
        return Err(CatalogueError::invalid("the copy's path is not UTF-8:", &to.display().to_string()));
    };
    let failed = |e| CatalogueError::database(e, from);
    let options = SqliteConnectOptions::new().filename(from).read_only(true).busy_timeout(BUSY_TIMEOUT);
    inspect_by(&options, from).await?;
    let mut connection: SqliteConnection = options.connect().await.map_err(failed)?;
    sqlx::query("VACUUM INTO $1").bind(target).execute(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

async fn pool(size: u32, options: &SqliteConnectOptions) -> Result<AnyPool, sqlx::Error> {
    AnyPoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(PRAGMAS).execute(connection).await?;
                Ok(())
            })
        })
        .after_release(|connection, _| Box::pin(is_settled(connection)))
        // It was looked at as it was given back, and no network can have lost it since. Each look goes to the connection's thread
        // and back.
        .test_before_acquire(false)
        .connect_with(AnyConnectOptions::from_url(&options.to_url_lossy())?)
        .await
}

pub(super) async fn self_check(pool: &AnyPool) -> Result<Vec<String>, CatalogueError> {
    let mut said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(pool).await?;
    said.retain(|line| line != "ok");
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(pool).await?;
    if !dangling.is_empty() {
        said.push(format!("{} rows refer to rows that are not there", dangling.len()));
    }
    Ok(said)
}

/// Looks at a file that is there already without changing a byte of it: another program's database is not ours to migrate.
async fn inspect(path: &Path) -> Result<(), CatalogueError> {
    if !path.metadata().is_ok_and(|m| m.len() > 0) {
        return Ok(());
    }
    inspect_by(&SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT), path).await
}

async fn inspect_by(options: &SqliteConnectOptions, path: &Path) -> Result<(), CatalogueError> {
    let failed = |e| CatalogueError::database(e, path);
    let mut connection = options.connect().await.map_err(failed)?;
    let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await.map_err(failed)?;
    // A process killed while making the catalogue leaves no table, or the migrator's own.
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name <> '_sqlx_migrations'")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
    connection.close().await.map_err(failed)?;
    if tables > 0 && id != APPLICATION_ID {
        return Err(CatalogueError::NotACatalogue { database: path.display().to_string() });
    }
    Ok(())
}

/// How often a reader that is in the way of the log is waited for, and how long.
const TRIES: u32 = 50;
const WAIT: Duration = Duration::from_millis(100);

/// Writes the file anew and empties the log. `secure_delete` alone would not do: rows are moved between pages, and where they
/// were is not cleared.
pub(super) async fn erase(writer: &AnyPool) -> Result<(), CatalogueError> {
    sqlx::raw_sql("VACUUM").execute(writer).await?;
    for _ in 0..TRIES {
        let said = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(writer).await?;
        if said.try_get::<i64, _>(0)? == 0 {
            return Ok(());
        }
        tokio::time::sleep(WAIT).await;
    }
    Err(CatalogueError::Busy("a reader holds on to the write-ahead log".into()))
}
