use std::{fmt, time::Duration};

/// How to reach a Qdrant server, and what is asked of it.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// `http://host:6334`, or `https://` for TLS by the machine's authorities.
    pub url: String,
    /// Shown with every call; `None`: the server asks for none.
    pub api_key: Option<ApiKey>,
    /// What the names of this deployment's collections begin with; no `-` in it.
    pub name: String,
    /// Copies of each day.
    pub replication: u32,
    /// How many of them must have a change before it counts as made.
    pub write_consistency: u32,
    /// How long a call may take, tries and pauses included; four times as long where shards and collections come and go.
    pub timeout: Duration,
    /// Compare every vector that the filter lets through; else the graph and int8 vectors choose candidates.
    pub exact: bool,
    /// How long the server is left alone after it failed several times in a row.
    pub rest: Duration,
}

impl ServerSettings {
    /// The usual [`Self::rest`].
    pub const REST: Duration = Duration::from_secs(5);
}

/// Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// `None` where no header can carry it: empty, or with other than printable ASCII in it.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}
