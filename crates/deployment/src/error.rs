use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
};

use access::{NameError, UnclearName};
use audit_log::LogFault;

use crate::{authority::PkiError, lock::LockError};

/// The folder in memory that a package makes for what is handed out; systemd deletes nothing in it.
const PACKAGES: &str = "/run/sightline";

/// Where keys may wait to be handed out.
fn elsewhere(packages: &Path) -> String {
    if packages.is_dir() {
        return format!(
            "say `--hand-out {}`: the package made that folder for it, in memory; hand out what is there before the machine is restarted",
            packages.join("hand-out").display()
        );
    }
    "name a folder where you may write with `--hand-out DIR`; /run is in memory".to_owned()
}

/// Why a deployment or an identity is not made.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// There is a deployment. Holds its configuration's folder.
    #[error("{} is a deployment already", .0.display())]
    Exists(PathBuf),
    /// A deployment was lost in part. Holds its folder.
    #[error("{} has keys but no sightline.toml", .0.display())]
    Half(PathBuf),
    /// Whoever asks and whoever agrees must be of two organisations. Holds the name given for both.
    #[error(
        "authoriser and investigator must be of different organisations that nobody takes for one another; both are of {0:?}"
    )]
    SameOrganisation(String),
    /// It is no name.
    #[error("an organisation can't be called so")]
    Organisation(#[from] NameError),
    /// It could be taken for another's, or hides something.
    #[error("an organisation can't be called so")]
    Unclear(#[from] UnclearName),
    /// A file could not be read or written.
    #[error("{action} {}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// The folder to hand out can't be made.
    #[error("{action} {}", path.display())]
    NotHandedOut {
        /// What was to be done.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// An identity has the name already. Holds its file.
    #[error("{} is there already", .0.display())]
    Taken(PathBuf),
    /// The folder to hand out exists. Holds its path.
    #[error("{} is there already", .0.display())]
    HandedOut(PathBuf),
    /// Nothing is handed out here: systemd would delete it. Holds the path.
    #[error("systemd deletes what an account has in {} when its service stops or its last session ends", .0.display())]
    Cleared(PathBuf),
    /// The home folder is in use, or open to others.
    #[error(transparent)]
    Mode(#[from] LockError),
    /// A certificate or key can't be made or read.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The log's key can't be made.
    #[error(transparent)]
    Log(#[from] LogFault),
}

impl DeploymentError {
    /// What to do about it.
    pub fn hint(&self) -> Cow<'static, str> {
        let hint = match self {
            Self::Mode(error) => return error.hint().into(),
            Self::Cleared(_) => {
                return format!("the only copy of the authority's key would be gone: {}", elsewhere(Path::new(PACKAGES))).into();
            }
            Self::NotHandedOut { .. } => return elsewhere(Path::new(PACKAGES)).into(),
            Self::Exists(_) => "nothing was changed; use it as it is, or choose another folder with SIGHTLINE_HOME",
            Self::Half(_) => "put sightline.toml back (an empty one will do), or choose another folder with SIGHTLINE_HOME",
            Self::SameOrganisation(_) | Self::Organisation(..) | Self::Unclear(..) => "choose other organisations",
            Self::HandedOut(_) => {
                "name another folder for what is handed out with `--hand-out DIR`; if it is of an `init` that was cut off, remove it"
            }
            Self::Taken(_) => "choose another name, or revoke it first: `sightline identity revoke`",
            Self::Pki(PkiError::Read { .. }) => {
                "identities are issued by the authority: name the folder that `sightline init` handed out for it with `--authority DIR`"
            }
            Self::Pki(PkiError::Pair { .. }) => "put both back as `sightline init` or `sightline rotate authority` made them",
            Self::Io { .. } => "check that the folder exists and that you may write there",
            Self::Pki(_) => "check the names given for the server",
            Self::Log(error) => error.hint(),
        };
        hint.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_not_hand_out_is_told_the_folder_of_the_package_where_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let packages = dir.path().join("sightline");
        assert!(elsewhere(&packages).contains("`--hand-out DIR`"));
        std::fs::create_dir(&packages).unwrap();
        assert!(elsewhere(&packages).contains(&format!("`--hand-out {}/hand-out`", packages.display())));
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let refused = DeploymentError::NotHandedOut { action: "make", path: "/var/lib/sightline-hand-out".into(), source };
        for error in [DeploymentError::Cleared("/dev/shm/x".into()), refused] {
            assert!(error.hint().ends_with(&elsewhere(Path::new(PACKAGES))), "{error:?}");
        }
    }
}
