//! What a certificate says: the URI `sightline://<organisation>/<role>/<name>` of whom it names, its marks and its end.

use std::{path::Path, sync::Arc};

use access::{Caller, NameError};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Somebody whose certificate names them.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) caller: Arc<Caller>,
    /// The certificate's serial number in lower-case hexadecimal.
    pub(crate) serial: String,
    /// SHA-256 of its public key (SPKI, DER), in hexadecimal.
    pub(crate) key_sha256: String,
    /// When the certificate ends, in seconds since 1970.
    pub(crate) ends: i64,
}

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("the client showed no certificate")]
    NoCertificate,
    #[error("the client certificate can't be read")]
    Malformed,
    #[error("the client certificate must hold exactly one sightline:// URI, it holds {0}")]
    Uris(usize),
    #[error("the client certificate names nobody: {0}")]
    Name(#[from] NameError),
}

/// When the first certificate of a file ends (seconds since 1970); `None` where none can be read.
pub(crate) fn end(file: &Path) -> Option<i64> {
    let first = CertificateDer::pem_file_iter(file).ok()?.next()?.ok()?;
    let (_, read) = X509Certificate::from_der(&first).ok()?;
    Some(read.validity().not_after.timestamp())
}

/// The names and addresses by which a server's certificate may be called, as they stand in an address: `[::1]` in brackets.
pub(crate) fn host_names(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| format!("[{}]", std::net::Ipv6Addr::from(bytes))),
        },
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}

/// Whom a certificate names, its serial number, and when it ends.
pub(crate) fn named(der: &[u8]) -> Result<Known, IdentityError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| IdentityError::Malformed)?;
    let (caller, ends) = (Arc::new(caller_of(&certificate)?), certificate.validity().not_after.timestamp());
    let (serial, key_sha256) = marks(&certificate);
    Ok(Known { caller, serial, key_sha256, ends })
}

/// Serial number and fingerprint of the key of a certificate that names nobody.
pub(crate) fn unnamed(der: &[u8]) -> Option<(String, String)> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| marks(&certificate))
}

fn marks(certificate: &X509Certificate<'_>) -> (String, String) {
    (certificate.serial.to_str_radix(16), hex::encode(Sha256::digest(certificate.public_key().raw)))
}

fn caller_of(certificate: &X509Certificate<'_>) -> Result<Caller, IdentityError> {
    let names = certificate.subject_alternative_name().map_err(|_| IdentityError::Malformed)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|n| &n.value.general_names)
        .filter_map(|n| if let GeneralName::URI(uri) = n { Some(*uri) } else { None })
        .filter(|uri| uri.starts_with("sightline://"))
        .collect();
    match uris[..] {
        [uri] => Ok(Caller::from_uri(uri)?),
        _ => Err(IdentityError::Uris(uris.len())),
    }
}
