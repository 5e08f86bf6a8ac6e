//! Holds what is stored against what the record commits to: every row, crop and vector, those that are missing, and those that
//! somebody else wrote.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use access::{
    Seen,
    log::batch_root,
    seen::{Digests, crop_digest, row_digest, stature_digest},
};
use sqlx::Row as _;
use types::{ClockUncertainty, Day, Sighting, SightingId, SightingOrigin, TimeStamp};

use crate::{
    Catalogue, CatalogueError, RecordDifference, UnusableRow,
    engine::{DbRow, Lock, Tx},
    record::audit::record,
    row::{document, id},
    seen::{Place, broken, kept, leaf_at, leaves_of, vector_of},
    sightings::row::sighting,
};

/// Entries read at once.
const PAGE: i64 = 4096;
/// Sightings whose rows are read at once.
const ROWS: u64 = 1_000;
/// Batches that are looked at again while nobody stores anything.
const AGAIN: usize = 64;

/// What [`Catalogue::check_seen`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SeenReport {
    /// Sightings that the record commits to.
    pub(crate) committed: u64,
    /// Sightings that were stored before it committed to any.
    pub(crate) uncommitted: u64,
    pub(crate) differences: Vec<RecordDifference>,
}

/// A batch as the record has it.
#[derive(Debug, Clone)]
struct Told {
    seen: Seen,
    gone: BTreeSet<u32>,
}

/// What the record says of sightings, as far as it was read.
#[derive(Debug, Default)]
struct Record {
    upto: i64,
    batches: BTreeMap<i64, Told>,
    whole: bool,
}

impl Record {
    fn take(&mut self, seq: i64, seen: Seen) {
        self.whole |= seen.whole;
        for (batch, first, last) in &seen.gone {
            let batch = batch.cast_signed();
            let Some(told) = self.batches.get_mut(&batch) else { continue };
            told.gone.extend((*first..=*last).take_while(|leaf| *leaf < told.seen.count));
            if told.gone.len() >= told.seen.count as usize {
                self.batches.remove(&batch);
            }
        }
        if seen.count > 0 {
            self.batches.insert(seq, Told { seen: Seen { gone: Vec::new(), ..seen }, gone: BTreeSet::new() });
        }
    }
}

/// What the tables say of a batch.
#[derive(Default)]
struct Kept {
    leaves: Option<Vec<u8>>,
    rows: Vec<DbRow>,
}

impl Catalogue {
    /// Holds every sighting's row and vector against the record; of its crop, that the digest beside the row is the committed one.
    pub(crate) async fn check_seen(&self) -> Result<SeenReport, CatalogueError> {
        let mut report = SeenReport::default();
        let mut told = Record::default();
        self.follow_seen(&mut told).await?;
        let mut keys: BTreeSet<i64> = told.batches.keys().copied().collect();
        let listed: Vec<i64> = sqlx::query_scalar("SELECT entry FROM commitment ORDER BY entry").fetch_all(self.reader()).await?;
        keys.extend(listed);
        let mut doubtful = BTreeSet::new();
        let mut from = i64::MIN;
        let mut keys = keys.into_iter().peekable();
        loop {
            // So many batches that their rows fit into memory; the last ones reach to the end, for rows of no batch.
            let (mut to, mut rows) = (i64::MAX, 0);
            while let Some(key) = keys.next() {
                rows += told.batches.get(&key).map_or(1, |t| u64::from(t.seen.count));
                if rows >= ROWS && keys.peek().is_some() {
                    to = key;
                    break;
                }
            }
            let mut tx = self.snapshot().await?;
            let kept = kept_of(&mut tx, from, to).await?;
            tx.commit().await?;
            let of_record: BTreeSet<i64> = told
                .batches
                .range((std::ops::Bound::Excluded(from), std::ops::Bound::Included(to)))
                .map(|(key, _)| *key)
                .collect();
            for batch in of_record.iter().chain(kept.keys().filter(|key| !of_record.contains(key))) {
                let none = Kept::default();
                let kept = kept.get(batch).unwrap_or(&none);
                report.committed += kept.rows.len() as u64;
                if !differences(*batch, told.batches.get(batch), kept)?.is_empty() {
                    doubtful.insert(*batch);
                }
            }
            if to == i64::MAX {
                break;
            }
            from = to;
        }
        self.look_again(&mut told, &doubtful, &mut report).await?;
        self.check_uncommitted(&mut told, &mut report).await?;
        Ok(report)
    }

    /// The part of [`Self::check`] that holds rows and vectors against the record; crops are not read.
    pub async fn check_seen_alone(&self) -> Result<Vec<RecordDifference>, CatalogueError> {
        Ok(self.check_seen().await?.differences)
    }

    /// What is under way looks like a difference, unless nobody stores or deletes anything meanwhile.
    async fn look_again(
        &self,
        told: &mut Record,
        doubtful: &BTreeSet<i64>,
        report: &mut SeenReport,
    ) -> Result<(), CatalogueError> {
        let doubtful: Vec<_> = doubtful.iter().copied().collect();
        for some in doubtful.chunks(AGAIN) {
            let mut tx = self.begin_alone(Lock::Sightings).await?;
            self.follow_seen(told).await?;
            for batch in some {
                let kept = kept_of(&mut tx, batch.saturating_sub(1), *batch).await?.remove(batch).unwrap_or_default();
                report.differences.extend(differences(*batch, told.batches.get(batch), &kept)?);
            }
            tx.rollback().await?;
        }
        Ok(())
    }

    /// Sightings that nothing commits to: from before the record did, or somebody's own.
    async fn check_uncommitted(&self, told: &mut Record, report: &mut SeenReport) -> Result<(), CatalogueError> {
        self.follow_seen(told).await?;
        if !told.whole {
            report.uncommitted = self.uncommitted_count().await?;
            return Ok(());
        }
        let rows = sqlx::query("SELECT id, day FROM sighting WHERE batch IS NULL ORDER BY id");
        for row in &rows.fetch_all(self.reader()).await? {
            let message = "no entry of the record commits to it: somebody put it there behind the server's back".to_owned();
            report.differences.push(RecordDifference { subject: subject(row)?, message });
        }
        Ok(())
    }

    /// Reads on in the record.
    async fn follow_seen(&self, told: &mut Record) -> Result<(), CatalogueError> {
        loop {
            let query =
                sqlx::query("SELECT seq, entry FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2").bind(told.upto).bind(PAGE);
            let rows = query.fetch_all(self.reader()).await?;
            for row in &rows {
                told.upto = row.try_get("seq")?;
                // One that can't be read is not the one in the log: that is found there.
                if let Some(seen) = seen_of(row)? {
                    told.take(told.upto, seen);
                }
            }
            if (rows.len() as i64) < PAGE {
                return Ok(());
            }
        }
    }

    /// The digests of a day's crops as they are beside the rows.
    pub(crate) async fn crop_digests(&self, day: Day) -> Result<HashMap<SightingId, [u8; 32]>, CatalogueError> {
        let query = sqlx::query("SELECT id, salt, digests FROM sighting WHERE day = $1").bind(day.0);
        let mut found = HashMap::new();
        for row in &query.fetch_all(self.reader()).await? {
            if let (Ok(id), Some((_, Digests { crop, .. }))) = (id(row.try_get("id")?), kept(row)?) {
                found.insert(id, crop);
            }
        }
        Ok(found)
    }

    /// Whether a crop is not the sighting's, also at a second look.
    pub(crate) async fn is_another_crop(&self, id: SightingId, jpeg: &[u8], expected: [u8; 32]) -> Result<bool, CatalogueError> {
        if crop_digest(jpeg) == expected {
            return Ok(false);
        }
        // Nobody stores crops meanwhile; one that is gone by now is no finding.
        let _alone = self.crops_alone().await?;
        let query = sqlx::query("SELECT 1 AS one FROM sighting WHERE id = $1").bind(id.0.as_bytes().as_slice());
        Ok(query.fetch_optional(self.reader()).await?.is_some() && self.crop_as_stored(id).await?.is_none())
    }
}

/// What an entry says of sightings.
pub(crate) fn seen_of(row: &DbRow) -> Result<Option<Seen>, CatalogueError> {
    const KEY: &[u8] = b"\"seen\":";
    // Most entries say nothing of it, and reading one takes a while.
    let bytes: &[u8] = row.try_get("entry")?;
    if !bytes.windows(KEY.len()).any(|some| some == KEY) {
        return Ok(None);
    }
    Ok(record(row).ok().and_then(|record| record.entry.detail.seen))
}

async fn kept_of(tx: &mut Tx, after: i64, to: i64) -> Result<BTreeMap<i64, Kept>, CatalogueError> {
    let mut all: BTreeMap<i64, Kept> = BTreeMap::new();
    let query = sqlx::query("SELECT entry, leaves FROM commitment WHERE entry > $1 AND entry <= $2").bind(after).bind(to);
    for row in query.fetch_all(&mut **tx).await? {
        all.entry(row.try_get("entry")?).or_default().leaves = Some(row.try_get("leaves")?);
    }
    let query = sqlx::query("SELECT * FROM sighting WHERE batch > $1 AND batch <= $2 ORDER BY batch, leaf").bind(after).bind(to);
    for row in query.fetch_all(&mut **tx).await? {
        all.entry(row.try_get("batch")?).or_default().rows.push(row);
    }
    Ok(all)
}

fn subject(row: &DbRow) -> Result<String, CatalogueError> {
    let row = UnusableRow { key: row.try_get("id")?, day: Day(0), fault: String::new() };
    Ok(row.subject())
}

/// Everything in which a batch is not what the record says.
fn differences(batch: i64, told: Option<&Told>, kept: &Kept) -> Result<Vec<RecordDifference>, CatalogueError> {
    let mut found = Vec::new();
    let of_batch = |message: String| RecordDifference { subject: format!("sightings of entry {batch}"), message };
    let Some(told) = told else {
        if kept.leaves.is_some() {
            found.push(of_batch("the record commits to no such sightings any more, and their leaves are there".to_owned()));
        }
        for row in &kept.rows {
            let message = format!("entry {batch} of the record commits to no sighting that is still there");
            found.push(RecordDifference { subject: subject(row)?, message });
        }
        return Ok(found);
    };
    let count = told.seen.count;
    let leaves = kept.leaves.as_deref().unwrap_or_default();
    let hashes = leaves_of(leaves);
    if kept.leaves.is_none() {
        found.push(of_batch(format!("the leaves of its {count} sightings are gone")));
    } else if hashes.len() != count as usize || Some(batch_root(&hashes).map_err(broken)?) != told.seen.root() {
        found.push(of_batch("their leaves are not what the entry commits to".to_owned()));
    }
    let mut there = BTreeSet::new();
    for row in &kept.rows {
        let place = Place::of(row)?;
        let leaf = place.and_then(|place| u32::try_from(place.leaf).ok()).filter(|leaf| *leaf < count);
        let message = match leaf {
            Some(leaf) if told.gone.contains(&leaf) => {
                Some("the record says that it was deleted or replaced, and it is there as it was before".to_owned())
            }
            Some(leaf) if there.insert(leaf) => difference(row, leaves, leaf, told.seen.found)?,
            _ => Some(format!("entry {batch} of the record does not commit to it")),
        };
        if let Some(message) = message {
            found.push(RecordDifference { subject: subject(row)?, message });
        }
    }
    for leaf in (0..count).filter(|leaf| !there.contains(leaf) && !told.gone.contains(leaf)) {
        let message =
            format!("the {} of its {count} sightings is missing, and the record does not say that it was deleted", nth(leaf + 1));
        found.push(of_batch(message));
    }
    Ok(found)
}

/// In what a row, with what is beside it, is not what the record commits to.
fn difference(row: &DbRow, leaves: &[u8], leaf: u32, found: bool) -> Result<Option<String>, CatalogueError> {
    let told = |what: &str| Ok(Some(format!("{what} not what the record commits to")));
    let Some(committed) = leaf_at(leaves, i64::from(leaf)) else { return told("it is") };
    let Some((salts, digests)) = kept(row)? else { return told("what is kept to open its commitment is") };
    let now = match sighting(row) {
        Err(_) => None,
        Ok(s) => match other_column(row, &s, found) {
            Ok(Some(_)) | Err(_) => None,
            Ok(None) => Some(row_digest(&s, &stature_digest(&salts.stature, s.description.stature))),
        },
    };
    let now = now.zip(vector_of(row)?).map(|(row, vector)| Digests { row, vector, ..digests });
    if digests.leaf(&salts.leaf) == committed {
        // What is beside the row is as it was, and tells what is not.
        let Some(now) = now else { return told("what its row says (when, where, what) is") };
        let mut other = Vec::new();
        if now.row != digests.row {
            other.push("what its row says (when, where, what)");
        }
        if now.vector != digests.vector {
            other.push("its appearance vector");
        }
        return match other.as_slice() {
            [] => Ok(None),
            [one] => told(&format!("{one} is")),
            all => told(&format!("{} are", all.join(" and "))),
        };
    }
    if now.is_some_and(|now| now.leaf(&salts.leaf) == committed) {
        return told("the digests beside its row are");
    }
    told("its row, crop, vector or salt is")
}

/// The first column that is another than a sighting's that was read from it, written again.
fn other_column(row: &DbRow, sighting: &Sighting, found: bool) -> Result<Option<&'static str>, CatalogueError> {
    let Sighting { first, last, bbox, score, description, origin, agency, camera, class, .. } = sighting;
    let mut other = None;
    let mut same = |column: &'static str, same: bool| {
        if !same {
            other.get_or_insert(column);
        }
    };
    let whole = |column: &str| row.try_get::<i64, _>(column);
    let uncertainty = |stamp: &TimeStamp| ClockUncertainty::as_micros(stamp.uncertainty);
    same("first_error_us", whole("first_error_us")? == uncertainty(first));
    same("last_error_us", whole("last_error_us")? == uncertainty(last));
    let reals = [("box_x", bbox.x), ("box_y", bbox.y), ("box_width", bbox.width), ("box_height", bbox.height), ("score", *score)];
    for (column, value) in reals {
        same(column, row.try_get::<f64, _>(column)? == f64::from(value));
    }
    same("day", row.try_get::<i32, _>("day")? == sighting.day().0);
    same("camera", row.try_get::<&str, _>("camera")? == camera.as_str());
    same("agency", row.try_get::<&str, _>("agency")? == agency.as_str());
    same("class", row.try_get::<&str, _>("class")? == class.as_str());
    same("first_source", row.try_get::<&str, _>("first_source")? == first.source.as_str());
    same("last_source", row.try_get::<&str, _>("last_source")? == last.source.as_str());
    same("footage", row.try_get::<Option<Vec<u8>>, _>("footage")?.is_none() == (*origin == SightingOrigin::Live));
    // An earlier version may have written it in another way.
    same("description", found || row.try_get::<&str, _>("description")? == document(description)?);
    Ok(other)
}

fn nth(n: u32) -> String {
    let end = match (n % 10, n % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{n}{end}")
}
