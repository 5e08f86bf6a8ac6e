//! What only one of several servers may do at a time: a row with a holder, an end and an epoch. Time is the database's, so
//! that servers whose clocks differ agree.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row};
use types::JobId;

use crate::{Catalogue, CatalogueError, engine::Tx, row::micros};

/// Leave to do something until it runs out, or is another server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub name: String,
    pub holder: String,
    pub epoch: u64,
}

/// Leave to work on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLease {
    pub job: JobId,
    pub holder: String,
    pub epoch: u64,
}

/// By what leave something is written. It is looked at in the transaction of the change: once somebody else has it, nothing is
/// stored. That it has run out alone does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fence {
    Turn(Turn),
    Job(JobLease),
}

impl Catalogue {
    /// Takes a turn that is nobody's; whoever had it before, the same holder too, has it no more. `None`: it is another's.
    pub async fn take_turn(&self, name: &str, holder: &str, lasts: Duration) -> Result<Option<Turn>, CatalogueError> {
        let free = format!("turn.holder = excluded.holder OR turn.expires <= {}", self.now_sql());
        self.take_turn_where(&free, name, holder, lasts).await
    }

    /// As [`Self::take_turn`], from whoever has it.
    pub async fn seize_turn(&self, name: &str, holder: &str, lasts: Duration) -> Result<Option<Turn>, CatalogueError> {
        self.take_turn_where("TRUE", name, holder, lasts).await
    }

    async fn take_turn_where(
        &self,
        condition: &str,
        name: &str,
        holder: &str,
        lasts: Duration,
    ) -> Result<Option<Turn>, CatalogueError> {
        let sql = format!(
            "INSERT INTO turn (name, holder, epoch, expires) VALUES ($1, $2, 1, {now} + $3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires, epoch = turn.epoch + 1,
                said = NULL
             WHERE {condition} RETURNING epoch",
            now = self.now_sql()
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(name).bind(holder).bind(micros(lasts));
        let epoch: Option<i64> = query.fetch_all(self.writer()).await?.pop();
        Ok(epoch.map(|epoch| Turn { name: name.to_owned(), holder: holder.to_owned(), epoch: epoch.unsigned_abs() }))
    }

    /// Makes it last longer, also where it has run out and nobody took it. `false`: it is another's by now.
    pub async fn renew_turn(&self, turn: &Turn, lasts: Duration) -> Result<bool, CatalogueError> {
        let sql = format!("UPDATE turn SET expires = {} + $4 WHERE name = $1 AND holder = $2 AND epoch = $3", self.now_sql());
        let query = sqlx::query(AssertSqlSafe(sql)).bind(&turn.name).bind(&turn.holder).bind(turn.epoch.cast_signed());
        Ok(query.bind(micros(lasts)).execute(self.writer()).await?.rows_affected() == 1)
    }

    /// Others need not wait for its end. No error if it is another's by now.
    pub async fn leave_turn(&self, turn: &Turn) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE turn SET expires = 0, said = NULL WHERE name = $1 AND holder = $2 AND epoch = $3")
            .bind(&turn.name)
            .bind(&turn.holder)
            .bind(turn.epoch.cast_signed())
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// Tells the others something, for as long as the turn lasts. `false`: it is another's by now.
    pub async fn say(&self, turn: &Turn, what: &[u8]) -> Result<bool, CatalogueError> {
        let said = sqlx::query("UPDATE turn SET said = $4 WHERE name = $1 AND holder = $2 AND epoch = $3")
            .bind(&turn.name)
            .bind(&turn.holder)
            .bind(turn.epoch.cast_signed())
            .bind(what)
            .execute(self.writer())
            .await?;
        Ok(said.rows_affected() == 1)
    }

    /// What whoever has a turn told last.
    pub async fn said(&self, name: &str) -> Result<Option<Vec<u8>>, CatalogueError> {
        let sql = format!("SELECT said FROM turn WHERE name = $1 AND expires > {}", self.now_sql());
        let row = sqlx::query(AssertSqlSafe(sql)).bind(name).fetch_optional(self.reader()).await?;
        Ok(row.map(|row| row.try_get("said")).transpose()?.flatten())
    }

    /// Whether the leave still stands; nobody else gets it until the transaction ends.
    pub(crate) async fn check_fence(&self, tx: &mut Tx, fence: &Fence) -> Result<(), CatalogueError> {
        let (table, id, name, holder, epoch) = match fence {
            Fence::Turn(Turn { name, holder, epoch }) => ("turn", "name", name.as_str(), holder, *epoch),
            Fence::Job(JobLease { job, holder, epoch }) => ("job", "id", job.as_str(), holder, *epoch),
        };
        let running = if table == "job" { "AND state = 'running'" } else { "" };
        let sql =
            format!("SELECT epoch FROM {table} WHERE {id} = $1 AND holder = $2 AND epoch = $3 {running} {}", self.keep_sql());
        let query = sqlx::query(AssertSqlSafe(sql)).bind(name).bind(holder).bind(epoch.cast_signed());
        match query.fetch_optional(&mut **tx).await? {
            Some(_) => Ok(()),
            None => Err(CatalogueError::NotOurs { what: format!("{table} {name}") }),
        }
    }
}
