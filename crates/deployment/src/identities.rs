//! The identities of a deployment: issued where its authority lies, and listed.

use std::{
    collections::BTreeSet,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use access::{Caller, Name, Role, check_organisation};
use audit_log::public_half;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};

use crate::{
    authority::Authority,
    certificate::{end, issued_by, named, unnamed},
    error::DeploymentError,
    grant_keys,
    home::Home,
    modes::private_folder,
};

/// A certificate that the deployment's authority has issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedIdentity {
    /// The certificate's serial number in lower-case hexadecimal.
    pub serial: String,
    /// Whom it names.
    pub uri: String,
    /// When it ends, in seconds since 1970.
    pub expires: i64,
    /// SHA-256 of its public key (SPKI, DER), in hexadecimal; lines of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_sha256: Option<String>,
    /// By what the authority is known that issued it; lines of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

/// A certificate that names hosts and nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedService {
    /// The certificate's serial number in lower-case hexadecimal.
    pub serial: String,
    /// What its files are called.
    pub name: Name,
    /// By which names and addresses it is called.
    pub hosts: BTreeSet<String>,
    /// SHA-256 of its public key (SPKI, DER), in hexadecimal.
    pub key_sha256: String,
}

impl IssuedIdentity {
    /// Whom it names. `None` where the register's line was damaged.
    pub fn caller(&self) -> Option<Caller> {
        Caller::from_uri(&self.uri).ok()
    }
}

/// An identity just made and where its files lie.
#[derive(Debug, Clone)]
pub struct NewIdentity {
    /// What the register says of it.
    pub issued: IssuedIdentity,
    /// A home folder as a client needs it.
    pub home: Home,
    /// The server knows a new authoriser's signature from its next start on.
    pub needs_restart: bool,
}

impl Home {
    /// The list of the identities that were issued here, a line of JSON each.
    pub fn register(&self) -> PathBuf {
        self.pki().join("issued.jsonl")
    }

    /// The list of the certificates that were issued to services.
    pub fn service_register(&self) -> PathBuf {
        self.pki().join("issued-services.jsonl")
    }

    /// Every certificate that was issued to a service here, the oldest first.
    ///
    /// # Errors
    /// The list can't be read.
    pub fn issued_services(&self) -> io::Result<Vec<IssuedService>> {
        lines(&self.service_register())
    }

    /// Every certificate that was issued here, the oldest first.
    ///
    /// # Errors
    /// The register can't be read.
    pub fn issued(&self) -> io::Result<Vec<IssuedIdentity>> {
        lines(&self.register())
    }

    /// When the server's certificate ends, in seconds since 1970; `None` where there is none here.
    pub fn server_certificate_ends(&self) -> Option<i64> {
        end(&self.server_certificate())
    }

    /// The certificate that lies here under a name.
    pub fn issued_to(&self, name: &str) -> Option<IssuedIdentity> {
        registered(&CertificateDer::from_pem_file(self.identity(name).0).ok()?)
    }

    /// Puts the files of a revoked identity aside, so that the name is free for another certificate.
    ///
    /// # Errors
    /// A file can't be renamed. The other may be put aside already.
    pub fn put_aside(&self, name: &str) -> io::Result<()> {
        let (certificate, key) = self.identity(name);
        for file in [certificate, key] {
            let mut aside = file.clone().into_os_string();
            aside.push(".revoked");
            durable::rename(&file, Path::new(&aside))?;
        }
        Ok(())
    }
}

/// The authority's folder: the one that is named, or the home folder's, where earlier versions kept it.
pub(crate) fn authority_of(home: &Home, folder: Option<&Path>) -> Result<Authority, DeploymentError> {
    let pki = folder.map_or_else(|| home.pki(), |folder| Home::new(folder).pki());
    Ok(Authority::open(&pki)?)
}

/// As [`issue_by`], by the authority in the home folder.
///
/// # Errors
/// As [`issue_by`].
pub fn issue(home: &Home, caller: &Caller, days: u32, out: Option<&Path>) -> Result<NewIdentity, DeploymentError> {
    issue_by(home, None, caller, days, out)
}

/// Issues a certificate, and a key to sign grants with to an authoriser. Without `out` the files lie beside those that
/// `init` made; with it they make a home folder of their own there, to be handed over, and no private key stays here.
///
/// # Errors
/// [`DeploymentError::Taken`] where the name has a certificate already; [`DeploymentError::Unclear`] where the
/// organisation's name could be taken for another's; or where a file can't be written.
pub fn issue_by(
    home: &Home,
    authority: Option<&Path>,
    caller: &Caller,
    days: u32,
    out: Option<&Path>,
) -> Result<NewIdentity, DeploymentError> {
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| DeploymentError::Io { action, path, source }
    };
    let authority = authority_of(home, authority)?;
    let there = home.issued().map_err(io("read", &home.register()))?;
    let there: Vec<_> = there.iter().filter_map(IssuedIdentity::caller).map(|c| c.organisation).collect();
    check_organisation(caller.organisation.as_str(), there.iter().map(Name::as_str))?;
    let into = out.map_or_else(|| home.clone(), Home::new);
    let name = caller.name.as_str();
    let (certificate, key) = into.identity(name);
    let (private, public) = (into.grant_key(name), home.grant_public_key(caller.organisation.as_str(), name));
    if let Some(taken) = [&certificate, &key, &private].into_iter().find(|f| f.exists()) {
        return Err(DeploymentError::Taken(taken.clone()));
    }
    if let Some(folder) = certificate.parent() {
        private_folder(folder).map_err(io("make", folder))?;
    }
    if out.is_some() {
        hand_over(home, &into)?;
    }
    let issued = authority.client(caller, days.into())?;
    let register = registered(&issued.der).ok_or_else(|| DeploymentError::Taken(certificate.clone()))?;
    // On the list first: a certificate that nobody knows of could not be revoked by its name.
    note(home, &register).map_err(io("write", &home.register()))?;
    issued.save(&certificate, &key)?;
    let needs_restart = caller.role == Role::Authoriser;
    if needs_restart {
        if public.exists() {
            fs::remove_file(&public).map_err(io("replace", &public))?;
        }
        grant_keys::make(&private, &public)?;
    }
    Ok(NewIdentity { issued: register, home: into, needs_restart })
}

/// Whom to believe goes along with an identity that is handed over: the authorities and the log's key.
pub(crate) fn hand_over(home: &Home, into: &Home) -> Result<(), DeploymentError> {
    let public = [home.authority(), public_half(&home.log_key()), home.log_introductions()];
    for from in public.iter().filter(|file| file.is_file()) {
        let to = into.pki().join(from.file_name().unwrap_or_default());
        let copied = fs::read(from).and_then(|bytes| durable::write(&to, &bytes));
        copied.map_err(|source| DeploymentError::Io { action: "write", path: to.clone(), source })?;
    }
    Ok(())
}

/// Issues a certificate to a service that the servers call, such as the database: they know it by these names or addresses. It
/// names nobody, so no server takes whoever shows it for a caller. Where its files lie.
///
/// # Errors
/// [`DeploymentError::Taken`] where there is one already, or where a file can't be written.
pub fn issue_to_service(
    home: &Home,
    authority: Option<&Path>,
    name: &Name,
    hosts: &[String],
    days: u32,
    out: Option<&Path>,
) -> Result<(PathBuf, PathBuf), DeploymentError> {
    let authority = authority_of(home, authority)?;
    let folder = out.map_or_else(|| home.pki().join("services"), Path::to_owned);
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    if let Some(taken) = [&certificate, &key].into_iter().find(|f| f.exists()) {
        return Err(DeploymentError::Taken(taken.clone()));
    }
    private_folder(&folder).map_err(|source| DeploymentError::Io { action: "make", path: folder.clone(), source })?;
    let issued = authority.service(hosts, days.into())?;
    note_service(home, name, hosts, &issued.der).map_err(|source| DeploymentError::Io {
        action: "write",
        path: home.service_register(),
        source,
    })?;
    issued.save(&certificate, &key)?;
    Ok((certificate, key))
}

/// Adds a certificate that names hosts to the list of those; on disk when it returns.
pub(crate) fn note_service(home: &Home, name: &Name, hosts: &[String], der: &[u8]) -> io::Result<()> {
    let (serial, key_sha256) = unnamed(der).ok_or_else(|| io::Error::other("the certificate can't be read"))?;
    let hosts = hosts.iter().cloned().collect();
    add_line(&home.service_register(), &IssuedService { serial, name: name.clone(), hosts, key_sha256 })
}

/// Adds to the list of what was issued; on disk when it returns.
pub(crate) fn note(home: &Home, issued: &IssuedIdentity) -> io::Result<()> {
    add_line(&home.register(), issued)
}

/// One write a line, so that whoever reads meanwhile sees all of it or nothing.
fn add_line(list: &Path, issued: &impl Serialize) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(list)?;
    let line = serde_json::to_string(issued).map_err(io::Error::other)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()
}

fn lines<T: for<'a> Deserialize<'a>>(list: &Path) -> io::Result<Vec<T>> {
    let text = match fs::read_to_string(list) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e),
    };
    text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect()
}

pub(crate) fn registered(der: &[u8]) -> Option<IssuedIdentity> {
    let known = named(der).ok()?;
    let (uri, key_sha256) = (known.caller.uri(), Some(known.key_sha256));
    Some(IssuedIdentity { serial: known.serial, uri, expires: known.ends, key_sha256, authority: issued_by(der) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::{InitOptions, init};

    #[test]
    fn an_identity_of_an_organisation_that_can_be_taken_for_another_is_not_issued() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        init(&home, "", &InitOptions::default()).unwrap();
        let of = |organisation: &str| Caller::from_uri(&format!("sightline://{organisation}/authoriser/mallory")).unwrap();
        let there = home.issued().unwrap()[0].caller().unwrap().organisation;
        let alike = there.as_str().replace('l', "1");
        assert_ne!(alike, there.as_str());
        let before = home.issued().unwrap();
        for organisation in [format!("{there}."), alike] {
            let refused = issue(&home, &of(&organisation), 1, None);
            assert!(matches!(refused, Err(DeploymentError::Unclear(_))), "{organisation}: {refused:?}");
        }
        assert_eq!(home.issued().unwrap(), before);
        issue(&home, &of(there.as_str()), 1, None).unwrap();
    }

    #[test]
    fn a_service_s_certificate_names_its_hosts_and_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        init(&home, "", &InitOptions::default()).unwrap();
        let before = home.issued().unwrap();
        let name = Name::new("postgres").unwrap();
        let issue = |hosts: &[&str]| {
            let hosts: Vec<_> = hosts.iter().map(|&h| h.to_owned()).collect();
            issue_to_service(&home, None, &name, &hosts, 30, None)
        };
        assert!(matches!(issue(&["no host name\u{e9}"]), Err(DeploymentError::Pki(_))));
        let (certificate, key) = issue(&["postgres", "10.0.0.7"]).unwrap();
        assert_eq!(certificate, home.pki().join("services/postgres.pem"));
        assert!(fs::read_to_string(&key).unwrap().contains("PRIVATE KEY"));
        let der = CertificateDer::from_pem_file(&certificate).unwrap();
        assert!(registered(&der).is_none(), "it names a caller");
        assert_eq!(home.issued().unwrap(), before);
        let listed = home.issued_services().unwrap();
        let of: Vec<_> = listed.iter().map(|s| (s.name.as_str(), s.hosts.len(), s.key_sha256.len())).collect();
        assert_eq!(of, [("server", 3, 64), ("postgres", 2, 64)]);
        assert!(matches!(issue(&["postgres"]), Err(DeploymentError::Taken(_))));
    }
}
