//! Asks witnesses to cosign, as C2SP `tlog-witness` says.

use std::{fmt::Write, time::Duration};

use access::log::{Note, NoteKey, NoteSignature, TileStore, TreeHead, prove_consistency};
use audit_log::{FileTiles, LogFault};
use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{StatusCode, Uri};
use parking_lot::{Mutex, MutexGuard};

use crate::base::http;

/// A witness that takes longer is asked again with the next checkpoint.
const PATIENCE: Duration = Duration::from_secs(3);

/// Somebody who vouches that the log only grows.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) key: NoteKey,
    /// `<url>/add-checkpoint`.
    uri: Uri,
    /// The size it is thought to have seen last; it says so where that is wrong.
    last: Mutex<u64>,
}

/// What came of asking.
#[derive(Debug)]
pub(super) enum Answer {
    Cosigned(NoteSignature),
    /// It has seen a log with this key that is longer, or another one of the same length.
    Contradicts(LogFault),
    /// No answer, or one that can't be used; not the log's fault as far as anybody can tell.
    Silent(String),
}

impl Witness {
    /// `None` where the address is none.
    pub(super) fn new(key: NoteKey, url: &str) -> Option<Self> {
        let uri: Uri = format!("{}/add-checkpoint", url.trim_end_matches('/')).parse().ok()?;
        let fits = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none();
        fits.then(|| Self { key, uri, last: Mutex::new(0) })
    }

    fn last(&self) -> MutexGuard<'_, u64> {
        self.last.lock()
    }

    pub(super) async fn ask(&self, tiles: &FileTiles, head: &TreeHead, note: &Note) -> Answer {
        let mut old = (*self.last()).min(head.size);
        // Once with what we remember, once with what it says.
        for _ in 0..2 {
            let request = match request(tiles, head, note, old) {
                Ok(request) => request,
                Err(error) => return Answer::Silent(error.to_string()),
            };
            match http::post(&self.uri, request, PATIENCE).await {
                Ok((StatusCode::OK, body)) => {
                    let Some(signature) = self.signature(note, &body) else {
                        return Answer::Silent("its cosignature does not fit its key".to_owned());
                    };
                    *self.last() = head.size;
                    return Answer::Cosigned(signature);
                }
                Ok((StatusCode::CONFLICT, body)) => match body.trim().parse::<u64>() {
                    Ok(size) if size > head.size => {
                        let by = format!("the witness {}", self.key.name());
                        return Answer::Contradicts(LogFault::Older { have: head.size, seen: size, by });
                    }
                    Ok(size) if size != old => old = size,
                    Ok(_) => return Answer::Contradicts(self.forked()),
                    Err(_) => return Answer::Silent("it answered 409 without a size".to_owned()),
                },
                Ok((StatusCode::UNPROCESSABLE_ENTITY, _)) => return Answer::Contradicts(self.forked()),
                Ok((status, body)) => {
                    let said: String = body.chars().filter(|c| !c.is_control()).take(200).collect();
                    return Answer::Silent(format!("it answered {status}: {said}"));
                }
                Err(error) => return Answer::Silent(error.to_string()),
            }
        }
        Answer::Silent("it changes its mind about what it has seen".to_owned())
    }

    fn forked(&self) -> LogFault {
        LogFault::Forked { by: format!("the witness {}", self.key.name()) }
    }

    fn signature(&self, note: &Note, lines: &str) -> Option<NoteSignature> {
        let signed: Note = format!("{}\n{}", note.text(), lines).parse().ok()?;
        signed.verify([&self.key]).ok()?.first()?;
        signed.signatures().iter().find(|s| s.name == self.key.name() && s.id == self.key.id()).cloned()
    }
}

fn request(tiles: &dyn TileStore, head: &TreeHead, note: &Note, old: u64) -> Result<String, access::log::LogError> {
    let mut text = format!("old {old}\n");
    for hash in prove_consistency(tiles, head, old)? {
        let _ = writeln!(text, "{}", BASE64_STANDARD.encode(hash.0));
    }
    let _ = write!(text, "\n{note}");
    Ok(text)
}
