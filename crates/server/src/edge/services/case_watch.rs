//! What happens to cases, to those who answer for them.

use std::{pin::Pin, sync::Arc, time::Duration};

use access::{Action, AuditDetail, Caller, CaseEvent, CaseEventKind, Outcome, may_watch_case};
use futures::Stream;
use proto::v1;
use tokio::sync::mpsc::Sender;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::{
    Api,
    convert::{moment, purpose_message},
};
use crate::edge::status::{Fault, status};

pub(super) type CaseEvents = Pin<Box<dyn Stream<Item = Result<v1::WatchCasesResponse, Status>> + Send>>;

/// Events read at once.
const PAGE: u32 = 64;
/// How often it is looked what other servers have written.
const LOOK: Duration = Duration::from_secs(1);

impl Api {
    /// On the record from its beginning to its end.
    pub(super) async fn watch_cases_as(&self, caller: Arc<Caller>, after: u64) -> Result<CaseEvents, Status> {
        let (gate, action) = (&self.0.gate, Action::WatchCases);
        let told = |fault: Fault| status(action, fault);
        let begun = gate.begin(action, None, AuditDetail::default(), &caller, self.0.now()).await;
        let begun = begun.map_err(|e| told(e.into()))?;
        let from = match self.first_event(after).await {
            Ok(from) => from,
            Err(fault) => {
                let end = gate.complete(begun, Outcome::Failed, AuditDetail::default(), self.0.now()).await;
                end.map_err(|e| told(e.into()))?;
                return Err(told(fault));
            }
        };
        // One slot: a slow watcher waits, and holds up nobody.
        let (send, receive) = tokio::sync::mpsc::channel(1);
        let api = self.clone();
        self.0.detach(async move {
            let outcome = match api.tell_of_cases(&caller, from, &send).await {
                Ok(outcome) => outcome,
                Err(fault) => {
                    let _ = send.send(Err(status(action, fault))).await;
                    Outcome::Failed
                }
            };
            let end = api.0.gate.complete(begun, outcome, AuditDetail::default(), api.0.now()).await;
            if let Err(error) = end {
                let _ = send.send(Err(status(action, error.into()))).await;
            }
        });
        Ok(Box::pin(ReceiverStream::new(receive)))
    }

    /// After which event a watcher is told.
    async fn first_event(&self, after: u64) -> Result<u64, Fault> {
        let last = self.0.catalogue().last_case_event().await?;
        if after > last {
            let hint = "name the number of an event that you were told of, or none";
            return Err(Fault::invalid("after", format!("there is no event {after}; the last one is {last}"), hint));
        }
        Ok(if after == 0 { last } else { after })
    }

    async fn tell_of_cases(
        &self,
        caller: &Caller,
        mut told: u64,
        send: &Sender<Result<v1::WatchCasesResponse, Status>>,
    ) -> Result<Outcome, Fault> {
        let mut changes = self.0.notify.watch();
        loop {
            changes.mark_unchanged();
            loop {
                let events = self.0.catalogue().case_events_since(told, PAGE).await?;
                let Some(first) = events.first() else { break };
                if first.seq != told + 1 {
                    return Err(gone(told, first.seq));
                }
                for stored in events {
                    told = stored.seq;
                    let Some(event) = stored.event else { continue };
                    // Cameras and policies may have changed since.
                    let (case, cameras) = self.0.case_and_cameras(&event.case).await?;
                    if !case.is_some_and(|case| may_watch_case(&case, &cameras, caller)) {
                        continue;
                    }
                    if send.send(Ok(message(stored.seq, &event))).await.is_err() {
                        return Ok(Outcome::Cancelled);
                    }
                }
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(Outcome::Cancelled) },
                () = tokio::time::sleep(LOOK) => {}
                () = send.closed() => return Ok(Outcome::Cancelled),
                () = self.0.stop.cancelled() => {
                    let hint = "watch again once it is back, after the last event that you saw";
                    let _ = send.send(Err(proto::status(Code::Unavailable, "the server stops", "stopping", hint))).await;
                    return Ok(Outcome::Cancelled);
                }
            }
        }
    }
}

/// Nothing is left out in silence.
fn gone(told: u64, first: u64) -> Fault {
    Fault::Caller {
        code: Code::OutOfRange,
        reason: "events_gone",
        message: format!("the events between {told} and {first} are not kept any more"),
        hint: "watch from now on, and look at `sightline case list` for what happened before",
    }
}

fn message(number: u64, event: &CaseEvent) -> v1::WatchCasesResponse {
    use v1::CaseEventKind as Kind;
    let kind = match event.kind {
        CaseEventKind::Opened => Kind::Opened,
        CaseEventKind::Emergency => Kind::Emergency,
        CaseEventKind::Waiting => Kind::Waiting,
        CaseEventKind::Authorised => Kind::Authorised,
        CaseEventKind::Expiring => Kind::Expiring,
        CaseEventKind::Closed => Kind::Closed,
        CaseEventKind::Refused => Kind::Refused,
        CaseEventKind::Unauthorised => Kind::Unauthorised,
        CaseEventKind::ReviewDue => Kind::ReviewDue,
    };
    v1::WatchCasesResponse {
        event: Some(v1::CaseEvent {
            number,
            kind: kind.into(),
            case_id: event.case.to_string(),
            purpose: purpose_message(event.purpose).into(),
            time: moment(event.at),
            deadline: event.deadline.and_then(moment),
        }),
    }
}
