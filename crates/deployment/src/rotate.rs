//! Keys are exchanged without a new deployment: the server's, the authority's, and those that grants are signed with.
//!
//! Each exchange is one name on the disk: a process that is killed leaves the old or the new, and whoever looks next finishes it.
//! What counts from then on is an entry of the record before it does: a running server writes it as it is told to take its files
//! anew, and one that starts before it answers. The log's own key is changed by the record, while no server runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use access::Name;
use ed25519_dalek::{VerifyingKey, pkcs8::DecodePublicKey as _};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use types::ReceiveTime;

use crate::{
    authority::{Authority, PkiError, server_hosts},
    certificate,
    error::DeploymentError,
    exchange::Exchange,
    grant_keys::{self, GrantKeyError, KeyInFile, read_keys, write_keys},
    home::Home,
    identities::{authority_of, hand_over, note_service},
};

/// Why a key is not exchanged. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// A certificate can't be made.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// An authoriser's keys can't be read.
    #[error(transparent)]
    GrantKey(#[from] GrantKeyError),
    /// There are two authorities already: drop the older one first.
    #[error("the authority was exchanged already, and the one before is still trusted")]
    TwoAuthorities,
    /// There is no older authority.
    #[error("there is one authority, so none can be dropped")]
    OneAuthority,
    /// The server would not be trusted any more: give it a certificate of the newer authority first.
    #[error("the server's own certificate is of the authority that is to be dropped")]
    ServerCertificate,
    /// People would be cut off. Holds their names.
    #[error("{} certificates of the authority that is to be dropped are still good: {}", .0.len(), .0.join(", "))]
    StillGood(Vec<String>),
    /// The authoriser has no key.
    #[error("{} is not there: {owner} has no grant key", path.display())]
    NoGrantKey {
        /// The authoriser.
        owner: String,
        /// Where the key should be.
        path: PathBuf,
    },
}

impl RotateError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Deployment(error) => error.hint().into_owned(),
            Self::GrantKey(_) => "mend the file in pki/grant-keys; docs/operations.md, \"Keys\", says what may be in it".to_owned(),
            Self::TwoAuthorities => {
                "once everybody has a certificate of the new one: `sightline rotate authority --drop-old`".to_owned()
            }
            Self::OneAuthority => "`sightline rotate authority` makes another one beside it first".to_owned(),
            Self::ServerCertificate => "issue it anew first: `sightline rotate server`".to_owned(),
            Self::StillGood(_) => {
                "issue these anew first: `sightline identity add`; or end them, as when the authority's key was stolen: `--cut-off`".to_owned()
            }
            Self::NoGrantKey { .. } => "an authoriser is made with `sightline identity add --role authoriser`".to_owned(),
        }
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RotateError {
    let path = path.to_owned();
    move |source| DeploymentError::Io { action, path, source }.into()
}

impl From<PkiError> for RotateError {
    fn from(error: PkiError) -> Self {
        Self::Deployment(error.into())
    }
}

/// The server's new certificate.
#[derive(Debug)]
pub struct RotatedServer {
    /// Names and addresses that it is for.
    pub hosts: Vec<String>,
    /// In seconds since 1970.
    pub ends: Option<i64>,
}

/// Issues the server another certificate and key, for the hosts of the one before and for these.
///
/// # Errors
/// [`RotateError`].
pub fn rotate_server(home: &Home, authority: Option<&Path>, more: &[String], days: u32) -> Result<RotatedServer, RotateError> {
    let file = home.server_certificate();
    Exchange::Server.put_in_place(&home.pki()).map_err(failed("write", &file))?;
    let authority = authority_of(home, authority)?;
    let before = certificate::hosts(&file)
        .ok_or_else(|| PkiError::Read { file: file.clone(), source: io::ErrorKind::InvalidData.into() })?;
    let mut hosts = server_hosts(&before);
    hosts.extend(more.iter().filter(|host| !before.contains(host)).cloned());
    let issued = authority.service(&hosts, days.into())?;
    let name = Name::new("server").map_err(DeploymentError::from)?;
    note_service(home, &name, &hosts, &issued.der).map_err(failed("write", &home.service_register()))?;
    let (certificate, key) = issued.pem();
    let files = [("server.key", key.to_owned(), 0o600), ("server.pem", certificate.to_owned(), 0o644)];
    Exchange::Server.lay_ready(&home.pki(), &files).map_err(failed("write", &file))?;
    Exchange::Server.put_in_place(&home.pki()).map_err(failed("write", &file))?;
    Ok(RotatedServer { hosts, ends: home.server_certificate_ends() })
}

/// Finishes an exchange of the server's or the authority's files that was cut off.
///
/// # Errors
/// What the system says. The same call goes on then.
pub fn finish_exchanges(home: &Home) -> io::Result<()> {
    Exchange::Server.put_in_place(&home.pki())?;
    Exchange::Authority.put_in_place(&home.pki()).map(drop)
}

/// Makes another authority, which issues from now on; the one before is trusted until it is dropped.
///
/// # Errors
/// [`RotateError::TwoAuthorities`], or where a file can't be written.
pub fn rotate_authority(home: &Home, folder: Option<&Path>) -> Result<(), RotateError> {
    let pki = folder.map_or_else(|| home.pki(), |folder| Home::new(folder).pki());
    let finished = Exchange::Authority.put_in_place(&pki).map_err(failed("write", &pki))?;
    Authority::open(&pki)?;
    let (file, bundle) = (pki.join("ca.pem"), home.authority());
    let made = fs::read(&file).map_err(failed("read", &file))?;
    let has = fs::read(&bundle).map_err(failed("read", &bundle))?;
    if authorities(&file)?.len() > 1 {
        if finished {
            return durable::write(&bundle, &made).map_err(failed("write", &bundle));
        }
        // Cut off before the server's folder had it.
        if made != has && authorities(&bundle)?.len() == 1 && authorities(&file)?.contains(&authorities(&bundle)?[0]) {
            return durable::write(&bundle, &made).map_err(failed("write", &bundle));
        }
        return Err(RotateError::TwoAuthorities);
    }
    Authority::succeed(&pki)?;
    Authority::open(&pki)?;
    let made = fs::read(&file).map_err(failed("read", &file))?;
    durable::write(&bundle, &made).map_err(failed("write", &bundle))
}

/// The certificates of a file of authorities.
fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, RotateError> {
    let bad = || PkiError::Read { file: file.to_owned(), source: io::ErrorKind::InvalidData.into() };
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(|_| bad())?.collect();
    Ok(all.map_err(|_| bad())?)
}

/// Trusts the newest authority alone. Certificates of the one before are taken no more.
///
/// # Errors
/// [`RotateError::OneAuthority`], [`RotateError::ServerCertificate`], and, unless `cut_off`,
/// [`RotateError::StillGood`].
pub fn drop_old_authority(home: &Home, folder: Option<&Path>, cut_off: bool) -> Result<(), RotateError> {
    let bundle = home.authority();
    let all = authorities(&bundle)?;
    let [newest, _, ..] = &all[..] else { return Err(RotateError::OneAuthority) };
    let id = certificate::authority_id(newest);
    let own = CertificateDer::pem_file_iter(home.server_certificate()).ok().and_then(|mut file| file.next()?.ok());
    if own.as_deref().and_then(certificate::issued_by) != id {
        return Err(RotateError::ServerCertificate);
    }
    let now = ReceiveTime::now().as_micros() / 1_000_000;
    let issued = home.issued().map_err(failed("read", &home.register()))?;
    let good = issued.iter().filter(|one| one.expires > now && one.authority != id);
    let good: Vec<String> = good.map(|one| one.caller().map_or_else(|| one.uri.clone(), |who| who.to_string())).collect();
    if !good.is_empty() && !cut_off {
        return Err(RotateError::StillGood(good));
    }
    // The first of the file's certificates, as it is written.
    let end = "-----END CERTIFICATE-----\n";
    let folder = folder.map(|folder| Home::new(folder).authority()).filter(|file| file.exists());
    for file in folder.into_iter().chain([bundle]) {
        let text = fs::read_to_string(&file).map_err(failed("read", &file))?;
        let first = text.find(end).map_or(text.as_str(), |at| &text[..at + end.len()]);
        durable::write(&file, first.as_bytes()).map_err(failed("write", &file))?;
    }
    Ok(())
}

/// An authoriser's new key.
#[derive(Debug)]
pub struct RotatedGrantKey {
    /// `None`: its owner made it.
    pub private: Option<PathBuf>,
    /// Where its public half is.
    pub public: PathBuf,
    /// From when on it counts, and the one before does not.
    pub at: ReceiveTime,
}

/// How an authoriser's key is exchanged.
#[derive(Debug, Default)]
pub struct NewGrantKey<'a> {
    /// The home folder that the private half goes into; beside the identities of the server's where there is none.
    pub out: Option<&'a Path>,
    /// The public half of a key that its owner made.
    pub public: Option<&'a Path>,
    /// When it takes over.
    pub at: Option<ReceiveTime>,
}

/// Makes an authoriser's next key. What the one before signed goes on counting.
///
/// # Errors
/// [`RotateError::NoGrantKey`], [`RotateError::GrantKey`], or where a file can't be written.
pub fn rotate_grant_key(
    home: &Home,
    organisation: &Name,
    name: &Name,
    new: &NewGrantKey<'_>,
) -> Result<RotatedGrantKey, RotateError> {
    let path = home.grant_public_key(organisation.as_str(), name.as_str());
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RotateError::NoGrantKey { owner: format!("{organisation}.{name}"), path });
        }
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let mut keys = read_keys(&path, &text)?;
    let now = ReceiveTime::now();
    let at = new.at.unwrap_or(now);
    let into = new.out.map_or_else(|| home.clone(), Home::new);
    let private = into.grant_key(name.as_str());
    let aside = private.with_extension("key.next");
    let add = |keys: &mut Vec<KeyInFile>, pem: &str, from: &Path| {
        let key = VerifyingKey::from_public_key_pem(pem).map_err(|_| GrantKeyError::Key { path: from.to_owned() })?;
        for before in keys.iter_mut() {
            before.until = Some(before.until.map_or(at, |until| until.min(at)));
        }
        keys.retain(|before| before.key != key);
        keys.push(KeyInFile { key, pem: pem.to_owned(), from: Some(at), until: None });
        Ok::<_, GrantKeyError>(())
    };
    if let Some(file) = new.public {
        let pem = fs::read_to_string(file).map_err(failed("read", file))?;
        let mut theirs = read_keys(file, &pem)?;
        let only = theirs.pop().filter(|_| theirs.is_empty()).ok_or_else(|| GrantKeyError::Key { path: file.to_owned() })?;
        add(&mut keys, &only.pem, file)?;
        durable::write(&path, write_keys(&keys).as_bytes()).map_err(failed("write", &path))?;
        return Ok(RotatedGrantKey { private: None, public: path, at });
    }
    // The private half is on the disk before anybody counts on it. One that is there and trusted was cut off after that.
    let waiting = fs::read_to_string(&aside).ok().and_then(|pem| access::signing_key_from_pem(&pem).ok());
    if !waiting.is_some_and(|secret| keys.iter().any(|key| key.key == secret.verifying_key())) {
        let (pem, public) = grant_keys::new_key()?;
        durable::write_private(&aside, pem.as_ref().as_bytes()).map_err(failed("write", &aside))?;
        add(&mut keys, &public, &path)?;
        durable::write(&path, write_keys(&keys).as_bytes()).map_err(failed("write", &path))?;
    }
    durable::rename(&aside, &private).map_err(failed("write", &private))?;
    if new.out.is_some() {
        hand_over(home, &into)?;
    }
    Ok(RotatedGrantKey { private: Some(private), public: path, at })
}
