//! Keeps a session with a camera alive. A strict camera ends one that it was asked nothing in for as long as it said, also while
//! it sends pictures in it, and GStreamer asks nothing over TCP.

use std::time::Duration;

use tokio::time::Instant;

use super::{asking::Asking, message::Message};

/// Where a camera does not say how long it waits.
const USUAL: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_secs(1);
/// One that says it waits for longer is asked as often as if it waited so long.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct KeepAlive {
    session: Option<String>,
    waits: Duration,
    /// What is played.
    address: String,
    /// What the camera is asked for nothing with.
    method: &'static str,
    playing: bool,
    last: Instant,
}

impl KeepAlive {
    pub(super) fn new() -> Self {
        Self { session: None, waits: USUAL, address: String::new(), method: "OPTIONS", playing: false, last: Instant::now() }
    }

    /// A request goes to the camera, whoever's it is.
    pub(super) fn asked(&mut self) {
        self.last = Instant::now();
    }

    /// The camera did as it was asked.
    pub(super) fn done(&mut self, request: &Message, answer: &Message) {
        if answer.all("Public").flat_map(|methods| methods.split(',')).any(|m| m.trim() == "GET_PARAMETER") {
            self.method = "GET_PARAMETER";
        }
        match Asking::of(request.method()) {
            Some(Asking::Setup) => {
                let Some(session) = answer.header("Session") else { return };
                let mut parts = session.split(';').map(str::trim);
                self.session = parts.next().map(str::to_owned);
                let told = parts.find_map(|part| part.strip_prefix("timeout=")?.trim().parse().ok());
                self.waits =
                    told.filter(|seconds| *seconds > 0).map_or(USUAL, |seconds| Duration::from_secs(seconds).min(LONGEST));
            }
            Some(Asking::Play) => {
                self.address = request.address().to_owned();
                self.playing = true;
            }
            _ => {}
        }
    }

    /// What this asked was refused: some cameras know one way alone.
    pub(super) fn refused(&mut self) {
        self.method = if self.method == "OPTIONS" { "GET_PARAMETER" } else { "OPTIONS" };
    }

    /// When the camera is to be asked again, if nobody else asks it anything.
    pub(super) fn due(&self) -> Option<Instant> {
        self.playing.then(|| self.last + (self.waits / 2).max(OFTEN))
    }

    pub(super) fn request(&self) -> Message {
        let mut request =
            Message { start: format!("{} {} RTSP/1.0", self.method, self.address), headers: Vec::new(), body: Vec::new() };
        if let Some(session) = &self.session {
            request.set("Session", session.clone());
        }
        request.set("User-Agent", "Sightline");
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_says_it_waits_for_ever_is_asked_all_the_same() {
        let message = |start: &str, session: &str| Message {
            start: start.into(),
            headers: vec![("Session".into(), session.into())],
            body: Vec::new(),
        };
        for (told, within) in [("7;timeout=18446744073709551615", LONGEST / 2), ("7;timeout=20", Duration::from_secs(10))] {
            let mut alive = KeepAlive::new();
            let before = Instant::now();
            alive.done(&message("SETUP rtsp://cam/live RTSP/1.0", ""), &message("RTSP/1.0 200 OK", told));
            alive.done(&message("PLAY rtsp://cam/live RTSP/1.0", ""), &message("RTSP/1.0 200 OK", told));
            let due = alive.due().unwrap();
            assert!(due <= Instant::now() + within && due + Duration::from_secs(1) >= before + within, "{told}");
        }
    }
}
