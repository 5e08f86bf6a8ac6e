//! Users and passwords of recorders: a file each that only the server's account can read. Never in a catalogue, never told.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use media::Pin;
use onvif::Password;
use types::RecorderId;

const SUFFIX: &str = ".login";

/// What a recorder is shown. Printed as dots.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    /// Empty: nothing is shown.
    pub(crate) user: String,
    pub(crate) secret: String,
    /// The TLS certificate that it has, whoever made it.
    pub(crate) trust: Option<Pin>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(..)")
    }
}

impl Shown {
    pub(crate) fn password(&self) -> Option<Password> {
        (!self.user.is_empty()).then(|| Password { user: self.user.clone(), password: self.secret.clone() })
    }

    /// A line each; none of them can hold the end of one.
    pub(crate) fn can_be_kept(&self) -> bool {
        !self.user.chars().chain(self.secret.chars()).any(char::is_control)
    }

    fn written(&self) -> String {
        let trust = self.trust.map_or_else(String::new, |pin| pin.to_string());
        format!("{}\n{}\n{trust}\n", self.user, self.secret)
    }

    fn read(text: &str) -> io::Result<Self> {
        let mut lines = text.split('\n');
        let mut line = || lines.next().unwrap_or_default().to_owned();
        let (user, secret, trust) = (line(), line(), line());
        let bad = |_| io::Error::new(io::ErrorKind::InvalidData, "its third line is no digest of a certificate");
        let trust = if trust.is_empty() { None } else { Some(trust.parse().map_err(bad)?) };
        Ok(Self { user, secret, trust })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{action} the password of the recorder {recorder}")]
pub(crate) struct SecretError {
    action: &'static str,
    recorder: RecorderId,
    #[source]
    source: io::Error,
}

/// The folder of them.
#[derive(Debug, Clone)]
pub(crate) struct RecorderSecrets(PathBuf);

impl RecorderSecrets {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Replaces what is kept of the recorder; `None` forgets it.
    pub(crate) fn keep(&self, recorder: &RecorderId, shown: Option<&Shown>) -> Result<(), SecretError> {
        let file = self.file(recorder);
        let fault = |action| move |source| SecretError { action, recorder: recorder.clone(), source };
        match shown {
            None => durable::remove(&file).map_err(fault("forget")),
            Some(shown) => durable::write_private(&file, shown.written().as_bytes()).map_err(fault("keep")),
        }
    }

    pub(crate) fn shown(&self, recorder: &RecorderId) -> Result<Option<Shown>, SecretError> {
        match fs::read_to_string(self.file(recorder)).and_then(|text| Shown::read(&text)) {
            Ok(shown) => Ok(Some(shown)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SecretError { action: "read", recorder: recorder.clone(), source }),
        }
    }

    pub(crate) fn has(&self, recorder: &RecorderId) -> bool {
        self.file(recorder).is_file()
    }

    fn file(&self, recorder: &RecorderId) -> PathBuf {
        self.0.join(format!("{recorder}{SUFFIX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_for_one_recorder_readable_by_nobody_else_and_forgotten_when_told() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let secrets = RecorderSecrets::new(&dir.path().join("recorders"));
        let (one, other) = (RecorderId::new("nvr-1").unwrap(), RecorderId::new("nvr-2").unwrap());
        for trust in [None, Some(Pin::of(b"a certificate"))] {
            let shown = Shown { user: "operator".into(), secret: "a: b&\"/% ".into(), trust };
            assert!(shown.can_be_kept() && !format!("{shown:?}").contains("operator"));
            secrets.keep(&one, Some(&shown)).unwrap();
            assert_eq!(secrets.shown(&one).unwrap(), Some(shown));
        }
        assert!(!Shown { user: "a\nb".into(), ..Shown::default() }.can_be_kept());
        let mode = fs::metadata(dir.path().join("recorders/nvr-1.login")).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, secrets.shown(&other).unwrap()), (0o600, None));
        secrets.keep(&one, None).unwrap();
        assert!(!secrets.has(&one));
    }
}
