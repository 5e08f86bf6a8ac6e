use std::path::PathBuf;

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("read {}", file.display())]
    Read {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not a valid configuration", file.display())]
    Parse {
        file: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("{}: {key} = {value} {fault}", file.display())]
    Value { file: PathBuf, key: &'static str, value: String, fault: &'static str },
}

impl ConfigError {
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
