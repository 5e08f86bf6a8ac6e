use std::{borrow::Cow, io, path::PathBuf};

use access::{NameError, UnclearName};

use crate::{
    deployment::{lock::LockError, pki::PkiError},
    record::log::LogFault,
};

/// Why a deployment or an identity is not made.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    #[error("{} is a deployment already", .0.display())]
    Exists(PathBuf),
    #[error("{} has keys but no sightline.toml", .0.display())]
    Half(PathBuf),
    #[error(
        "authoriser and investigator must be of different organisations that nobody takes for one another; both are of {0:?}"
    )]
    SameOrganisation(String),
    #[error("an organisation can't be called so")]
    Organisation(#[from] NameError),
    #[error("an organisation can't be called so")]
    Unclear(#[from] UnclearName),
    #[error("{action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is there already", .0.display())]
    Taken(PathBuf),
    #[error("{} is there already", .0.display())]
    HandedOut(PathBuf),
    #[error(transparent)]
    Mode(#[from] LockError),
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error(transparent)]
    Log(#[from] LogFault),
}

impl DeploymentError {
    pub fn hint(&self) -> Cow<'static, str> {
        let hint = match self {
            Self::Mode(error) => return error.hint().into(),
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
