use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use redact::RedactedCrop;
use types::{Day, SightingId};

use crate::{Catalogue, CatalogueError, FencingToken, RecordDifference, UnusableRow, crop, crop::beside_of, engine::CropsAlone};

/// Crops read at once; each may be a request.
const CROPS_AT_ONCE: usize = 8;
/// As many as S3 deletes with one request.
const DELETED_AT_ONCE: usize = 1000;

/// What [`Catalogue::check`] found. Everything is well if nothing is listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    pub sightings: u64,
    pub crops: u64,
    /// What the database says of itself.
    pub database: Vec<String>,
    /// Sightings that can't be shown.
    pub without_crop: Vec<SightingId>,
    /// Sightings whose crop is not a redacted picture of ours.
    pub unreadable_crop: Vec<SightingId>,
    /// Rows that can't be used.
    pub unusable: Vec<UnusableRow>,
    /// Objects in the crop store that no sighting names.
    pub orphan_crops: Vec<String>,
    /// Sightings that the record commits to, in [`Self::sightings`].
    pub committed: u64,
    /// Sightings that were stored before it committed to any. No finding.
    pub uncommitted: u64,
    /// What is stored of sightings and is not what the record commits to: rows, crops, vectors, and what is missing.
    pub changed: Vec<RecordDifference>,
}

impl CheckReport {
    pub fn is_clean(&self) -> bool {
        self.database.is_empty()
            && self.without_crop.is_empty()
            && self.unreadable_crop.is_empty()
            && self.orphan_crops.is_empty()
            && self.unusable.is_empty()
            && self.changed.is_empty()
    }
}

/// What [`Catalogue::repair`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repaired {
    /// Without a readable crop, and so taken away; the change feed says so.
    pub sightings_removed: u64,
    pub orphan_crops_removed: u64,
}

/// How an index differs from the catalogue, by day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdDifference {
    pub missing: Vec<(Day, SightingId)>,
    /// In the index, not in the catalogue.
    pub surplus: Vec<(Day, SightingId)>,
}

impl IdDifference {
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.surplus.is_empty()
    }
}

/// Compares what an index holds with [`Catalogue::ids_by_day`]. The order of ids within a day doesn't matter.
pub fn compare_ids(catalogue: &BTreeMap<Day, Vec<SightingId>>, index: &BTreeMap<Day, Vec<SightingId>>) -> IdDifference {
    let pairs = |ids: &BTreeMap<Day, Vec<SightingId>>| -> BTreeSet<(Day, SightingId)> {
        ids.iter().flat_map(|(day, ids)| ids.iter().map(|id| (*day, *id))).collect()
    };
    let (catalogue, index) = (pairs(catalogue), pairs(index));
    IdDifference {
        missing: catalogue.difference(&index).copied().collect(),
        surplus: index.difference(&catalogue).copied().collect(),
    }
}

/// Below this many sightings, all of them may be without a crop and still be repaired.
const FEW: u64 = 20;

impl Catalogue {
    /// Compares rows and crops, reads every crop, and has the database check itself. Changes nothing, and holds nobody up.
    pub async fn check(&self) -> Result<CheckReport, CatalogueError> {
        let mut report =
            CheckReport { database: self.self_check().await?, unusable: self.unusable_rows().await?, ..CheckReport::default() };
        let mut days: BTreeSet<Day> = self.days().await?.into_iter().collect();
        days.extend(self.inner.crops.days().await?);
        for day in days {
            // Crops before rows: those that come meanwhile are not missing.
            let (crops, others) = self.inner.crops.list(day).await?;
            let rows = self.ids(day).await?;
            report.sightings += rows.len() as u64;
            report.crops += crops.len() as u64;
            let (orphans, _) = self.orphans(day, crops, &rows).await?;
            report.orphan_crops.extend(orphans.iter().map(|id| format!("{day}/{id}.jpg")));
            report.orphan_crops.extend(self.settle(day, others, false).await?.iter().map(ToString::to_string));
            let digests = self.crop_digests(day).await?;
            let read = |id| async move { Ok::<_, CatalogueError>((id, self.inner.crops.get(day, id).await?)) };
            let mut read = stream::iter(rows.into_iter().map(read)).buffered(CROPS_AT_ONCE);
            while let Some((id, crop)) = read.try_next().await? {
                match crop {
                    // Unless it has gone by now, row and all.
                    None if self.day_of(id).await? == Some(day) => report.without_crop.push(id),
                    Some(jpeg) if RedactedCrop::decode(&jpeg).is_err() => report.unreadable_crop.push(id),
                    Some(jpeg) => {
                        let Some(expected) = digests.get(&id) else { continue };
                        if self.is_another_crop(id, &jpeg, *expected).await? {
                            let message = "its crop is not the one that was stored".to_owned();
                            report.changed.push(RecordDifference { subject: id.to_string(), message });
                        }
                    }
                    None => {}
                }
            }
        }
        let seen = self.check_seen().await?;
        (report.committed, report.uncommitted) = (seen.committed, seen.uncommitted);
        report.changed.extend(seen.differences);
        Ok(report)
    }

    /// Those of a day's crops that no row names; nobody stores crops while the second value lives, so it stays like that.
    async fn orphans(
        &self,
        day: Day,
        mut crops: Vec<SightingId>,
        rows: &[SightingId],
    ) -> Result<(Vec<SightingId>, Option<CropsAlone<'_>>), CatalogueError> {
        let named: HashSet<_> = rows.iter().collect();
        crops.retain(|id| !named.contains(id));
        if crops.is_empty() {
            return Ok((crops, None));
        }
        // A crop is stored before its row: only when nobody is about to commit one it is an orphan.
        let alone = self.crops_alone().await?;
        let named: HashSet<_> = self.ids(day).await?.into_iter().collect();
        crops.retain(|id| !named.contains(id));
        Ok((crops, Some(alone)))
    }

    /// Of what is no crop of a sighting's own, what is not a crop that a sighting is about to get either. With `take`, one whose
    /// row was committed takes its place.
    async fn settle(&self, day: Day, others: Vec<Key>, take: bool) -> Result<Vec<Key>, CatalogueError> {
        if !others.iter().any(|key| beside_of(day, key).is_some()) {
            return Ok(others);
        }
        // Nobody is storing one meanwhile: it is left of a process that was killed, before or after the commit.
        let _alone = self.crops_alone().await?;
        let mut left = Vec::with_capacity(others.len());
        for key in others {
            let Some(id) = beside_of(day, &key) else {
                left.push(key);
                continue;
            };
            let beside = self.inner.crops.get_beside(day, id).await?;
            let committed = self.crop_as_stored(id).await?;
            match (beside, committed) {
                (None, _) => {}
                (Some(beside), Some(committed)) if beside == committed && self.day_of(id).await? == Some(day) => {
                    if take {
                        self.inner.crops.take_beside(day, id).await?;
                    }
                }
                _ => left.push(key),
            }
        }
        Ok(left)
    }

    async fn day_of(&self, id: SightingId) -> Result<Option<Day>, CatalogueError> {
        let query = sqlx::query_scalar("SELECT day FROM sighting WHERE id = $1").bind(id.0.as_bytes().as_slice());
        Ok(query.fetch_optional(self.reader()).await?.map(Day))
    }

    /// Takes away what [`Self::check`] found and can be taken away: orphan crops, and sightings without a readable crop.
    ///
    /// # Errors
    /// [`CatalogueError::RepairRefused`] if half of the sightings or more have no crop: a folder that is not mounted looks
    /// just like that.
    pub async fn repair(&self, fence: &FencingToken) -> Result<Repaired, CatalogueError> {
        let report = self.check().await?;
        let lost: Vec<_> = report.without_crop.iter().chain(&report.unreadable_crop).copied().collect();
        let missing = lost.len() as u64;
        if report.sightings >= FEW && missing * 2 >= report.sightings {
            return Err(CatalogueError::RepairRefused { missing, rows: report.sightings, crops: self.inner.crops.describe() });
        }
        let sightings_removed = self.discard_sightings(&lost, fence).await?.sightings;
        Ok(Repaired { sightings_removed, orphan_crops_removed: self.sweep_orphans().await? })
    }

    /// Deletes crops that no sighting names: what a crash left between a crop and its row. Call it at start. Returns how
    /// many.
    pub async fn sweep_orphans(&self) -> Result<u64, CatalogueError> {
        let alone = self.crops_alone().await?;
        let mut swept = self.inner.crops.sweep_unfinished()?;
        drop(alone);
        for day in self.inner.crops.days().await? {
            swept += self.sweep_day(day).await?;
        }
        Ok(swept)
    }

    /// The part of [`Self::sweep_orphans`] that is about a day.
    pub(crate) async fn sweep_day(&self, day: Day) -> Result<u64, CatalogueError> {
        let mut swept = 0;
        let (crops, others) = self.inner.crops.list(day).await?;
        let others = self.settle(day, others, true).await?;
        let (orphans, mut alone) = self.orphans(day, crops, &self.ids(day).await?).await?;
        for ids in orphans.chunks(DELETED_AT_ONCE) {
            if let Some(alone) = &mut alone {
                alone.is_held().await?;
            }
            self.inner.crops.delete_all(ids.iter().map(|id| crop::key(day, *id)).collect()).await?;
            swept += ids.len() as u64;
        }
        swept += others.len() as u64;
        self.inner.crops.delete_all(others).await?;
        Ok(swept)
    }

    /// How many objects in the crop store of a day no sighting names.
    pub async fn stray_crops(&self, day: Day) -> Result<u64, CatalogueError> {
        let (crops, others) = self.inner.crops.list(day).await?;
        let others = self.settle(day, others, false).await?;
        let (orphans, _) = self.orphans(day, crops, &self.ids(day).await?).await?;
        Ok((orphans.len() + others.len()) as u64)
    }
}
