//! Asks a camera what it is, what its clock says and where its streams are, by ONVIF. It only asks: what can be sent are the calls
//! of [`Call`], each of which reads, and the probe of WS-Discovery.
//!
//! ```text
//! discover ─ UDP 3702 ─▶ every camera here, or each address of a subnet
//! survey   ─ HTTP ─────▶ the host that was given, and nothing else ─▶ clock, device, profiles, the choice, its address
//! recorder ─ HTTP ─────▶ the same ─▶ clock, device, recordings; coverage: the gaps in one; replay_address: where it is played
//! ```
//!
//! The host is always the one that was given: of an address that a camera answers, path and port are taken, never the host. There
//! is no client that could follow a redirect. An answer is bounded in size, depth and time, and has no DTD and no entities. The
//! password itself is sent over TLS alone; otherwise a digest of it.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod address;
mod call;
mod choice;
mod discover;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod password;
mod profile;
mod recorder;
mod session;
mod soap;
mod survey;
mod xml;

pub use address::{BadHost, DeviceHost};
pub use call::Call;
pub use choice::{Choice, NoChoice, choose};
pub use discover::{BadSubnet, Found, Probing, Subnet, discover};
pub use error::{Cure, OnvifError};
pub use password::Password;
pub use profile::{Codec, Profile};
pub use recorder::{Coverage, Recorder, Recording, coverage, recorder, replay_address};
pub use survey::{Clock, Information, Survey, Surveying, survey};
