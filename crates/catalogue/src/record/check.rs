//! Holds what is kept beside the record against its entries, and puts right what they know.

use std::collections::{BTreeMap, BTreeSet};

use access::AuditEntry;
use sha2::{Digest, Sha256};
use sqlx::Row;
use types::{CameraId, CaseId};

use super::{
    audit::{record, sealed},
    recorded::Ended,
};
use crate::{
    Catalogue, CatalogueError, RecordDifference,
    cameras::access_list::looks,
    cases::stored::stored,
    engine::{DbRow, sequence},
};

/// Rows read at once.
const PAGE: i64 = 4096;

impl Catalogue {
    /// Closed cases and revoked certificates of which the tables say otherwise.
    pub async fn check_state(&self) -> Result<Vec<RecordDifference>, CatalogueError> {
        // The record first: a row is changed before the entry that says so is written.
        self.follow_record().await?;
        let (ended, revoked) = {
            let recorded = self.recorded();
            (recorded.ended.clone(), recorded.revoked.clone())
        };
        let mut found = Vec::new();
        for row in sqlx::query("SELECT * FROM case_file ORDER BY id").fetch_all(self.reader()).await? {
            let id: String = row.try_get("id")?;
            let message = match stored(&row) {
                Err(_) => "its row can't be read, or its columns are not what it says".to_owned(),
                Ok(stored) => match ended.get(stored.case.id()) {
                    Some(Ended { seq, .. }) if stored.case.closed.is_none() => {
                        format!("entry {seq} of the record closed it and its row says that it is open; it counts as closed")
                    }
                    _ => continue,
                },
            };
            found.push(RecordDifference { subject: format!("case {id}"), message });
        }
        let listed: Vec<String> = sqlx::query_scalar("SELECT serial FROM revoked_identity").fetch_all(self.reader()).await?;
        let listed: BTreeSet<_> = listed.into_iter().collect();
        for (serial, seq) in revoked.into_iter().filter(|(serial, _)| !listed.contains(serial)) {
            let message =
                format!("entry {seq} of the record revoked it and its row is gone; it is refused all the same. Revoke it again");
            found.push(RecordDifference { subject: format!("certificate {serial}"), message });
        }
        found.extend(self.check_budgets_and_policies().await?);
        Ok(found)
    }

    /// Everything that is kept beside the record and is not what its entries say: the columns of entries, what opens their
    /// commitments, closed cases, revoked certificates, and who looked at which camera.
    pub async fn check_record(&self) -> Result<Vec<RecordDifference>, CatalogueError> {
        let mut found = self.check_state().await?;
        self.note_accesses().await?;
        let noted = sequence(self.reader(), "accesses").await?;
        let (mut accesses, mut upto) = (BTreeMap::new(), 0);
        loop {
            let query = sqlx::query("SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2").bind(upto).bind(PAGE);
            let rows = query.fetch_all(self.reader()).await?;
            let Some(last) = rows.last() else { break };
            let (from, to) = (upto, last.try_get::<i64, _>("seq")?);
            upto = to;
            let mut records = BTreeMap::new();
            for row in &rows {
                // One that can't be read is not the one in the log: that is found there.
                let Ok(record) = record(row) else { continue };
                let seq = record.receipt.seq.cast_signed();
                if let Some(column) = other_column(row, &record.entry)? {
                    let message = format!("its column {column} is not what the entry says; the entry counts");
                    found.push(RecordDifference { subject: format!("entry {seq}"), message });
                }
                if seq <= noted {
                    for look in looks(&record) {
                        let (entry, caller) = (&look.record.entry, look.caller.uri());
                        let words = [entry.action.as_str(), caller.as_str(), look.case.as_str()];
                        let list: &mut List = accesses.entry(look.camera.clone()).or_default();
                        list.add(seq, entry.at.as_micros(), words, 1);
                    }
                }
                records.insert(seq, record.entry);
            }
            let query = sqlx::query("SELECT * FROM sealed WHERE seq > $1 AND seq <= $2 ORDER BY seq, matter").bind(from).bind(to);
            for row in query.fetch_all(self.reader()).await? {
                let seq: i64 = row.try_get("seq")?;
                let Some(entry) = records.get(&seq) else { continue };
                if !opens(&row, entry)? {
                    let message = "what is kept to open its commitments is not what it commits to, or of another case".to_owned();
                    found.push(RecordDifference { subject: format!("entry {seq}"), message });
                }
            }
        }
        found.extend(self.other_accesses(accesses, noted).await?);
        Ok(found)
    }

    /// Cameras whose list of who looked is another than `expected`, of the entries up to `noted`.
    async fn other_accesses(
        &self,
        mut lists: BTreeMap<CameraId, List>,
        noted: i64,
    ) -> Result<Vec<RecordDifference>, CatalogueError> {
        let mut found = Vec::new();
        let difference = |camera: &str| RecordDifference {
            subject: format!("camera {camera}"),
            message: "the list of who looked at it is not what the record says".to_owned(),
        };
        let (mut camera, mut seq, mut beyond) = (String::new(), 0, Vec::new());
        loop {
            let query = sqlx::query(
                "SELECT * FROM camera_access WHERE camera > $1 OR (camera = $1 AND seq > $2) ORDER BY camera, seq LIMIT $3",
            );
            let rows = query.bind(&camera).bind(seq).bind(PAGE).fetch_all(self.reader()).await?;
            for row in &rows {
                (camera, seq) = (row.try_get("camera")?, row.try_get("seq")?);
                let Ok(id) = CameraId::new(&camera) else {
                    found.push(difference(&camera));
                    continue;
                };
                if seq > noted {
                    beyond.push((id, seq));
                    continue;
                }
                let words = [row.try_get("action")?, row.try_get("caller")?, row.try_get("case_id")?];
                lists.entry(id).or_default().add(seq, row.try_get("at")?, words, -1);
            }
            if (rows.len() as i64) < PAGE {
                break;
            }
        }
        let last = self.audit_len().await?.cast_signed();
        if noted > last {
            let message = format!("the lists of who looked say that they are made up to entry {noted}; the last is {last}");
            found.push(RecordDifference { subject: "cameras".to_owned(), message });
        }
        let wrong: BTreeSet<_> = lists
            .into_iter()
            .filter(|(_, list)| *list != List::default())
            .map(|(camera, _)| camera)
            .chain(beyond.into_iter().filter(|(_, seq)| *seq > last).map(|(camera, _)| camera))
            .collect();
        found.extend(wrong.iter().map(|camera| difference(camera.as_str())));
        Ok(found)
    }

    /// Puts right by the record what [`Self::check_record`] names and the record knows: closed cases, and the lists of who
    /// looked.
    pub async fn repair_record(&self) -> Result<(), CatalogueError> {
        self.follow_record().await?;
        let ended: Vec<_> = self.recorded().ended.keys().cloned().collect();
        let found = self.check_record().await?;
        let names = |case: &CaseId| found.iter().any(|f| f.subject == format!("case {case}"));
        for case in ended.iter().filter(|case| names(case)) {
            // One whose row can't be read stays as it is.
            if let Ok(Some(closed)) = self.case(case).await {
                self.change_case(&closed, &closed.case).await?;
            }
        }
        self.repair_budgets_and_policies().await?;
        if found.iter().any(|f| f.subject.starts_with("camera")) {
            self.note_accesses_again().await?;
        }
        Ok(())
    }
}

/// The first column that is not what the entry says.
fn other_column(row: &DbRow, entry: &AuditEntry) -> Result<Option<&'static str>, CatalogueError> {
    let case: Option<&str> = row.try_get("case_id")?;
    let same = [
        ("at", row.try_get::<i64, _>("at")? == entry.at.as_micros()),
        ("action", row.try_get::<&str, _>("action")? == entry.action.as_str()),
        ("phase", row.try_get::<&str, _>("phase")? == entry.phase.as_str()),
        ("case_id", case == entry.case.as_ref().map(CaseId::as_str)),
    ];
    Ok(same.into_iter().find(|(_, same)| !same).map(|(column, _)| column))
}

/// Whether a row of `sealed` opens a commitment of the entry, and says the entry's case.
fn opens(row: &DbRow, entry: &AuditEntry) -> Result<bool, CatalogueError> {
    let case: Option<&str> = row.try_get("case_id")?;
    let fits = |sealed: access::Sealed| entry.detail.commitments.get(&sealed.matter) == Some(&sealed.commitment());
    Ok(case == entry.case.as_ref().map(CaseId::as_str) && sealed(row).is_ok_and(fits))
}

/// Sums up accesses in any order: what the record says is added, what the table has taken away. Nothing is left where the two
/// are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct List {
    count: i64,
    sum: [u64; 4],
}

impl List {
    fn add(&mut self, seq: i64, at: i64, words: [&str; 3], sign: i64) {
        let mut hash = Sha256::new();
        hash.update(seq.to_le_bytes());
        hash.update(at.to_le_bytes());
        for word in words {
            hash.update((word.len() as u64).to_le_bytes());
            hash.update(word);
        }
        self.count += sign;
        for (sum, part) in self.sum.iter_mut().zip(hash.finalize().as_chunks::<8>().0) {
            let part = u64::from_le_bytes(*part);
            *sum = if sign < 0 { sum.wrapping_sub(part) } else { sum.wrapping_add(part) };
        }
    }
}
