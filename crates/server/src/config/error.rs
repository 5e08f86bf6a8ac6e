use std::path::PathBuf;

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("read {}", file.display())]
    Read {
        /// The configuration's path.
        file: PathBuf,
        /// What the file system says.
        #[source]
        source: std::io::Error,
    },
    /// It is not TOML, or has a key that is not known.
    #[error("{} is not a valid configuration", file.display())]
    Parse {
        /// The configuration's path.
        file: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value is out of its range, or does not fit another.
    #[error("{}: {key} = {value} {fault}", file.display())]
    Value {
        /// The configuration's path.
        file: PathBuf,
        /// The key, with its table: `live.workers`.
        key: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it, as the end of a sentence.
        fault: &'static str,
    },
}

impl ConfigError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "make a deployment first: sightline init".to_owned()
            }
            Self::Read { .. } => "check that you may read it".to_owned(),
            Self::Parse { file, .. } | Self::Value { file, .. } => {
                format!("edit {}; every key has a default and may be left out", file.display())
            }
        }
    }
}
