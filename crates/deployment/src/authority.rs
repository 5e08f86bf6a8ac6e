//! The deployment's own certificate authority, so that even a first try is authenticated.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use access::Caller;
use chrono::{Datelike, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData as _, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::exchange::Exchange;

const AUTHORITY_DAYS: i64 = 3650;
/// The server's own certificate.
const SERVER_DAYS: i64 = 397;
/// An identity's, unless somebody says otherwise: short, so that one that was forgotten ends by itself.
pub(crate) const IDENTITY_DAYS: i64 = 90;

/// Why certificates and keys can't be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A certificate can't be made.
    #[error("make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A key to sign grants with can't be made.
    #[error("make a grant key")]
    GrantKey(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file can't be read.
    #[error("read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// A certificate and a key do not belong together.
    #[error("{} is not the key of {}", key.display(), certificate.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A file can't be written.
    #[error("write {}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
}

pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its private key, both PEM.
pub(crate) struct Issued {
    pub(crate) der: Vec<u8>,
    certificate: String,
    key: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = params("Sightline local authority", Vec::new(), AUTHORITY_DAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// The authority that `init` made.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, PkiError> {
        let read = |file: &Path| fs::read_to_string(file).map_err(|source| PkiError::Read { file: file.to_owned(), source });
        let (file, certificate) = (certificate, read(certificate)?);
        let pair = KeyPair::from_pem(&read(key)?)?;
        if first_key(&certificate).is_some_and(|public| public != pair.subject_public_key_info()) {
            return Err(PkiError::Pair { certificate: file.to_owned(), key: key.to_owned() });
        }
        let issuer = Issuer::from_ca_cert_pem(&certificate, pair)?;
        Ok(Self { certificate, issuer })
    }

    /// The one that lies in a folder, as `ca.pem` and `ca.key`; of several certificates the first is its own.
    pub(crate) fn open(folder: &Path) -> Result<Self, PkiError> {
        Exchange::Authority.put_in_place(folder).map_err(|source| PkiError::Write { file: folder.to_owned(), source })?;
        Self::load(&folder.join("ca.pem"), &folder.join("ca.key"))
    }

    /// A new one, which is believed beside those that lie in a folder: laid ready there.
    pub(crate) fn succeed(folder: &Path) -> Result<(), PkiError> {
        let (file, new) = (folder.join("ca.pem"), Self::new()?);
        let old = fs::read_to_string(&file).map_err(|source| PkiError::Read { file: file.clone(), source })?;
        let files = [("ca.key", new.issuer.key().serialize_pem(), 0o600), ("ca.pem", format!("{}{old}", new.certificate), 0o644)];
        Exchange::Authority.lay_ready(folder, &files).map_err(|source| PkiError::Write { file, source })
    }

    pub(crate) fn save(&self, certificate: &Path, key: &Path) -> Result<(), PkiError> {
        Issued { der: Vec::new(), certificate: self.certificate.clone(), key: self.issuer.key().serialize_pem() }
            .save(certificate, key)
    }

    /// For these names or addresses: [`server_hosts`].
    pub(crate) fn server(&self, hosts: &[String]) -> Result<Issued, PkiError> {
        self.host("Sightline server", hosts.to_vec(), SERVER_DAYS)
    }

    /// For these names or addresses alone.
    pub(crate) fn service(&self, names: &[String], days: i64) -> Result<Issued, PkiError> {
        self.host("Sightline service", names.to_vec(), days)
    }

    fn host(&self, title: &str, names: Vec<String>, days: i64) -> Result<Issued, PkiError> {
        let sans = names
            .into_iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(ip) => Ok(SanType::IpAddress(ip)),
                Err(_) => name.try_into().map(SanType::DnsName),
            })
            .collect::<Result<_, _>>()?;
        self.issue(title, sans, ExtendedKeyUsagePurpose::ServerAuth, days)
    }

    pub(crate) fn client(&self, caller: &Caller, days: i64) -> Result<Issued, PkiError> {
        let uri = caller.uri().try_into()?;
        let title = format!("Sightline {}", caller.role);
        self.issue(&title, vec![SanType::URI(uri)], ExtendedKeyUsagePurpose::ClientAuth, days)
    }

    fn issue(&self, title: &str, sans: Vec<SanType>, purpose: ExtendedKeyUsagePurpose, days: i64) -> Result<Issued, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = params(title, sans, days)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        // Random, and positive: the first bit is the sign.
        let mut serial: [u8; 16] = rand::random();
        serial[0] = serial[0] & 0x7f | 0x40;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { der: certificate.der().to_vec(), certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// The public key (SPKI, DER) of the first certificate of a PEM text.
fn first_key(pem: &str) -> Option<Vec<u8>> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, read) = X509Certificate::from_der(&der).ok()?;
    Some(read.public_key().raw.to_vec())
}

/// What a server is called: localhost, 127.0.0.1, ::1 and these names or addresses.
pub(crate) fn server_hosts(names: &[String]) -> Vec<String> {
    let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    all.extend(names.iter().filter(|n| !["localhost", "127.0.0.1", "::1"].contains(&n.as_str())).cloned());
    all
}

fn params(title: &str, sans: Vec<SanType>, days: i64) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, title);
    params.subject_alt_names = sans;
    let date = |days| {
        let day = (Utc::now() + TimeDelta::days(days)).date_naive();
        date_time_ymd(day.year(), day.month() as u8, day.day() as u8)
    };
    (params.not_before, params.not_after) = (date(-1), date(days));
    Ok(params)
}

impl Issued {
    /// As it lies in files: certificate, then key.
    pub(crate) fn pem(&self) -> (&str, &str) {
        (&self.certificate, &self.key)
    }

    pub(crate) fn save(&self, certificate: &Path, key: &Path) -> Result<(), PkiError> {
        durable::create_public(certificate, self.certificate.as_bytes())
            .map_err(|source| PkiError::Write { file: certificate.to_owned(), source })?;
        durable::create_private(key, self.key.as_bytes()).map_err(|source| PkiError::Write { file: key.to_owned(), source })
    }
}
