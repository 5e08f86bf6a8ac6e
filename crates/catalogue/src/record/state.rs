//! Budgets and policies as the record has them: rows that say otherwise are named, and the stricter of the two counts.

use access::{Action, AuditDetail, AuditEntry, CameraPolicy, Outcome, Phase};
use sqlx::Row as _;
use types::ReceiveTime;

use crate::{
    Camera, Catalogue, CatalogueError, RecordDifference, Spent,
    cameras::camera::camera,
    cases::stored::stored,
    engine::{Lock, Tx},
    record::audit::append_in,
    row::document,
    seen::Committed,
};

impl Catalogue {
    /// Writes to the record what the owner of a camera lets others do from now on, in the transaction of the row.
    pub(crate) async fn commit_policy(&self, tx: &mut Tx, camera: &Camera) -> Result<Committed, CatalogueError> {
        self.lock_in(tx, Lock::Record).await?;
        let detail =
            AuditDetail { cameras: [camera.id.clone()].into(), policy: Some(camera.policy.clone()), ..AuditDetail::default() };
        let entry = AuditEntry {
            at: ReceiveTime::now(),
            caller: None,
            action: Action::SetCameraPolicy,
            // The entries of the call that asked for it are around it.
            phase: Phase::Complete { begin: 0, outcome: Outcome::Done },
            case: None,
            detail,
            charge: None,
        };
        Ok(Committed { entries: vec![append_in(tx, entry).await?] })
    }

    pub(crate) async fn camera_as_recorded(&self, camera: Camera) -> Result<Camera, CatalogueError> {
        let id = camera.id.clone();
        self.cameras_as_recorded(vec![camera]).await?.pop().ok_or(CatalogueError::UnknownCamera(id))
    }

    /// Cameras to decide by: where a row says otherwise than its owner on the record, the stricter counts.
    pub(crate) async fn cameras_as_recorded(&self, mut cameras: Vec<Camera>) -> Result<Vec<Camera>, CatalogueError> {
        let differs = cameras.iter().any(|camera| self.told_otherwise(camera).is_some());
        if differs {
            // The row may be newer than what was read of the record.
            self.follow_record().await?;
            for camera in &mut cameras {
                if let Some((_, told)) = self.told_otherwise(camera) {
                    camera.policy = told.stricter(&camera.policy);
                }
            }
        }
        Ok(cameras)
    }

    /// What the owner said, where the row says something else.
    fn told_otherwise(&self, camera: &Camera) -> Option<(u64, CameraPolicy)> {
        self.recorded().policy(&camera.id).filter(|(_, told)| *told != camera.policy)
    }

    /// Cases of whose budgets, and cameras of whose policies, the rows say otherwise than the record.
    pub(crate) async fn check_budgets_and_policies(&self) -> Result<Vec<RecordDifference>, CatalogueError> {
        let (cases, cameras) = self.other_budgets_and_policies().await?;
        let mut found = Vec::new();
        for (id, now, told) in cases {
            let message = format!(
                "its row says that {} queries and {} results were taken, the record {} and {}; the larger counts",
                now.queries, now.results, told.queries, told.results
            );
            found.push(RecordDifference { subject: format!("case {id}"), message });
        }
        for (camera, entry, _) in cameras {
            let by =
                if entry == 0 { "nobody set one".to_owned() } else { format!("entry {entry} of the record says what it is") };
            let message = format!("its policy is not its owner's: {by}; the stricter counts");
            found.push(RecordDifference { subject: format!("policy of camera {}", camera.id), message });
        }
        Ok(found)
    }

    /// Makes budgets and policies what the record says.
    pub(crate) async fn repair_budgets_and_policies(&self) -> Result<(), CatalogueError> {
        let (cases, cameras) = self.other_budgets_and_policies().await?;
        for (id, _, told) in cases {
            sqlx::query("UPDATE case_file SET spent_queries = $2, spent_results = $3 WHERE id = $1")
                .bind(id)
                .bind(told.queries.cast_signed())
                .bind(told.results.cast_signed())
                .execute(self.writer())
                .await?;
        }
        for (camera, _, told) in cameras {
            let query = sqlx::query("UPDATE camera SET policy = $2 WHERE id = $1").bind(camera.id.as_str());
            query.bind(document(&told)?).execute(self.writer()).await?;
        }
        Ok(())
    }

    /// Nobody changes either meanwhile: what is under way is no difference.
    async fn other_budgets_and_policies(
        &self,
    ) -> Result<(Vec<(String, Spent, Spent)>, Vec<(Camera, u64, CameraPolicy)>), CatalogueError> {
        let mut tx = self.begin().await?;
        self.lock_in(&mut tx, Lock::Record).await?;
        self.follow_record_in(&mut tx).await?;
        let mut cases = Vec::new();
        for row in sqlx::query("SELECT * FROM case_file ORDER BY id").fetch_all(&mut *tx).await? {
            // One that can't be read is named as such.
            let Ok(stored) = stored(&row) else { continue };
            let told = self.recorded().spent(stored.case.id());
            if told != stored.spent {
                cases.push((row.try_get("id")?, stored.spent, told));
            }
        }
        let mut cameras = Vec::new();
        for row in sqlx::query("SELECT * FROM camera ORDER BY id").fetch_all(&mut *tx).await? {
            let camera = camera(&row)?;
            if let Some((entry, told)) = self.told_otherwise(&camera) {
                cameras.push((camera, entry, told));
            }
        }
        tx.rollback().await?;
        Ok((cases, cameras))
    }
}
