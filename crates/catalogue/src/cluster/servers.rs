//! Servers that share a catalogue: which are there, how far each one's own index is, and what all of them must do.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row};
use types::Day;

use crate::{
    Catalogue, CatalogueError,
    engine::{DbRow, Lock},
    row::micros,
    sightings::erase::raise_tombstone_horizon,
    sightings::sighting::reserve,
};

/// How far a server's own copies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerPosition {
    /// The change up to which its index is on disk.
    pub synced: u64,
    /// The last purge that it has carried out.
    pub purged: u64,
}

/// A server that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveServer {
    pub id: String,
    pub at: ServerPosition,
}

impl Catalogue {
    /// Reports that a server is there. `false` if it had not been until now: others may have pruned tombstones meanwhile, and its own
    /// index must be rebuilt.
    pub async fn heartbeat(&self, id: &str, at: ServerPosition, lasts: Duration) -> Result<bool, CatalogueError> {
        let mut tx = self.begin_alone(Lock::Servers).await?;
        let now = self.now_sql();
        sqlx::query(AssertSqlSafe(format!("DELETE FROM server WHERE expires <= {now}"))).execute(&mut *tx).await?;
        let known = sqlx::query("SELECT id FROM server WHERE id = $1").bind(id).fetch_optional(&mut *tx).await?.is_some();
        let sql = format!(
            "INSERT INTO server (id, expires, synced, purged) VALUES ($1, {now} + $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET expires = excluded.expires, synced = excluded.synced, purged = excluded.purged"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(id)
            .bind(micros(lasts))
            .bind(at.synced.cast_signed())
            .bind(at.purged.cast_signed())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(known)
    }

    /// Nobody waits for it any more.
    pub async fn deregister_server(&self, id: &str) -> Result<(), CatalogueError> {
        sqlx::query("DELETE FROM server WHERE id = $1").bind(id).execute(self.writer()).await?;
        Ok(())
    }

    /// By id.
    pub async fn live_servers(&self) -> Result<Vec<LiveServer>, CatalogueError> {
        let sql = format!("SELECT id, synced, purged FROM server WHERE expires > {} ORDER BY id", self.now_sql());
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(self.reader()).await?;
        let server = |row: &DbRow| {
            let number = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
            let at = ServerPosition { synced: number("synced")?, purged: number("purged")? };
            Ok(LiveServer { id: row.try_get("id")?, at })
        };
        rows.iter().map(server).collect()
    }

    /// Has every server write a day of its index anew; whoever is not there makes its index again when it comes back. Returns
    /// the number by which to see who has.
    pub async fn announce_purge(&self, day: Day) -> Result<u64, CatalogueError> {
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        let seq = reserve(&mut tx, 1).await?;
        // In the same transaction: an index that was opened before knows of the purge, one that is opened later is older.
        raise_tombstone_horizon(&mut tx, seq).await?;
        let query = sqlx::query("INSERT INTO purge (seq, day) VALUES ($1, $2)").bind(seq.cast_signed()).bind(day.0);
        query.execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(seq)
    }

    /// In their order.
    pub async fn purges_since(&self, seq: u64) -> Result<Vec<(u64, Day)>, CatalogueError> {
        let query = sqlx::query("SELECT seq, day FROM purge WHERE seq > $1 ORDER BY seq").bind(seq.cast_signed());
        let rows = query.fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok((row.try_get::<i64, _>("seq")?.unsigned_abs(), Day(row.try_get("day")?)))).collect()
    }

    /// The number of the last one that is announced; 0: none is.
    pub async fn last_purge(&self) -> Result<u64, CatalogueError> {
        Ok(self.purges_since(0).await?.last().map(|(seq, _)| *seq).unwrap_or_default())
    }

    /// Purges that every server has carried out are of no more use.
    pub async fn forget_purges(&self, up_to: u64) -> Result<(), CatalogueError> {
        let sql = format!(
            "DELETE FROM purge WHERE seq <= $1 AND seq <= COALESCE((SELECT min(purged) FROM server WHERE expires > {}), $1)",
            self.now_sql()
        );
        sqlx::query(AssertSqlSafe(sql)).bind(up_to.cast_signed()).execute(self.writer()).await?;
        Ok(())
    }
}
