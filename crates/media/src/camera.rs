//! The states of a live camera, as a pure function of what happens to it.

use std::{fmt, time::Duration};

/// What a camera is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraState {
    /// Being opened; no frame yet.
    Connecting,
    /// Frames come.
    Live,
    /// Connected, but no frame within the stall timeout; it may come back by itself.
    Stalled,
    /// Given up for `retry_in`; `reason` is for people and holds no credentials.
    Offline {
        /// For people, without credentials.
        reason: String,
        /// How long nothing is tried.
        retry_in: Duration,
    },
    /// By its owner; no connection is made.
    Paused,
    /// By its owner, for good.
    Revoked,
}

/// What happens to a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraEvent {
    /// A connection attempt begins.
    Connect,
    /// A frame came.
    Frame,
    /// No frame within the stall timeout.
    Stall,
    /// The stream ended or failed; the supervisor drew `retry_in` from its [`crate::Backoff`].
    Lost {
        /// For people, without credentials.
        reason: String,
        /// How long nothing is to be tried.
        retry_in: Duration,
    },
    /// Its owner pauses it.
    Pause,
    /// Its owner wants it watched again.
    Resume,
    /// Its owner withdraws it for good.
    Revoke,
}

impl CameraState {
    /// The state after an event. Events that make no sense in a state (a late frame of a paused camera) change nothing.
    #[must_use]
    pub fn after(self, event: CameraEvent) -> Self {
        use {CameraEvent as E, CameraState as S};
        match (self, event) {
            (S::Revoked, _) | (_, E::Revoke) => S::Revoked,
            (S::Paused, E::Resume) => S::Connecting,
            (S::Paused, _) | (_, E::Pause) => S::Paused,
            (_, E::Lost { reason, retry_in }) => S::Offline { reason, retry_in },
            (S::Offline { .. }, E::Connect) => S::Connecting,
            (S::Connecting | S::Live | S::Stalled, E::Frame) => S::Live,
            (S::Live, E::Stall) => S::Stalled,
            (state, E::Connect | E::Frame | E::Stall | E::Resume) => state,
        }
    }

    /// Whether a worker should hold a connection in this state.
    pub fn wants_connection(&self) -> bool {
        matches!(self, Self::Connecting | Self::Live | Self::Stalled)
    }

    /// The word on the wire and in metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Stalled => "stalled",
            Self::Offline { .. } => "offline",
            Self::Paused => "paused",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for CameraState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lost() -> CameraEvent {
        CameraEvent::Lost { reason: "gone".into(), retry_in: Duration::from_secs(1) }
    }

    #[test]
    fn a_camera_that_comes_and_goes_passes_through_every_state_once() {
        use CameraEvent as E;
        let events = [
            E::Frame,
            E::Stall,
            E::Frame,
            lost(),
            E::Frame,
            E::Connect,
            E::Frame,
            E::Pause,
            E::Frame,
            E::Resume,
            E::Revoke,
            E::Frame,
        ];
        let mut state = CameraState::Connecting;
        let mut seen = vec![];
        for event in events {
            state = state.after(event);
            seen.push(state.as_str());
        }
        let want = [
            "live",
            "stalled",
            "live",
            "offline",
            "offline",
            "connecting",
            "live",
            "paused",
            "paused",
            "connecting",
            "revoked",
            "revoked",
        ];
        assert_eq!(seen, want);
    }

    fn event() -> impl Strategy<Value = CameraEvent> {
        use CameraEvent as E;
        prop_oneof![
            Just(E::Connect),
            Just(E::Frame),
            Just(E::Stall),
            Just(lost()),
            Just(E::Pause),
            Just(E::Resume),
            Just(E::Revoke)
        ]
    }

    proptest! {
        #[test]
        fn a_revoked_camera_stays_revoked_and_a_paused_one_waits_for_its_owner(events in prop::collection::vec(event(), 0..40)) {
            let mut state = CameraState::Connecting;
            for event in events {
                let before = state.clone();
                state = state.after(event.clone());
                if before == CameraState::Revoked {
                    prop_assert_eq!(&state, &CameraState::Revoked);
                }
                if before == CameraState::Paused && !matches!(event, CameraEvent::Resume | CameraEvent::Revoke) {
                    prop_assert_eq!(&state, &CameraState::Paused);
                }
            }
        }
    }
}
