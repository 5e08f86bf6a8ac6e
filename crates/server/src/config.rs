//! `sightline.toml`: read strictly, then validated into [`Config`].

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use access::{
    Policy, Purpose, Retention,
    log::{KeyKind, NoteKey},
};
use catalogue::{PlaceFault, PostgresUrl, S3Place};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

mod error;
mod index_server;
mod keys;
mod limits;
mod notify;
mod places;

pub(crate) use self::keys::Keys;
use self::limits::Bad;
pub use self::{error::ConfigError, keys::TEMPLATE};

pub use self::limits::CallerLimits;
pub use index_server::{ApiKeyError, IndexServer};
pub use notify::NotifyConfig;

/// Characters of a link that the page shows.
const LONGEST_LINK: usize = 1000;

/// What the server goes by. Only [`Config::load`] and [`Config::parse`] make it, so its values are in range.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The address and port that calls come to, over TLS.
    pub listen: SocketAddr,
    /// A port for load balancers that answers `grpc.health.v1` alone, without TLS; loopback only.
    pub health_listen: Option<SocketAddr>,
    /// A port that Prometheus asks; loopback only.
    pub metrics_listen: Option<SocketAddr>,
    /// Where spans go: an OTLP collector's gRPC address.
    pub traces_otlp: Option<String>,
    /// Bytes of a request at most.
    pub max_request_bytes: usize,
    /// Connections at once at most.
    pub max_connections: usize,
    /// Connections at once at most from one address.
    pub max_connections_per_address: usize,
    /// Calls at once of one connection at most.
    pub max_streams: u32,
    /// How long a call may take, streams apart.
    pub request_timeout: Duration,
    /// How long calls may go on after the server was told to stop.
    pub shutdown: Duration,
    /// What is logged; `None`: as the environment says.
    pub log_filter: Option<String>,
    /// Relative to the home folder unless absolute.
    pub data: PathBuf,
    /// How often the index is written to disk.
    pub index_flush: Duration,
    /// `None`: a file in the data folder.
    pub database: Option<DatabaseConfig>,
    /// `None`: a folder in the data folder.
    pub crops: Option<CropsConfig>,
    /// `None`: the index is in this process.
    pub index_server: Option<IndexServer>,
    /// The log of the audit record.
    pub log: LogConfig,
    /// Whether the server's own port serves the console's page.
    pub console: bool,
    /// Where the deployment's dashboards are, for the console's link to them.
    pub grafana: Option<String>,
    /// Who is told what happens to cases, besides those who watch.
    pub notify: Option<NotifyConfig>,
    /// Footage jobs that run at once.
    pub workers: usize,
    /// About how long the parts are in which long footage is looked at.
    pub segment_seconds: u32,
    /// Footage jobs that may wait.
    pub max_queued: u32,
    /// The folder beneath which an agency's footage lies.
    pub footage_roots: std::collections::BTreeMap<types::AgencyId, PathBuf>,
    /// Frames a second that are looked at in footage.
    pub sample_fps: f64,
    /// Looks at live cameras at once.
    pub live_workers: usize,
    /// Frames a second that are looked at of a live camera.
    pub live_sample_fps: f64,
    /// How long a connected camera may be silent, and how long it may show no picture.
    pub live_patience: pipeline::Patience,
    /// Where cameras may be.
    pub live_networks: media::Networks,
    /// Whether decoders give up their rights.
    pub sandbox: bool,
    /// Of a worker: how much may wait on its disk.
    pub spool_bytes: u64,
    /// Of a worker: cameras at once.
    pub max_cameras: u32,
    /// `None`: the user's cache folder.
    pub model_cache: Option<PathBuf>,
    /// Name of the detector in the manifest. `None`: the manifest's default.
    pub detector: Option<String>,
    /// Name of the face finder in the manifest. `None`: the manifest's default.
    pub face_finder: Option<String>,
    /// Name of the backbone of appearance in the manifest. `None`: the manifest's default.
    pub embedder: Option<String>,
    /// File of the learned step of appearance. `None`: the one built in.
    pub appearance: Option<PathBuf>,
    /// Score from which on a detection counts, 0.05 to 0.95. `None`: the detector's own.
    pub detector_threshold: Option<f32>,
    /// Where the detector runs.
    pub device: vision::Device,
    /// How much one caller may ask.
    pub callers: CallerLimits,
    /// How long sightings live.
    pub retention: Retention,
    /// How often it is looked for what is due.
    pub retention_sweep: Duration,
    /// A clock that went on by more than this since it was last looked at is not believed: nothing is deleted by it.
    pub clock_leap: Duration,
    /// What cases may be, whatever their grants say; the authorisers' keys come with the home folder.
    pub policy: Policy,
    /// Every key with its value, to see which of them another configuration changes.
    pub(crate) keys: Keys,
}

/// A PostgreSQL database for the catalogue.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    pub url: PostgresUrl,
    /// A file with the password, relative to the home folder unless absolute; `None`: the URL's own, or none.
    pub password: Option<PathBuf>,
}

/// Where the crops lie, if not in the data folder.
#[derive(Debug, Clone)]
pub enum CropsConfig {
    Folder(PathBuf),
    Bucket {
        place: S3Place,
        /// A file, relative to the home folder unless absolute; `None`: the environment.
        credentials: Option<PathBuf>,
    },
}

/// How the log is kept and who watches it.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Relative to the home folder unless absolute; empty: beside it.
    pub high_water: PathBuf,
    /// Who is asked to sign the log's head.
    pub witnesses: Vec<WitnessConfig>,
    /// How many of the witnesses must have signed.
    pub quorum: usize,
    /// How long they may be missing before no sighting is read.
    pub grace: Duration,
}

/// Somebody who is asked to cosign.
#[derive(Debug, Clone)]
pub struct WitnessConfig {
    /// The witness's public key.
    pub key: NoteKey,
    /// Where it is asked.
    pub url: String,
}

/// What is wrong with the configuration: the file, the key and the fix.

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Document {
    server: Server,
    health: Health,
    metrics: Metrics,
    traces: Traces,
    storage: Storage,
    database: Database,
    crops: Crops,
    index: index_server::IndexKeys,
    log: Log,
    notify: notify::NotifyKeys,
    jobs: Jobs,
    footage: Footage,
    live: Live,
    media: Media,
    ingest: Ingest,
    models: Models,
    console: Console,
    callers: limits::CallerKeys,
    retention: limits::RetentionKeys,
    cases: limits::CaseKeys,
    missing_person: limits::PurposeKeys,
    serious_incident: limits::PurposeKeys,
    disaster: limits::PurposeKeys,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Server {
    listen: String,
    max_request_bytes: i64,
    max_connections: i64,
    max_connections_per_address: i64,
    max_streams: i64,
    request_timeout_seconds: i64,
    shutdown_seconds: i64,
    log: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Health {
    listen: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Console {
    serve: bool,
    grafana: String,
}

impl Console {
    /// The page shows it as a link, so it is an address of the web and nothing else, and gives no password away.
    fn grafana(&self, bad: &impl Bad) -> Result<Option<String>, ConfigError> {
        if self.grafana.is_empty() {
            return Ok(None);
        }
        let uri = self.grafana.parse::<hyper::Uri>().ok().filter(|uri| {
            let plain = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
            let web = matches!(uri.scheme_str(), Some("https" | "http"));
            plain && web && uri.host().is_some_and(|h| !h.is_empty()) && self.grafana.len() <= LONGEST_LINK
        });
        let fault = "is not an http:// or https:// address, without a user, such as https://grafana.example/d/sightline";
        uri.map(|_| Some(self.grafana.clone())).ok_or_else(|| bad("console.grafana", "…".to_owned(), fault))
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Metrics {
    listen: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Traces {
    otlp: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Storage {
    data: PathBuf,
    index_flush_seconds: i64,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Database {
    url: String,
    password: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Crops {
    url: String,
    endpoint: String,
    region: String,
    credentials: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Log {
    high_water: PathBuf,
    witnesses: Vec<WitnessTable>,
    quorum: i64,
    grace_seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WitnessTable {
    key: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Jobs {
    workers: i64,
    segment_seconds: i64,
    max_queued: i64,
    sample_fps: f64,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Footage {
    roots: std::collections::BTreeMap<String, PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Live {
    workers: i64,
    sample_fps: f64,
    silence_seconds: i64,
    picture_seconds: i64,
    networks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Media {
    sandbox: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Ingest {
    spool_mib: i64,
    max_cameras: i64,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Models {
    cache: String,
    detector: String,
    face_finder: String,
    embedder: String,
    appearance: PathBuf,
    detector_threshold: f32,
    device: String,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7443".to_owned(),
            max_request_bytes: 1 << 20,
            max_connections: 256,
            max_connections_per_address: 128,
            max_streams: 64,
            request_timeout_seconds: 600,
            shutdown_seconds: 8,
            log: String::new(),
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { data: "data".into(), index_flush_seconds: 5 }
    }
}

impl Default for Crops {
    fn default() -> Self {
        Self { url: String::new(), endpoint: String::new(), region: "us-east-1".to_owned(), credentials: PathBuf::new() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { high_water: PathBuf::new(), witnesses: Vec::new(), quorum: 0, grace_seconds: 600 }
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self { workers: 0, segment_seconds: 300, max_queued: 10_000, sample_fps: 5.0 }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self { workers: 0, sample_fps: 5.0, silence_seconds: 20, picture_seconds: 60, networks: Vec::new() }
    }
}

impl Default for Media {
    fn default() -> Self {
        Self { sandbox: "on".to_owned() }
    }
}

impl Default for Ingest {
    fn default() -> Self {
        Self { spool_mib: 1024, max_cameras: 0 }
    }
}

impl Config {
    /// Reads and checks a configuration, a TOML document.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        Self::parse(&text, file)
    }

    /// `file` is for messages only.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let parse = |source| ConfigError::Parse { file: file.to_owned(), source: Box::new(source) };
        let config = toml::from_str::<Document>(text).map_err(parse)?.build_and_validate(file)?;
        let parse = |source| ConfigError::Parse { file: file.to_owned(), source: Box::new(source) };
        Ok(Config { keys: Keys::of(text).map_err(parse)?, ..config })
    }
}

impl Document {
    fn build_and_validate(self, file: &Path) -> Result<Config, ConfigError> {
        let bad = |key, value: String, fault| ConfigError::Value { file: file.to_owned(), key, value, fault };
        let address = |key, text: &str| {
            text.parse::<SocketAddr>()
                .map_err(|_| bad(key, format!("{text:?}"), "is not an address and port such as 127.0.0.1:7443"))
        };
        let whole = |key, value: i64, range: std::ops::RangeInclusive<i64>, fault| {
            if range.contains(&value) { Ok(value as u64) } else { Err(bad(key, value.to_string(), fault)) }
        };
        let name = |text: String| (!text.is_empty()).then_some(text);

        let health_listen = match self.health.listen.as_str() {
            "" => None,
            text => Some(address("health.listen", text)?),
        };
        if health_listen.is_some_and(|a| !a.ip().is_loopback()) {
            let fault = "is not a loopback address; health without TLS may not be reachable from other machines";
            return Err(bad("health.listen", format!("{:?}", self.health.listen), fault));
        }
        let metrics_listen = match self.metrics.listen.as_str() {
            "" => None,
            text => Some(address("metrics.listen", text)?),
        };
        if metrics_listen.is_some_and(|a| !a.ip().is_loopback()) {
            let fault = "is not a loopback address; metrics without TLS may not be reachable from other machines";
            return Err(bad("metrics.listen", format!("{:?}", self.metrics.listen), fault));
        }
        let traces_otlp = name(self.traces.otlp);
        if let Some(url) = traces_otlp.as_ref().filter(|url| !url.starts_with("http://")) {
            return Err(bad("traces.otlp", format!("{url:?}"), "is not an address such as http://127.0.0.1:4317"));
        }
        for (key, fps) in [("jobs.sample_fps", self.jobs.sample_fps), ("live.sample_fps", self.live.sample_fps)] {
            if !(0.1..=60.0).contains(&fps) {
                return Err(bad(key, fps.to_string(), "is not between 0.1 and 60"));
            }
        }
        let threshold = self.models.detector_threshold;
        if threshold != 0.0 && !(0.05..=0.95).contains(&threshold) {
            return Err(bad(
                "models.detector_threshold",
                threshold.to_string(),
                "is not between 0.05 and 0.95 (or 0, the model's own)",
            ));
        }
        let device = match self.models.device.as_str() {
            "" => vision::Device::Cpu,
            text => text.parse().map_err(|_| bad("models.device", format!("{text:?}"), "is not cpu, cuda or cuda:NUMBER"))?,
        };
        let log = self.log.build_and_validate(file)?;
        let log_filter = name(self.server.log);
        if let Some(filter) = log_filter.as_ref().filter(|filter| EnvFilter::try_new(filter).is_err()) {
            return Err(bad("server.log", format!("{filter:?}"), "is not a filter such as info or error,server=debug"));
        }
        let database = self.database.validate(&bad)?;
        let crops = self.crops.validate(&bad)?;
        if database.is_some() && crops.is_none() {
            let fault = "is empty; a database that servers share needs crops that all of them see: s3://bucket/prefix or file:///srv/crops";
            return Err(bad("crops.url", "\"\"".to_owned(), fault));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = |key, value| {
            let asked = whole(key, value, 0..=256, "is not between 0 (half the cores) and 256")? as usize;
            Ok::<_, ConfigError>(if asked == 0 { (cores / 2).max(1) } else { asked })
        };
        let seconds = |key, value, range| whole(key, value, range, "is out of range, in seconds").map(Duration::from_secs);
        Ok(Config {
            listen: address("server.listen", &self.server.listen)?,
            health_listen,
            metrics_listen,
            traces_otlp,
            max_request_bytes: whole(
                "server.max_request_bytes",
                self.server.max_request_bytes,
                4096..=64 << 20,
                "is not between 4096 and 64 MiB",
            )? as usize,
            max_connections: whole(
                "server.max_connections",
                self.server.max_connections,
                1..=100_000,
                "is not between 1 and 100000",
            )? as usize,
            max_connections_per_address: whole(
                "server.max_connections_per_address",
                self.server.max_connections_per_address,
                1..=100_000,
                "is not between 1 and 100000",
            )? as usize,
            max_streams: whole("server.max_streams", self.server.max_streams, 1..=10_000, "is not between 1 and 10000")? as u32,
            request_timeout: seconds("server.request_timeout_seconds", self.server.request_timeout_seconds, 1..=86_400)?,
            shutdown: seconds("server.shutdown_seconds", self.server.shutdown_seconds, 1..=300)?,
            log_filter,
            data: self.storage.data,
            index_flush: seconds("storage.index_flush_seconds", self.storage.index_flush_seconds, 1..=3600)?,
            database,
            crops,
            index_server: self.index.validate(&bad)?,
            log,
            grafana: self.console.grafana(&bad)?,
            console: self.console.serve,
            notify: self.notify.validate(&bad)?,
            workers: workers("jobs.workers", self.jobs.workers)?,
            segment_seconds: whole("jobs.segment_seconds", self.jobs.segment_seconds, 20..=3600, "is not between 20 and 3600")?
                as u32,
            max_queued: whole("jobs.max_queued", self.jobs.max_queued, 1..=1_000_000, "is not between 1 and 1000000")? as u32,
            footage_roots: self.footage.validate(&bad)?,
            sample_fps: self.jobs.sample_fps,
            live_workers: workers("live.workers", self.live.workers)?,
            live_sample_fps: self.live.sample_fps,
            live_patience: self.live.patience(&bad)?,
            live_networks: self.live.networks(&bad)?,
            sandbox: match self.media.sandbox.as_str() {
                "on" => true,
                "off" => false,
                other => return Err(bad("media.sandbox", format!("{other:?}"), "is neither \"on\" nor \"off\"")),
            },
            spool_bytes: whole("ingest.spool_mib", self.ingest.spool_mib, 1..=1 << 20, "is not between 1 and 1048576")? << 20,
            max_cameras: match whole("ingest.max_cameras", self.ingest.max_cameras, 0..=100_000, "is not between 0 and 100000")? {
                0 => u32::MAX,
                most => most as u32,
            },
            model_cache: name(self.models.cache).map(PathBuf::from),
            detector: name(self.models.detector),
            face_finder: name(self.models.face_finder),
            embedder: name(self.models.embedder),
            appearance: (!self.models.appearance.as_os_str().is_empty()).then_some(self.models.appearance),
            detector_threshold: (threshold != 0.0).then_some(threshold),
            device,
            callers: self.callers.validate(&bad)?,
            retention: self.retention.validate(&bad)?,
            retention_sweep: self.retention.sweep(&bad)?,
            clock_leap: self.retention.clock_leap(&bad)?,
            policy: Policy {
                same_organisation: self.cases.same_organisation,
                emergency: self.cases.emergency(&bad)?,
                emergencies_a_day: self.cases.emergencies_a_day(&bad)?,
                waiting_cases: self.cases.waiting_cases(&bad)?,
                missing_person: self.missing_person.validate(Purpose::MissingPerson, &bad)?,
                serious_incident: self.serious_incident.validate(Purpose::SeriousIncident, &bad)?,
                disaster: self.disaster.validate(Purpose::Disaster, &bad)?,
                authoriser_keys: None,
                passkeys: self.cases.passkeys(&bad)?,
                authoriser_passkeys: None,
            },
            keys: Keys::default(),
        })
    }
}

impl Footage {
    fn validate(self, bad: &impl Bad) -> Result<std::collections::BTreeMap<types::AgencyId, PathBuf>, ConfigError> {
        let root = |(agency, root): (String, PathBuf)| {
            let fault = "is not AGENCY = \"/whole/path\"";
            match types::AgencyId::new(&agency) {
                Ok(id) if root.is_absolute() => Ok((id, root)),
                _ => Err(bad("footage.roots", format!("{agency} = {:?}", root.display().to_string()), fault)),
            }
        };
        self.roots.into_iter().map(root).collect()
    }
}

impl Live {
    fn patience(&self, bad: &impl Bad) -> Result<pipeline::Patience, ConfigError> {
        let seconds = |key, seconds: i64| match u64::try_from(seconds) {
            Ok(seconds @ 5..=600) => Ok(Duration::from_secs(seconds)),
            _ => Err(bad(key, seconds.to_string(), "is not between 5 and 600")),
        };
        Ok(pipeline::Patience {
            silent: seconds("live.silence_seconds", self.silence_seconds)?,
            picture: seconds("live.picture_seconds", self.picture_seconds)?,
            ..pipeline::Patience::default()
        })
    }

    fn networks(&self, bad: &impl Bad) -> Result<media::Networks, ConfigError> {
        let network = |text: &String| {
            let fault = "is not a network such as 192.168.7.0/24 or fd00:7::/64";
            text.parse::<media::Network>().map_err(|_| bad("live.networks", format!("{text:?}"), fault))
        };
        Ok(media::Networks::new(self.networks.iter().map(network).collect::<Result<Vec<_>, _>>()?))
    }
}

impl Database {
    fn validate(self, bad: &impl Bad) -> Result<Option<DatabaseConfig>, ConfigError> {
        if self.url.is_empty() {
            return Ok(None);
        }
        // It may hold a password: it is not repeated.
        let url = PostgresUrl::parse(&self.url)
            .map_err(|_| bad("database.url", "…".to_owned(), "is not a URL such as postgres://sightline@db.example/sightline"))?;
        if url.is_clear() {
            let fault = "has no sslmode=verify-full (or verify-ca, or require); without TLS nothing of it may leave this machine";
            return Err(bad("database.url", "…".to_owned(), fault));
        }
        let password = (!self.password.as_os_str().is_empty()).then_some(self.password);
        Ok(Some(DatabaseConfig { url, password }))
    }
}

impl Crops {
    fn validate(self, bad: &impl Bad) -> Result<Option<CropsConfig>, ConfigError> {
        if self.url.is_empty() {
            return Ok(None);
        }
        if let Some(folder) = self.url.strip_prefix("file://") {
            let folder = PathBuf::from(folder);
            let fault = "is not a whole path, such as file:///srv/crops";
            return if folder.is_absolute() {
                Ok(Some(CropsConfig::Folder(folder)))
            } else {
                Err(bad("crops.url", format!("{:?}", self.url), fault))
            };
        }
        if self.region.is_empty() {
            return Err(bad("crops.region", "\"\"".to_owned(), "is no region; \"us-east-1\" where the server has none"));
        }
        // An endpoint may hold a password by mistake: it is not repeated.
        let hidden = || "…".to_owned();
        let place = S3Place::parse(&self.url, &self.endpoint, &self.region).map_err(|fault| match fault {
            PlaceFault::Url => bad(
                "crops.url",
                format!("{:?}", self.url),
                "is not a bucket such as s3://bucket/prefix, nor a folder such as file:///srv/crops",
            ),
            PlaceFault::Endpoint => bad("crops.endpoint", hidden(), "is not an address such as https://s3.example:9000"),
            PlaceFault::Clear => bad("crops.endpoint", hidden(), "is not https; without TLS crops may not leave this machine"),
        })?;
        let credentials = (!self.credentials.as_os_str().is_empty()).then_some(self.credentials);
        Ok(Some(CropsConfig::Bucket { place, credentials }))
    }
}

impl Log {
    fn build_and_validate(self, file: &Path) -> Result<LogConfig, ConfigError> {
        let bad = |key, value: String, fault| ConfigError::Value { file: file.to_owned(), key, value, fault };
        let mut witnesses: Vec<WitnessConfig> = Vec::new();
        for WitnessTable { key, url } in self.witnesses {
            let Some(read) = key.parse::<NoteKey>().ok().filter(|k| k.kind() == KeyKind::Witness) else {
                return Err(bad(
                    "log.witnesses.key",
                    format!("{key:?}"),
                    "is not a witness's key, name+id+key as `sightline witness` prints it",
                ));
            };
            if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
                return Err(bad("log.witnesses.url", format!("{url:?}"), "is not an address such as https://witness.example"));
            }
            if witnesses.iter().any(|w| w.key.bytes() == read.bytes()) {
                return Err(bad("log.witnesses.key", format!("{key:?}"), "is there twice; one witness counts once"));
            }
            witnesses.push(WitnessConfig { key: read, url });
        }
        let quorum = usize::try_from(self.quorum).ok().filter(|q| *q <= witnesses.len());
        let quorum =
            quorum.ok_or_else(|| bad("log.quorum", self.quorum.to_string(), "is not between 0 and the number of witnesses"))?;
        if !(1..=86_400).contains(&self.grace_seconds) {
            return Err(bad("log.grace_seconds", self.grace_seconds.to_string(), "is not between 1 and 86400"));
        }
        let grace = Duration::from_secs(self.grace_seconds.unsigned_abs());
        Ok(LogConfig { high_water: self.high_water, witnesses, quorum, grace })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = Config::parse(text, Path::new("sightline.toml")).unwrap_err();
        let source = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
        format!("{error}{source}")
    }

    #[test]
    fn the_generated_file_says_what_an_empty_one_means() {
        let file = Path::new("sightline.toml");
        let generated = format!("{:?}", Config::parse(TEMPLATE, file).unwrap());
        assert_eq!(generated, format!("{:?}", Config::parse("", file).unwrap()));
    }

    #[test]
    fn the_generated_file_documents_every_key() {
        let value: toml::Table = TEMPLATE.parse().unwrap();
        let keys: Vec<_> =
            value.iter().flat_map(|(t, v)| v.as_table().unwrap().keys().map(move |k| format!("{t}.{k}"))).collect();
        assert_eq!(keys.len(), 86, "{keys:?}");
        for line in TEMPLATE.lines().collect::<Vec<_>>().windows(2).filter(|w| w[1].contains(" = ") && !w[1].starts_with('#')) {
            assert!(line[0].starts_with('#'), "no comment above: {}", line[1]);
        }
    }

    #[test]
    fn what_containers_are_given_is_taken() {
        for text in [include_str!("../../../deploy/sightline.toml"), include_str!("../../../deploy/city/server.toml")] {
            Config::parse(text, Path::new("sightline.toml")).unwrap();
        }
    }

    #[test]
    fn a_bad_value_is_answered_with_file_key_and_range() {
        assert_eq!(error("[jobs]\nsample_fps = 0"), "sightline.toml: jobs.sample_fps = 0 is not between 0.1 and 60");
        assert!(error("[footage]\nroots = { a = \"b\" }").contains("footage.roots = a = \"b\" is not AGENCY = "));
        assert_eq!(error("[media]\nsandbox = \"no\""), "sightline.toml: media.sandbox = \"no\" is neither \"on\" nor \"off\"");
        let network = error("[live]\nnetworks = [\"10.0.0.0/8\", \"10.1.2.3/8\"]");
        assert!(network.contains("live.networks = \"10.1.2.3/8\" is not a network such as"), "{network}");
        assert!(error("[jobs]\nworkers = -1").contains("jobs.workers = -1 is not between 0"));
        assert!(error("[server]\nlog = \"server=loud\"").contains("server.log = \"server=loud\" is not a filter such as"));
        assert!(error("[server]\nlisten = \"here\"").contains("server.listen = \"here\" is not an address"));
        assert!(error("[health]\nlisten = \"0.0.0.0:80\"").contains("not a loopback address"));
        assert!(error("[metrics]\nlisten = \"0.0.0.0:80\"").contains("not a loopback address"));
        assert!(error("[traces]\notlp = \"collector\"").contains("is not an address such as http://127.0.0.1:4317"));
        assert!(error("[log]\nquorum = 1").contains("log.quorum = 1 is not between 0 and the number of witnesses"));
        let witness = "[[log.witnesses]]\nkey = \"sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8\"\nurl = \"http://w\"";
        assert!(error(witness).contains("is not a witness's key"));
        assert!(error("[missing_person]\nwindow_hours = 0").contains("missing_person.window_hours = 0 is not between 1 and 720"));
        assert!(error("[callers]\nburst = 0").contains("callers.burst = 0 is not between 1 and"));
        assert!(error("[database]\nurl = \"postgres://localhost/x\"").contains("crops.url = \"\" is empty; a database that"));
        assert!(error("[crops]\nurl = \"file://crops\"").contains("is not a whole path"));
        assert!(error("[database]\nurl = \"postgres://u:s3cret@db/x\"").contains("database.url = … has no sslmode=verify-full"));
        let database = error("[database]\nurl = \"mysql://u:s3cret@db\"");
        assert!(database.contains("database.url = … is not a URL such as") && !database.contains("s3cret"), "{database}");
        assert!(error("[crops]\nurl = \"bucket\"").contains("crops.url = \"bucket\" is not a bucket such as s3://"));
        let clear = error("[crops]\nurl = \"s3://bucket\"\nendpoint = \"http://u:s3cret@s3.example\"");
        assert!(clear.contains("crops.endpoint = … is not") && !clear.contains("s3cret"), "{clear}");
        assert!(error("[index]\nurl = \"qdrant:6334\"").contains("is not an address such as http://127.0.0.1:6334"));
        let told = error("[index]\nurl = \"http://me:secret@qdrant\"");
        assert!(told.contains("is not an address such as http://127.0.0.1:6334") && !told.contains("secret"), "{told}");
        assert!(error("[index]\nname = \"a-b\"").contains("index.name = \"a-b\" is not 1 to 32 small letters and digits"));
        assert!(error("[index]\nwrite_consistency = 2").contains("index.write_consistency = 2 is not between 1 and"));
        let hook = error("[notify]\nurl = \"http://hooks.example/s3cret\"");
        assert!(hook.contains("notify.url = … is not") && !hook.contains("s3cret"), "{hook}");
        for link in ["javascript:alert(1)", "ftp://grafana.example", "//grafana.example", "https://me:s3cret@grafana.example"] {
            let grafana = error(&format!("[console]\ngrafana = \"{link}\""));
            assert!(grafana.contains("console.grafana = … is not an http") && !grafana.contains("s3cret"), "{grafana}");
        }
        assert!(error("[notify]\nca_file = \"ca.pem\"").contains("notify.ca_file"));
        assert!(error("[models]\ndevice = \"gpu\"").contains("models.device = \"gpu\" is not cpu, cuda or cuda:NUMBER"));
        assert!(error("[server]\nlisen = \"x\"").contains("unknown field `lisen`"));
    }
}
