use std::{fmt, path::PathBuf};

use hyper::Uri;
use serde::Deserialize;

use super::{error::ConfigError, limits::Bad};

/// Who is told what happens to cases.
#[derive(Clone)]
pub struct NotifyConfig {
    /// May hold a secret in its path: it is shown nowhere.
    pub uri: Uri,
    /// Relative to the home folder unless absolute; `None`: the public authorities.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for NotifyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifyConfig").field("host", &self.uri.host()).field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NotifyKeys {
    url: String,
    ca_file: PathBuf,
}

impl NotifyKeys {
    pub(super) fn validate(self, bad: &impl Bad) -> Result<Option<NotifyConfig>, ConfigError> {
        let ca_file = (!self.ca_file.as_os_str().is_empty()).then_some(self.ca_file);
        if self.url.is_empty() {
            return match ca_file {
                Some(file) => {
                    Err(bad("notify.ca_file", format!("{:?}", file.display().to_string()), "is of no use without notify.url"))
                }
                None => Ok(None),
            };
        }
        let uri = self.url.parse::<Uri>().ok().filter(|uri| {
            let plain = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
            plain && uri.scheme_str() == Some("https") && uri.host().is_some_and(|h| !h.is_empty())
        });
        match uri {
            Some(uri) => Ok(Some(NotifyConfig { uri, ca_file })),
            None => Err(bad(
                "notify.url",
                "…".to_owned(),
                "is not an https:// address, without a user, such as https://hooks.example/sightline",
            )),
        }
    }
}
