//! One deployment, running: configuration, identities, the gRPC service, footage jobs, and the order in which all of it
//! starts and stops.
//!
//! ```text
//! TLS 1.3 + client certificate ─▶ Peer (who) ─▶ services (messages) ─▶ access::Gate (may they? on the record) ─▶ search, catalogue
//! workers (a thread each, own models) ─▶ pipeline ─▶ catalogue ─▶ IndexSet ─▶ index
//! ```
//!
//! What it refuses: a caller without a certificate of the deployment's own authority; any call whose begin is not durably
//! on the record; two processes on one home folder; a configuration key it does not know. It decides nothing about cases:
//! `access` does. It never reads an authoriser's private key, and no pixels but redacted crops leave it.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod base;
mod config;
mod copies;
mod credentials;
mod edge;
mod janitor;
mod jobs;
mod lifecycle;
mod live;
mod notify;
mod query;
mod record;
mod recorders;
mod store;
mod telemetry;

pub use base::clock::Clock;
pub use config::{ApiKeyError, CallerLimits, Config, ConfigError, IndexServer, LogConfig, NotifyConfig, TEMPLATE, WitnessConfig};
pub use copies::backup::{Backup, BackupError, backup};
pub use copies::migrate::{MigrateError, Migrated, migrate};
pub use copies::restore::{Again, RestoreError, RestoreOptions, Restored, restore};
pub use copies::upgrade::{Plan, UpgradeError, Upgraded, plan_upgrade, roll_back, upgrade};
pub use credentials::log_key::{RotateLogKeyError, RotatedLogKey, rotate_log_key};
pub use credentials::offline::OfflineIdentities;
pub use edge::probe::{TurnedAway, turned_away};
pub use edge::tls::TlsError;
pub use indexer::SyncError;
pub use janitor::retention::RetentionCounts;
pub use lifecycle::doctor::{Finding, State, doctor};
pub use lifecycle::reload::{ReloadError, Reloaded, reload};
pub use lifecycle::serve::{ServeError, Server, health_services, serve, vision_options};
pub use lifecycle::service;
pub use notify::HookError;
pub use record::log::RecordFault;
pub use store::{CheckFinding, CheckReport, FindingKind, Rebuilt, Store, StoreError, models};
pub use telemetry::metrics::{MetricsError, WorkerMetrics};
pub use telemetry::traces::{TraceError, Traces};
