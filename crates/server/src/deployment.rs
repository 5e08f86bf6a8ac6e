//! The home folder of a deployment and how it comes to be.

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

use access::{Caller, Name, NameError, Role, UnclearName, log::KeyKind};

pub(crate) mod address_file;
pub(crate) mod lock;
pub(crate) mod pki;

use crate::{
    config,
    credentials::identities,
    deployment::{
        lock::{self, LockError},
        pki::{self, Authority, PkiError},
    },
    record::log::{self, LogFault},
};

/// Where things lie in a home folder. Makes no promise that they are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// `SIGHTLINE_HOME`, else `$XDG_DATA_HOME/sightline`, else `~/.local/share/sightline`.
    pub fn from_env() -> Self {
        let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = set("SIGHTLINE_HOME")
            .or_else(|| set("XDG_DATA_HOME").map(|p| p.join("sightline")))
            .or_else(|| set("HOME").map(|p| p.join(".local/share/sightline")));
        Self(home.unwrap_or_else(|| PathBuf::from(".sightline")))
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    pub fn config(&self) -> PathBuf {
        self.0.join("sightline.toml")
    }

    pub fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// The certificate that every other one of the deployment is signed with.
    pub fn authority(&self) -> PathBuf {
        self.pki().join("ca.pem")
    }

    pub fn server_certificate(&self) -> PathBuf {
        self.pki().join("server.pem")
    }

    pub fn server_key(&self) -> PathBuf {
        self.pki().join("server.key")
    }

    /// Certificate and private key of an identity, such as "investigator".
    pub fn identity(&self, name: &str) -> (PathBuf, PathBuf) {
        let folder = self.pki().join("identities");
        (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")))
    }

    /// The Ed25519 key (PKCS #8, PEM) with which an authoriser signs grants. The server never reads it: on a real
    /// deployment it lies on the authoriser's machine alone.
    pub fn grant_key(&self, name: &str) -> PathBuf {
        self.pki().join("identities").join(format!("{name}.grant.key"))
    }

    /// The public half (SPKI, PEM), by which the server knows the signature.
    pub fn grant_public_key(&self, organisation: &str, name: &str) -> PathBuf {
        self.pki().join("grant-keys").join(format!("{organisation}.{name}.pem"))
    }

    /// The Ed25519 key with which the log signs its checkpoints; `.pub` beside it is what others check them by.
    pub fn log_key(&self) -> PathBuf {
        self.pki().join("log.key")
    }

    /// The log's checkpoint and tiles: public, and all that checking it takes.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Names of the identities whose keys lie here, in order.
    pub fn identities(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.pki().join("identities")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.filter_map(|e| e.ok()?.file_name().into_string().ok()?.strip_suffix(".pem").map(str::to_owned)).collect();
        names.sort();
        names
    }
}

/// What a new deployment is called and reached by.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// Whose operator, investigator and camera owner are made.
    pub organisation: String,
    /// Whose authoriser and auditor are made; another than `organisation`.
    pub oversight: String,
    /// Names and addresses of the server besides localhost, 127.0.0.1 and ::1.
    pub names: Vec<String>,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self { organisation: "local".to_owned(), oversight: "oversight".to_owned(), names: Vec::new() }
    }
}

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
            Self::Taken(_) => "choose another name, or revoke it first: `sightline identity revoke`",
            Self::Pki(PkiError::Read { .. }) => "identities are issued where `sightline init` made the authority: pki/ca.key",
            Self::Io { .. } => "check that the folder exists and that you may write there",
            Self::Pki(_) => "check the names given for the server",
            Self::Log(error) => error.hint(),
        };
        hint.into()
    }
}

/// A made deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub home: Home,
    /// The identities made, as their certificates name them.
    pub identities: Vec<Caller>,
}

impl Deployment {
    /// Makes a home folder: configuration, a local certificate authority, the server's certificate and one identity a
    /// role. Changes nothing where there is a deployment already.
    pub fn init(home: &Home, options: &InitOptions) -> Result<Self, DeploymentError> {
        if home.config().exists() {
            return Err(DeploymentError::Exists(home.root().to_owned()));
        }
        if home.pki().exists() {
            return Err(DeploymentError::Half(home.root().to_owned()));
        }
        lock::check_mode(home.root())?;
        access::check_organisation(&options.organisation, [])?;
        access::check_organisation(&options.oversight, [])?;
        if access::skeleton(&options.organisation) == access::skeleton(&options.oversight) {
            return Err(DeploymentError::SameOrganisation(options.oversight.clone()));
        }
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| DeploymentError::Io { action, path, source }
        };
        // Beside the final name, so that a failure leaves no half-made deployment that looks whole.
        let scratch = Home::new(home.root().join(".init"));
        pki::private_folder(home.root()).map_err(io("make", home.root()))?;
        if scratch.root().exists() {
            fs::remove_dir_all(scratch.root()).map_err(io("clear", scratch.root()))?;
        }
        let identities = make_keys(&scratch, options)?;
        pki::write_public(&scratch.config(), config::TEMPLATE).map_err(io("write", &scratch.config()))?;
        durable::publish(&scratch.pki(), &home.pki()).map_err(io("make", &home.pki()))?;
        durable::publish(&scratch.config(), &home.config()).map_err(io("make", &home.config()))?;
        fs::remove_dir_all(scratch.root()).map_err(io("clear", scratch.root()))?;
        Ok(Self { home: home.clone(), identities })
    }
}

fn make_keys(home: &Home, options: &InitOptions) -> Result<Vec<Caller>, DeploymentError> {
    let folders = [home.pki().join("identities"), home.pki().join("grant-keys")];
    for folder in &folders {
        pki::private_folder(folder).map_err(|source| DeploymentError::Io { action: "make", path: folder.clone(), source })?;
    }
    let authority = Authority::new()?;
    authority.save(&home.authority(), &home.pki().join("ca.key"))?;
    let hosts = pki::server_hosts(&options.names);
    let server = authority.server(&hosts)?;
    identities::note_service(home, &Name::new("server")?, &hosts, &server.der).map_err(|source| DeploymentError::Io {
        action: "write",
        path: home.pki(),
        source,
    })?;
    server.save(&home.server_certificate(), &home.server_key())?;
    // Two deployments of one organisation have two logs.
    let name = format!("sightline.{}.{}", options.organisation, hex::encode(rand::random::<[u8; 4]>()));
    log::make_key(&name, KeyKind::Log, &home.log_key())?;
    let mut identities = Vec::new();
    for (name, role) in [
        ("operator", Role::Operator),
        ("investigator", Role::Investigator),
        ("camera-owner", Role::CameraOwner),
        ("authoriser", Role::Authoriser),
        ("auditor", Role::Auditor),
    ] {
        let overseer = matches!(role, Role::Authoriser | Role::Auditor);
        let organisation = if overseer { &options.oversight } else { &options.organisation };
        let caller = Caller { name: Name::new(name)?, organisation: Name::new(organisation)?, role };
        let (certificate, key) = home.identity(name);
        let issued = authority.client(&caller, pki::IDENTITY_DAYS)?;
        issued.save(&certificate, &key)?;
        if let Some(issued) = identities::registered(&issued.der) {
            identities::note(home, &issued).map_err(|source| DeploymentError::Io {
                action: "write",
                path: home.pki(),
                source,
            })?;
        }
        if role == Role::Authoriser {
            pki::grant_key(&home.grant_key(name), &home.grant_public_key(organisation, name))?;
        }
        identities.push(caller);
    }
    Ok(identities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_init_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        let made = Deployment::init(&home, &InitOptions::default()).unwrap();
        assert_eq!(made.identities.len(), 5);
        assert_eq!(home.identities(), ["auditor", "authoriser", "camera-owner", "investigator", "operator"]);
        let before = fs::read(home.authority()).unwrap();
        let error = Deployment::init(&home, &InitOptions::default()).unwrap_err();
        assert!(matches!(error, DeploymentError::Exists(_)));
        assert_eq!(fs::read(home.authority()).unwrap(), before);
    }

    #[test]
    fn requester_and_authoriser_of_one_organisation_can_not_be_made() {
        let dir = tempfile::tempdir().unwrap();
        let options = InitOptions { oversight: "local".to_owned(), ..InitOptions::default() };
        assert!(matches!(
            Deployment::init(&Home::new(dir.path().join("home")), &options),
            Err(DeploymentError::SameOrganisation(_))
        ));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_a_private_key() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        Deployment::init(&home, &InitOptions::default()).unwrap();
        let mut keys = 0;
        for folder in [home.pki(), home.pki().join("identities")] {
            for file in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
                if file.extension().is_some_and(|e| e == "key") {
                    keys += 1;
                    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
                }
            }
        }
        assert_eq!(keys, 9);
    }
}
