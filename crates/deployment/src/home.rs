//! Where things lie in a home folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where things lie in a home folder. Makes no promise that they are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The deployment in a folder, which need not be there yet.
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

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The configuration's file.
    pub fn config(&self) -> PathBuf {
        self.0.join("sightline.toml")
    }

    /// The folder of certificates and keys.
    pub fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// The certificate that every other one of the deployment is signed with.
    pub fn authority(&self) -> PathBuf {
        self.pki().join("ca.pem")
    }

    /// The authority's private key. It belongs elsewhere: `init` hands it out, unless all is to lie in one folder.
    pub fn authority_key(&self) -> PathBuf {
        self.pki().join("ca.key")
    }

    /// The server's certificate, in PEM.
    pub fn server_certificate(&self) -> PathBuf {
        self.pki().join("server.pem")
    }

    /// The server's private key, in PEM.
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

    /// The folder of the keys and passkeys by which authorisers' signatures are known.
    pub fn grant_keys(&self) -> PathBuf {
        self.pki().join("grant-keys")
    }

    /// The public half (SPKI, PEM), by which the server knows the signature.
    pub fn grant_public_key(&self, organisation: &str, name: &str) -> PathBuf {
        self.grant_keys().join(format!("{organisation}.{name}.pem"))
    }

    /// The Ed25519 key with which the log signs its checkpoints; `.pub` beside it is what others check them by.
    pub fn log_key(&self) -> PathBuf {
        self.pki().join("log.key")
    }

    /// How each of the log's keys introduced the next; there is no such file while the log has its first key.
    pub fn log_introductions(&self) -> PathBuf {
        self.log_key().with_extension("introductions")
    }

    /// The folder of cameras' addresses with their passwords.
    pub fn camera_secrets(&self) -> PathBuf {
        self.0.join("secrets/cameras")
    }

    /// The folder of recorders' passwords.
    pub fn recorder_secrets(&self) -> PathBuf {
        self.0.join("secrets/recorders")
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
