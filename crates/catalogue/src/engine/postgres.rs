use std::{fmt, str::FromStr, sync::LazyLock, time::Duration};

use sqlx::{
    AnyPool, AssertSqlSafe, Connection, PgConnection, Row,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::Migrator,
    postgres::{PgConnectOptions, PgSslMode},
};
use types::Day;

use super::{
    Engine, Lock, Tx,
    migrations::{POSTGRES, migrated, migrator},
    pools::Kind,
};
use crate::{CatalogueError, crop::is_this_machine};

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| migrator(POSTGRES));

const CONNECTIONS: u32 = 16;
/// How long to wait for a connection or for another server that writes.
const PATIENCE: Duration = Duration::from_secs(10);
/// What every connection is told. A server that hangs or is cut off in the middle of a change lets go of what it locked;
/// what was acknowledged is on the database's disk.
const SETTINGS: &str = "
    SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '60s';
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');
";

/// Where a PostgreSQL database is, credentials included. Shows none of them.
#[derive(Clone)]
pub struct PostgresUrl {
    options: AnyConnectOptions,
    clear: bool,
}

impl PostgresUrl {
    /// A URL such as `postgres://sightline@db.example/sightline?sslmode=verify-full`, as libpq reads it.
    ///
    /// # Errors
    /// [`CatalogueError::Invalid`] where the text is no URL of a PostgreSQL database. The message does not repeat it.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        // The text itself may hold a password: it is never repeated.
        let bad = || CatalogueError::invalid("the database is not a URL such as postgres://user@host/database, it has", "…");
        let options = AnyConnectOptions::from_str(text).map_err(|_| bad())?;
        if !matches!(options.database_url.scheme(), "postgres" | "postgresql") {
            return Err(bad());
        }
        let read = PgConnectOptions::from_str(text).map_err(|_| bad())?;
        // As in a URL.
        let host = read.get_host().trim_start_matches('[').trim_end_matches(']');
        let here = read.get_socket().is_some() || host.starts_with('/') || is_this_machine(host);
        let tls = matches!(read.get_ssl_mode(), PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        Ok(Self { options, clear: !here && !tls })
    }

    /// Whether what is said to the database may leave this machine without TLS.
    pub fn is_clear(&self) -> bool {
        self.clear
    }

    /// With the password of its user, which takes the place of one in the URL.
    pub fn with_password(mut self, password: &str) -> Self {
        // As a parameter, since a URL without a host, of a socket, has no other place for it.
        self.options.database_url.query_pairs_mut().append_pair("password", password);
        self
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.options.database_url;
        let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
        write!(f, "postgres://{}{port}{}", url.host_str().unwrap_or_default(), url.path())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

pub(super) async fn open(url: &PostgresUrl) -> Result<Engine, CatalogueError> {
    let name = url.to_string();
    let failed = |e| CatalogueError::postgres(e, &name);
    let options = PgConnectOptions::from_str(url.options.database_url.as_str()).map_err(failed)?;
    let connected = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options)).await;
    let mut first = connected.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(failed)?;
    inspect(&mut first, &name).await?;
    migrated(MIGRATIONS.run(&mut first).await, &name, failed)?;
    first.close().await.map_err(failed)?;
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .min_connections(1)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SETTINGS).execute(connection).await?;
                Ok(())
            })
        })
        .connect_with(url.options.clone())
        .await
        .map_err(failed)?;
    Ok(Engine { kind: Kind::Postgres, writer: pool.clone(), reader: pool })
}

/// Another program's database is not ours to migrate.
async fn inspect(connection: &mut PgConnection, name: &str) -> Result<(), CatalogueError> {
    let failed = |e| CatalogueError::postgres(e, name);
    let row = sqlx::query(
        "SELECT count(*) AS tables, count(*) FILTER (WHERE tablename = 'sequence') AS ours
         FROM pg_tables WHERE schemaname = current_schema() AND tablename <> '_sqlx_migrations'",
    )
    .fetch_one(connection)
    .await
    .map_err(failed)?;
    let (tables, ours): (i64, i64) = (row.try_get("tables").map_err(failed)?, row.try_get("ours").map_err(failed)?);
    if tables > 0 && ours == 0 { Err(CatalogueError::NotACatalogue { database: name.to_owned() }) } else { Ok(()) }
}

/// Until the transaction ends.
pub(super) async fn lock(tx: &mut Tx, what: Lock) -> Result<(), CatalogueError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(what.key()).execute(&mut **tx).await?;
    Ok(())
}

/// As [`lock`], with others who share it.
pub(super) async fn lock_shared(tx: &mut Tx, what: Lock) -> Result<(), CatalogueError> {
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(what.key()).execute(&mut **tx).await?;
    Ok(())
}

/// The name of a day's partition; days before 1970 have an `m` for their sign.
fn partition(day: Day) -> String {
    let sign = if day.0 < 0 { "m" } else { "" };
    format!("sighting_{sign}{}", day.0.unsigned_abs())
}

/// Makes a day's partition. Whoever calls holds [`Lock::Sightings`]: two who make the same one would trip over each other.
/// It is attached when it is there, since making it in place would wait for everybody who reads.
pub(super) async fn make_day(tx: &mut Tx, day: Day) -> Result<(), CatalogueError> {
    let name = partition(day);
    let there: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)").bind(&name).fetch_one(&mut **tx).await?;
    if there == 0 {
        let sql = format!(
            "CREATE TABLE {name} (LIKE sighting INCLUDING ALL);
             ALTER TABLE sighting ATTACH PARTITION {name} FOR VALUES IN ({})",
            day.0
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await?;
    }
    Ok(())
}

pub(super) async fn drop_day(tx: &mut Tx, day: Day) -> Result<(), CatalogueError> {
    let sql = format!("DROP TABLE IF EXISTS {}", partition(day));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes what held it anew. What lies in the database's own log and its archive is for whoever runs it to let go of.
pub(super) async fn erase(pool: &AnyPool, days: &[Day]) -> Result<(), CatalogueError> {
    let tables = ["held_sighting", "tombstone", "sealed", "handed_out", "mark"]
        .map(str::to_owned)
        .into_iter()
        .chain(days.iter().map(|day| partition(*day)));
    for table in tables {
        let there: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)").bind(&table).fetch_one(pool).await?;
        if there > 0 {
            sqlx::raw_sql(AssertSqlSafe(format!("VACUUM (FULL) {table}"))).execute(pool).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_neither_user_nor_password() {
        let url = PostgresUrl::parse("postgres://sight:s3cret@db.example:5433/pool?sslmode=require&password=s3cret").unwrap();
        assert_eq!(url.to_string(), "postgres://db.example:5433/pool");
        let url = url.with_password("s3cret/@:");
        assert!(!format!("{url} {url:?}").contains("s3cret"));
        for bad in ["mysql://s3cret@host/x", "s3cret", "/s3cret/catalogue.db"] {
            let error = PostgresUrl::parse(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn what_is_said_to_another_machine_is_under_tls() {
        for (url, clear) in [
            ("postgres://db.example/x", true),
            ("postgres://db.example/x?sslmode=prefer", true),
            ("postgres://10.0.0.1/x?sslmode=disable", true),
            ("postgres://db.example/x?sslmode=require", false),
            ("postgres://db.example/x?sslmode=verify-full", false),
            ("postgres://localhost/x", false),
            ("postgres://127.0.0.1:5433/x", false),
            ("postgres://[::1]/x", false),
            ("postgres:///x?host=/run/postgresql", false),
            ("postgres://%2Frun%2Fpostgresql/x", false),
        ] {
            assert_eq!(PostgresUrl::parse(url).unwrap().is_clear(), clear, "{url}");
        }
    }

    #[test]
    fn every_day_has_a_partition_of_its_own() {
        assert_eq!(partition(Day(20_512)), "sighting_20512");
        assert_eq!(partition(Day(-3)), "sighting_m3");
    }
}
