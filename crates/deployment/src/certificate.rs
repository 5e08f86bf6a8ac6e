//! What a certificate says: the URI `sightline://<organisation>/<role>/<name>` of whom it names, its marks and its end.

use std::{collections::HashSet, net::IpAddr, path::Path, sync::Arc};

use access::{Caller, NameError};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// Whom a certificate names, and its marks.
#[derive(Debug)]
pub struct CertifiedCaller {
    /// Who may call with it.
    pub caller: Arc<Caller>,
    /// The certificate's serial number in lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of its public key (SPKI, DER), in hexadecimal.
    pub key_sha256: String,
    /// When the certificate ends, in seconds since 1970.
    pub ends: i64,
    /// By what the authority is known that issued it.
    pub authority: Option<String>,
}

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There is none.
    #[error("the client showed no certificate")]
    NoCertificate,
    /// It is no certificate.
    #[error("the client certificate can't be read")]
    Malformed,
    /// It has no name of ours, or several. Holds how many.
    #[error("the client certificate must hold exactly one sightline:// URI, it holds {0}")]
    Uris(usize),
    /// Its name is nobody's.
    #[error("the client certificate names nobody: {0}")]
    Name(#[from] NameError),
}

/// When the first certificate of a file ends (seconds since 1970); `None` where none can be read.
pub fn end(file: &Path) -> Option<i64> {
    let first = CertificateDer::pem_file_iter(file).ok()?.next()?.ok()?;
    let (_, read) = X509Certificate::from_der(&first).ok()?;
    Some(read.validity().not_after.timestamp())
}

/// Fingerprints of the keys of all certificates of a file; `None` where one can't be read.
pub fn keys(file: &Path) -> Option<Vec<String>> {
    let key = |der: Result<CertificateDer<'static>, _>| Some(unnamed(&der.ok()?)?.1);
    CertificateDer::pem_file_iter(file).ok()?.map(key).collect()
}

/// By what the authorities of a file are known to those whom they issue certificates.
pub fn authority_ids(file: &Path) -> HashSet<String> {
    let all = CertificateDer::pem_file_iter(file).into_iter().flatten();
    all.filter_map(|der| authority_id(&der.ok()?)).collect()
}

/// By what an authority is known to those whom it issues certificates, in hexadecimal.
pub(crate) fn authority_id(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(hex::encode(id.0)),
        _ => None,
    })
}

/// The authority that issued a certificate, as it is known to those whom it issued one.
pub(crate) fn issued_by(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(by) => by.key_identifier.as_ref().map(|id| hex::encode(id.0)),
        _ => None,
    })
}

/// The names and addresses of the first certificate of a file.
pub fn hosts(file: &Path) -> Option<Vec<String>> {
    let first = CertificateDer::pem_file_iter(file).ok()?.next()?.ok()?;
    hosts_of(&first)
}

/// The names and addresses by which whoever shows a certificate may be called.
pub fn hosts_of(der: &[u8]) -> Option<Vec<String>> {
    let (_, read) = X509Certificate::from_der(der).ok()?;
    let names = read.subject_alternative_name().ok()??;
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    };
    Some(names.value.general_names.iter().filter_map(host).collect())
}

/// Whom a certificate (DER) names, its serial number, and when it ends.
///
/// # Errors
/// [`IdentityError`].
pub fn named(der: &[u8]) -> Result<CertifiedCaller, IdentityError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| IdentityError::Malformed)?;
    let (caller, ends) = (Arc::new(caller_of(&certificate)?), certificate.validity().not_after.timestamp());
    let (serial, key_sha256) = marks(&certificate);
    Ok(CertifiedCaller { caller, serial, key_sha256, ends, authority: issued_by(der) })
}

/// Serial number and fingerprint of the key of a certificate that names nobody.
pub fn unnamed(der: &[u8]) -> Option<(String, String)> {
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
