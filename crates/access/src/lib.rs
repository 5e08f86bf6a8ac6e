//! Who may see what, and on whose word. If you want to know why a search was refused, start at [`decide()`].
//!
//! An investigator opens a [`Case`]; somebody else, of another organisation, signs its [`Grant`] with a key that never
//! reaches the server; from then on [`decide()`], a pure function, answers every request from the grant, the cameras'
//! owners' policies and the clock. A [`Gate`] writes the answer to the [`AuditLog`] and, only once that is durable, mints a
//! [`CasePermit`]: the one thing a search accepts.
//!
//! This crate does no I/O and reads no clock: time is an argument, the log is a trait. It refuses to guess: what no rule
//! allows is denied, with a stable code, a reason and what to do.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod action;
mod area;
mod audit;
mod caller;
mod camera;
mod case;
mod commitment;
mod decide;
mod deletion;
mod denial;
mod event;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod grant;
mod hold;
pub mod log;
mod loss;
mod mark;
mod memory;
mod open;
mod passkey;
mod permit;
mod policy;
mod preview;
mod purpose;
mod retention;
mod scope;
pub mod seen;
mod undecided;
mod wire;

pub use action::{Action, Permission};
pub use area::{Area, Place};
pub use audit::{AuditDetail, AuditEntry, AuditError, AuditLog, AuditReceipt, Charge, Outcome, Phase};
pub use caller::{Caller, Name, NameError, Role, UnclearName, check_organisation, skeleton};
pub use camera::{CameraPolicy, Hours, PooledCamera};
pub use case::{Authorisation, Case, CaseState, Closed, Ending, Proof};
pub use commitment::{Commitment, Matter, Sealed};
pub use decide::{Example, Examples, Granted, LeftOut, Reach, SearchRequest, decide, decide_keep_looking, decide_view};
pub use deletion::{Deletion, IdDigest, Probe};
pub use denial::{Code, Denial};
pub use event::{CaseEvent, CaseEventKind};
pub use gate::{Begun, Gate, GateError, Searching};
pub use grant::{Grant, GrantError, GrantSignature, PublicKey, SigningKey, sign_grant, signing_key_from_pem, verify_grant};
pub use hold::{Hold, HoldAct, HoldState};
pub use loss::{Loss, losses};
pub use mark::{MarkChange, Verdict, check_see_marks, check_set_marks};
pub use memory::MemoryLog;
pub use open::{check_open, check_quotas, may_see_case, may_watch_case};
pub use passkey::{Assertion, Passkey, challenge};
pub use permit::CasePermit;
pub use policy::{AuthoriserKey, Limits, Policy};
pub use preview::{Magnitude, Preview, decide_preview};
pub use purpose::Purpose;
pub use retention::{Retention, Schedule};
pub use scope::{Budgets, Scope};
pub use seen::Seen;
pub use undecided::Undecided;
