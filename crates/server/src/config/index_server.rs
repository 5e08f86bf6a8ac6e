//! The section about a server that holds the index.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use index::{ApiKey, ServerSettings};
use serde::Deserialize;

use super::{error::ConfigError, limits::Bad};

/// A Qdrant server and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexServer {
    /// The server's gRPC address.
    pub url: String,
    /// The name of the index there, shared by the servers of a cluster.
    pub name: String,
    /// Relative to the home folder unless absolute.
    pub api_key_file: Option<PathBuf>,
    /// Copies that are kept of a day.
    pub replication: u32,
    /// Copies that must have taken a change before it counts as taken.
    pub write_consistency: u32,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Whether it compares every vector, so that nothing that matches is missed.
    pub exact: bool,
}

/// The key can't be shown to the server.
#[derive(Debug, thiserror::Error)]
#[error("read the index server's key from {}", file.display())]
pub struct ApiKeyError {
    /// The key's path.
    pub file: PathBuf,
    #[source]
    source: std::io::Error,
}

impl IndexServer {
    /// With the key that its file holds now.
    pub(crate) fn settings(&self, home: &Path) -> Result<ServerSettings, ApiKeyError> {
        let read = |file: &PathBuf| {
            let file = home.join(file);
            let key = std::fs::read_to_string(&file).and_then(|text| {
                let unusable = || std::io::Error::other("there is no key in it: one line of printable characters");
                ApiKey::new(text.trim()).ok_or_else(unusable)
            });
            key.map_err(|source| ApiKeyError { file, source })
        };
        Ok(ServerSettings {
            url: self.url.clone(),
            api_key: self.api_key_file.as_ref().map(read).transpose()?,
            name: self.name.clone(),
            replication: self.replication,
            write_consistency: self.write_consistency,
            timeout: self.timeout,
            exact: self.exact,
            rest: ServerSettings::REST,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IndexKeys {
    url: String,
    name: String,
    api_key_file: PathBuf,
    replication: i64,
    write_consistency: i64,
    timeout_ms: i64,
    exact: bool,
}

impl Default for IndexKeys {
    fn default() -> Self {
        Self {
            url: String::new(),
            name: "sightline".to_owned(),
            api_key_file: PathBuf::new(),
            replication: 1,
            write_consistency: 1,
            timeout_ms: 10_000,
            exact: true,
        }
    }
}

impl IndexKeys {
    pub(super) fn validate(self, bad: &impl Bad) -> Result<Option<IndexServer>, ConfigError> {
        let whole = |key, value: i64, range: std::ops::RangeInclusive<i64>, fault| match u32::try_from(value) {
            Ok(number) if range.contains(&value) => Ok(number),
            _ => Err(bad(key, value.to_string(), fault)),
        };
        let replication = whole("index.replication", self.replication, 1..=16, "is not between 1 and 16")?;
        let most = i64::from(replication);
        let fault = "is not between 1 and index.replication";
        let write_consistency = whole("index.write_consistency", self.write_consistency, 1..=most, fault)?;
        let timeout = whole("index.timeout_ms", self.timeout_ms, 100..=600_000, "is not between 100 and 600000")?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if self.name.is_empty() || self.name.len() > 32 || !self.name.chars().all(plain) {
            return Err(bad("index.name", format!("{:?}", self.name), "is not 1 to 32 small letters and digits"));
        }
        if self.url.is_empty() {
            return Ok(None);
        }
        // A password would show wherever the address does; the key has a file of its own.
        let rest = self.url.strip_prefix("http://").or_else(|| self.url.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['@', '?', '#']) || rest.contains(char::is_whitespace)) {
            let shown = if self.url.contains('@') { "(with a password)".to_owned() } else { format!("{:?}", self.url) };
            return Err(bad("index.url", shown, "is not an address such as http://127.0.0.1:6334"));
        }
        Ok(Some(IndexServer {
            url: self.url,
            name: self.name,
            api_key_file: (!self.api_key_file.as_os_str().is_empty()).then_some(self.api_key_file),
            replication,
            write_consistency,
            timeout: Duration::from_millis(u64::from(timeout)),
            exact: self.exact,
        }))
    }
}
