//! Who could have gone from one sighting to another in the time between the two. A hint: it goes by straight lines, generous speeds
//! and the most time that both clocks leave, so that "can't be reached" takes a mistaken clock or position, or another way to
//! travel, and "can be reached" says little.

use std::{collections::HashMap, time::Duration};

use access::Place;
use types::{CameraId, Sighting, SightingId};

/// A camera may see somebody this far from where it hangs, in metres.
const SEES: f64 = 40.0;

/// How somebody may have gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Travel {
    /// Walking or running.
    Foot,
    /// With any vehicle.
    Vehicle,
}

impl Travel {
    /// Metres a second that hardly anybody exceeds for long: a run; a fast road.
    pub const fn speed(self) -> f64 {
        match self {
            Self::Foot => 3.0,
            Self::Vehicle => 30.0,
        }
    }
}

/// Asks what can be reached from a sighting.
#[derive(Debug, Clone, PartialEq)]
pub struct ReachQuery {
    /// A sighting that the case covers.
    pub from: SightingId,
    /// How the way may be gone.
    pub by: Travel,
    /// Leaves out what can't be reached; what is not known stays in.
    pub only: bool,
    /// Where the cameras hang, as far as it is known.
    pub places: HashMap<CameraId, Place>,
}

/// Whether a hit can be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// Whether the time is enough for the distance.
    pub reachable: bool,
    /// Between the cameras, in a straight line.
    pub metres: f64,
    /// The most time that there was.
    pub time: Duration,
}

/// `None` where the position of one of the two cameras is not known.
pub fn reached(query: &ReachQuery, from: &Sighting, to: &Sighting) -> Option<Reached> {
    let metres =
        if from.camera == to.camera { 0.0 } else { query.places.get(&from.camera)?.metres_to(query.places.get(&to.camera)?) };
    // Before or after: whoever was there before may have come from here, too.
    let after = to.first.time.as_micros() - from.last.time.as_micros();
    let before = from.first.time.as_micros() - to.last.time.as_micros();
    let (between, ends) = if after >= before { (after, [from.last, to.first]) } else { (before, [to.last, from.first]) };
    let clocks = ends.iter().fold(0_i64, |sum, end| sum.saturating_add(end.uncertainty.as_micros()));
    let time = between.saturating_add(clocks);
    let to_go = (metres - 2.0 * SEES).max(0.0);
    let reachable = to_go == 0.0 || time >= 0 && to_go <= query.by.speed() * time as f64 / 1e6;
    Some(Reached { reachable, metres, time: Duration::from_micros(time.max(0).unsigned_abs()) })
}
