use std::sync::Arc;

use access::{Case, CaseEvent, Ending, Policy, PooledCamera};
use sqlx::Row;
use types::{CaseId, ReceiveTime};

use crate::{
    Catalogue, CatalogueError, Spent, StoredCase,
    cases::{event as case_event, stored::stored},
    engine::Tx,
    row::{document, time},
};

impl Catalogue {
    /// As [`Self::add_case`], unless its requester has as many as one person may have: of two who add one at once the quota
    /// holds, on all servers.
    ///
    /// # Errors
    /// [`CatalogueError::Denied`], with what the requester is told.
    pub async fn add_case_within(&self, policy: &Policy, case: &Case) -> Result<StoredCase, CatalogueError> {
        let grant = &case.grant;
        let mut tx = self.begin().await?;
        let rows = sqlx::query("SELECT * FROM case_file WHERE organisation = $1 AND (state = 'requested' OR opened > $2)")
            .bind(grant.requester.organisation.as_str())
            .bind(grant.opened.plus_micros(-86_400_000_000).as_micros())
            .fetch_all(&mut *tx)
            .await?;
        // One that can't be read stops nobody: `check` names it.
        let there: Vec<_> = rows.iter().filter_map(|row| self.as_recorded(row).ok()).collect();
        access::check_quotas(policy, grant, there.iter().map(|stored| &stored.case)).map_err(CatalogueError::Denied)?;
        let added = insert(&mut tx, policy, case).await?;
        tx.commit().await?;
        Ok(added)
    }

    /// # Errors
    /// [`CatalogueError::Exists`] if the id is taken: a signature fits one case.
    pub async fn add_case(&self, case: &Case) -> Result<StoredCase, CatalogueError> {
        let mut tx = self.begin().await?;
        let added = insert(&mut tx, &Policy::default(), case).await?;
        tx.commit().await?;
        Ok(added)
    }

    pub async fn case(&self, id: &CaseId) -> Result<Option<StoredCase>, CatalogueError> {
        let row = sqlx::query("SELECT * FROM case_file WHERE id = $1").bind(id.as_str()).fetch_optional(self.reader()).await?;
        match row.as_ref().map(|row| self.as_recorded(row)).transpose()? {
            Some(case) => self.with_revocations(case).await.map(Some),
            None => Ok(None),
        }
    }

    /// Says of each authorisation whether its author's certificate was revoked since they gave it.
    async fn with_revocations(&self, mut stored: StoredCase) -> Result<StoredCase, CatalogueError> {
        for given in &mut stored.case.authorisations {
            let revoked = sqlx::query("SELECT min(at) AS at FROM revoked_identity WHERE caller = $1 AND at >= $2")
                .bind(given.by.uri())
                .bind(given.at.as_micros())
                .fetch_one(self.reader())
                .await?;
            given.revoked = revoked.try_get::<Option<i64>, _>("at")?.map(time).transpose()?;
        }
        Ok(stored)
    }

    /// What decides over a search: the case, and every camera with its owner's policy. In one query, unless a camera changed
    /// since the last.
    pub async fn case_and_cameras(&self, id: &CaseId) -> Result<(Option<StoredCase>, Arc<[PooledCamera]>), CatalogueError> {
        let row = sqlx::query(
            "SELECT sequence.value AS cameras, case_file.* FROM sequence LEFT JOIN case_file ON case_file.id = $1
             WHERE sequence.name = 'cameras'",
        )
        .bind(id.as_str())
        .fetch_one(self.reader())
        .await?;
        let case = match row.try_get::<Option<&str>, _>("id")? {
            Some(_) => Some(self.with_revocations(self.as_recorded(&row)?).await?),
            None => None,
        };
        Ok((case, self.pooled_as_of(row.try_get("cameras")?).await?))
    }

    /// Emergencies that nobody has authorised or closed yet.
    pub async fn open_emergencies(&self) -> Result<Vec<StoredCase>, CatalogueError> {
        let rows = sqlx::query("SELECT * FROM case_file WHERE state = 'requested'").fetch_all(self.reader()).await?;
        let mut cases = rows.iter().map(|row| self.as_recorded(row)).collect::<Result<Vec<_>, _>>()?;
        cases.retain(|c| c.case.grant.emergency.is_some());
        Ok(cases)
    }

    /// Cases that ended without anybody having agreed to them in time, and whose findings are still there.
    pub async fn cases_to_purge(&self, policy: &Policy, now: ReceiveTime) -> Result<Vec<StoredCase>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM case_file WHERE state = 'closed' AND purged IS NULL");
        let mut cases =
            query.fetch_all(self.reader()).await?.iter().map(|row| self.as_recorded(row)).collect::<Result<Vec<_>, _>>()?;
        cases.retain(|c| c.case.is_purge_due(policy, now));
        Ok(cases)
    }

    pub async fn set_case_purged(&self, id: &CaseId, at: ReceiveTime) -> Result<(), CatalogueError> {
        let query = sqlx::query("UPDATE case_file SET purged = $2 WHERE id = $1").bind(id.as_str()).bind(at.as_micros());
        query.execute(self.writer()).await?;
        Ok(())
    }

    /// Replaces a case that is still at the version it was read with, so that of two who change it at once one is told.
    ///
    /// # Errors
    /// [`CatalogueError::Conflict`] if it moved on, or if the change would alter the grant that was signed, or reopen it. A
    /// refusal is the one thing that may follow upon an end.
    pub async fn change_case(&self, before: &StoredCase, after: &Case) -> Result<StoredCase, CatalogueError> {
        let id = before.case.id();
        let conflict = || CatalogueError::Conflict { kind: "case", id: id.to_string() };
        let refused_late = before.case.is_review_due() && after.closed.as_ref().is_some_and(|c| c.ending == Ending::Refused);
        let reopened = before.case.closed.is_some() && after.closed != before.case.closed && !refused_late;
        if after.grant != before.case.grant || reopened {
            return Err(conflict());
        }
        let query = sqlx::query(
            "UPDATE case_file SET version = version + 1, state = $3, document = $4 WHERE id = $1 AND version = $2 RETURNING *",
        )
        .bind(id.as_str())
        .bind(before.version.cast_signed())
        .bind(after.state().as_str())
        .bind(document(after)?);
        let mut tx = self.begin().await?;
        if let Some(row) = query.fetch_optional(&mut *tx).await? {
            case_event::note(&mut tx, &CaseEvent::of_change(&before.case, after)).await?;
            tx.commit().await?;
            return stored(&row);
        }
        drop(tx);
        match self.case(id).await? {
            None => Err(CatalogueError::UnknownCase(id.clone())),
            Some(_) => Err(conflict()),
        }
    }
}

async fn insert(tx: &mut Tx, policy: &Policy, case: &Case) -> Result<StoredCase, CatalogueError> {
    let grant = &case.grant;
    let added = sqlx::query(
        "INSERT INTO case_file (id, version, state, purpose, organisation, opened, expires, document)
         VALUES ($1, 1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(case.id().as_str())
    .bind(case.state().as_str())
    .bind(grant.purpose.as_str())
    .bind(grant.requester.organisation.as_str())
    .bind(grant.opened.as_micros())
    .bind(grant.expires.as_micros())
    .bind(document(case)?)
    .execute(&mut **tx)
    .await?;
    if added.rows_affected() == 0 {
        return Err(CatalogueError::Exists { kind: "case", id: case.id().to_string() });
    }
    case_event::note(tx, &[CaseEvent::of_opening(policy, case)]).await?;
    Ok(StoredCase { case: case.clone(), version: 1, spent: Spent::default() })
}
