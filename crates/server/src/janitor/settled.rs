//! The time by which sightings, emergencies and cases end.

use std::time::Duration;

use catalogue::{Catalogue, CatalogueError};
use types::ReceiveTime;

use super::error::{ClockLeapt, JanitorError};
use crate::base::clock::{Believed, Clock, Settled};

/// The time for what can't be undone: this machine's clock, held against what every server has seen.
pub(crate) struct SettledTime {
    catalogue: Catalogue,
    clock: Clock,
    /// The largest leap that is believed.
    leap: Duration,
}

impl SettledTime {
    pub(crate) fn new(catalogue: Catalogue, clock: Clock, leap: Duration) -> Self {
        Self { catalogue, clock, leap }
    }

    /// It does not go back, and a leap ahead does not move it.
    pub(crate) async fn settled(&self) -> Result<Settled, JanitorError> {
        match self.seen().await? {
            (_, Some(ahead)) if ahead > self.leap => Err(ClockLeapt { ahead }.into()),
            (now, _) => Ok(Settled(now)),
        }
    }

    /// The latest time that was settled, on any server; and how far this machine's clock is ahead of it, where it leapt.
    pub(crate) async fn seen(&self) -> Result<(ReceiveTime, Option<Duration>), CatalogueError> {
        let last = self.catalogue.last_time().await?;
        let (now, ahead) = match self.clock.believed() {
            Believed::Leapt(ahead) => return Ok((last.unwrap_or_else(|| self.clock.raw()), Some(ahead))),
            Believed::Time { settled, ahead } => (settled.0, ahead),
        };
        let last = last.unwrap_or(now);
        let unseen = u64::try_from(now.as_micros() - last.as_micros()).map_or(Duration::ZERO, Duration::from_micros);
        if unseen > self.leap {
            return Ok((last, Some(unseen)));
        }
        Ok((self.catalogue.advance_clock(now).await?, ahead))
    }
}
