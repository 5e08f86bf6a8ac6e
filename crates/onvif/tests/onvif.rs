//! Against devices: one of our own that has every fault that users of other systems report, and those of others where they are.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "onvif/device.rs"]
mod device;
#[path = "onvif/found.rs"]
mod found;
#[path = "onvif/partner.rs"]
mod partner;
#[path = "onvif/partners.rs"]
mod partners;
#[path = "onvif/quirks.rs"]
mod quirks;
#[path = "onvif/recorders.rs"]
mod recorders;
