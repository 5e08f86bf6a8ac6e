//! What a search of a day filters by, in memory: a column each.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use types::{CameraId, Class, Day, Description, SightingId};

use super::file::{Record, RecordKind, values};
use crate::IndexQuery;

/// A place in a description's vector fits into a byte.
const _: () = assert!(Description::VECTOR_LEN <= 256);

/// The camera of a row that is dead: no query wants it.
const DEAD: u32 = 0;

/// Row `n` is record `n` of the file. A row is dead where its sighting was removed, or stored again in a later row.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    ids: Vec<SightingId>,
    /// An index into `camera_ids`, plus one.
    cameras: Vec<u32>,
    classes: Vec<u8>,
    firsts: Vec<i64>,
    lasts: Vec<i64>,
    /// Where a row's words end in `slots` and `weights`.
    word_ends: Vec<u32>,
    /// The places of a description's vector that are not 0, and what is there.
    slots: Vec<u8>,
    weights: Vec<f32>,
    camera_ids: Vec<CameraId>,
    camera_numbers: HashMap<CameraId, u32>,
    /// The live row of a sighting.
    by_id: HashMap<SightingId, u32>,
}

/// What a query wants of one day.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// By number of a camera; never the dead one.
    cameras: Vec<bool>,
    classes: Vec<bool>,
    /// First seen before, last seen at or after: microseconds.
    first_before: i64,
    last_from: i64,
    /// Whether all of the day lie in the window, so that no time has to be looked at.
    whole_day: bool,
    excluded: BTreeSet<usize>,
}

impl Wanted {
    pub(crate) fn is_nothing(&self) -> bool {
        !self.cameras.contains(&true)
    }
}

impl Rows {
    /// Takes the next record of the file.
    pub(crate) fn apply(&mut self, record: &Record<'_>) {
        let row = self.ids.len();
        let replaced = match &record.kind {
            RecordKind::Tombstone => self.by_id.remove(&record.id),
            RecordKind::Entry { .. } => self.by_id.insert(record.id, row as u32),
        };
        if let Some(old) = replaced {
            self.cameras[old as usize] = DEAD;
        }
        let (camera, class, first, last) = match &record.kind {
            RecordKind::Tombstone => (DEAD, 0, 0, 0),
            RecordKind::Entry { camera, class, first, last, description } => {
                for (slot, weight) in values(description).enumerate().filter(|(_, weight)| *weight != 0.0) {
                    self.slots.push(slot as u8);
                    self.weights.push(weight);
                }
                (self.number(camera), *class, *first, *last)
            }
        };
        self.ids.push(record.id);
        self.cameras.push(camera);
        self.classes.push(class);
        self.firsts.push(first);
        self.lasts.push(last);
        self.word_ends.push(self.slots.len() as u32);
    }

    fn number(&mut self, camera: &CameraId) -> u32 {
        if let Some(number) = self.camera_numbers.get(camera) {
            return *number;
        }
        self.camera_ids.push(camera.clone());
        let number = self.camera_ids.len() as u32;
        self.camera_numbers.insert(camera.clone(), number);
        number
    }

    /// Rows, dead ones too.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn live(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn has(&self, id: SightingId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(crate) fn id(&self, row: usize) -> SightingId {
        self.ids[row]
    }

    pub(crate) fn live_rows(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|row| self.cameras[*row] != DEAD)
    }

    pub(crate) fn wanted(&self, day: Day, query: &IndexQuery) -> Wanted {
        let mut cameras = vec![false; self.camera_ids.len() + 1];
        for camera in &query.cameras {
            if let Some(number) = self.camera_numbers.get(camera) {
                cameras[*number as usize] = true;
            }
        }
        let classes = Class::ALL.iter().map(|class| query.classes.is_empty() || query.classes.contains(class)).collect();
        let (from, to) = (query.window.from().as_micros(), query.window.to().as_micros());
        Wanted {
            cameras,
            classes,
            first_before: to,
            last_from: from,
            // All are first seen within the day.
            whole_day: from <= day.start().as_micros() && to >= Day(day.0 + 1).start().as_micros(),
            excluded: query.exclude.iter().filter_map(|id| self.by_id.get(id)).map(|row| *row as usize).collect(),
        }
    }

    /// Calls for each live row of a range that the filter lets through, in order.
    pub(crate) fn matching(&self, wanted: &Wanted, range: Range<usize>, mut found: impl FnMut(usize)) {
        for row in range {
            if !wanted.cameras[self.cameras[row] as usize] || !wanted.classes[self.classes[row] as usize] {
                continue;
            }
            if !wanted.whole_day && (self.firsts[row] >= wanted.first_before || self.lasts[row] < wanted.last_from) {
                continue;
            }
            if !wanted.excluded.is_empty() && wanted.excluded.contains(&row) {
                continue;
            }
            found(row);
        }
    }

    /// The dot product of a row's description with a query's vector.
    pub(crate) fn description_score(&self, row: usize, query: &[f32]) -> f32 {
        let begin = if row == 0 { 0 } else { self.word_ends[row - 1] as usize };
        let words = begin..self.word_ends[row] as usize;
        self.slots[words.clone()].iter().zip(&self.weights[words]).map(|(slot, weight)| query[usize::from(*slot)] * weight).sum()
    }
}
