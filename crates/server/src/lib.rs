//! One deployment, running: configuration, identities, the gRPC service, footage jobs, and the order in which all of it
//! starts and stops.
//!
//! ```text
//! TLS 1.3 + client certificate ─▶ Peer (who) ─▶ services (messages) ─▶ access::Gate (may they? on the record) ─▶ search, catalogue
//! workers (a thread each, own models) ─▶ pipeline ─▶ catalogue ─▶ IndexFeed ─▶ index
//! ```
//!
//! What it refuses: a caller without a certificate of the deployment's own authority; any call whose begin is not durably
//! on the record; two processes on one home folder; a configuration key it does not know. It decides nothing about cases:
//! `access` does. It never reads an authoriser's private key, and no pixels but redacted crops leave it.

mod address_file;
mod app;
mod backup;
mod bounded;
mod callers;
mod clock;
mod config;
mod deployment;
mod doctor;
mod embed_again;
pub mod export;
mod feed;
mod feeder;
mod fleet;
mod footage_files;
mod grant_keys;
mod guard;
mod handed_out;
mod identities;
mod identity;
mod index_feed;
mod jobs;
mod known;
mod live;
mod lock;
pub mod log;
mod metrics;
mod migrate;
mod notify;
mod paging;
mod picture;
mod pki;
mod places;
mod probe;
mod purge;
mod record_health;
mod reindex;
mod reload;
mod restore;
mod retention;
mod serve;
pub mod service;
mod services;
mod status;
mod store;
mod supervise;
mod tls;
mod traces;
mod upgrade;

pub use backup::{Backup, BackupError, backup};
pub use bounded::{open_file, read_at_most};
pub use callers::CallerLimits;
pub use clock::Clock;
pub use config::{ApiKeyError, Config, ConfigError, IndexServer, LogConfig, NotifyConfig, TEMPLATE, WitnessConfig};
pub use deployment::{Deployment, DeploymentError, Home, InitOptions};
pub use doctor::{Finding, State, doctor};
pub use feed::FeedError;
pub use grant_keys::GrantKeyError;
pub use identities::{IssuedIdentity, NewIdentity, OfflineIdentities, issue, issue_to_service};
pub use lock::{HomeLock, LockError, check_mode};
pub use metrics::{MetricsError, WorkerMetrics};
pub use migrate::{MigrateError, Migrated, migrate};
pub use notify::HookError;
pub use pki::PkiError;
pub use probe::{TurnedAway, turned_away};
pub use reload::{ReloadError, Reloaded, reload};
pub use restore::{Again, RestoreError, RestoreOptions, Restored, restore};
pub use retention::RetentionCounts;
pub use serve::{ServeError, Server, health_services, serve, vision_options};
pub use store::{Store, StoreError, models};
pub use tls::TlsError;
pub use traces::{TraceError, Traces};
pub use upgrade::{Plan, UpgradeError, Upgraded, plan_upgrade, roll_back, upgrade};
