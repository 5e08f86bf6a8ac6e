use std::{collections::BTreeSet, fmt, str::FromStr};

use ed25519_dalek::{Signature, Signer, VerifyingKey, pkcs8::DecodePrivateKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use types::{AgencyId, CameraId, CaptureTime, CaseId, Class, QueryPart, ReceiveTime, TimeWindow};

use crate::{
    Area, Budgets, Caller, Place, Purpose, Scope,
    wire::{Reader, Writer},
};

pub use ed25519_dalek::SigningKey;

/// Separates these bytes from everything else an Ed25519 key might sign, and names the version of the encoding.
const DOMAIN: &[u8] = b"sightline grant v1\n";
/// The same with an area and parts at the end; only where a grant has one of them, so that a grant has one encoding.
const DOMAIN_V2: &[u8] = b"sightline grant v2\n";

/// What an authoriser signs: all that bounds a case. Two grants are equal exactly when their bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Unique, so a signature fits one case and can't be replayed under another.
    pub case: CaseId,
    /// Why the case exists. It sets the limits.
    pub purpose: Purpose,
    /// The law or order it rests on.
    pub legal_basis: String,
    /// Why the search is necessary. About the case, not about a person.
    pub reason: String,
    /// Who opens the case, and may search under it.
    pub requester: Caller,
    /// What may be searched.
    pub scope: Scope,
    /// How much may be searched.
    pub budgets: Budgets,
    /// Permits nothing before and
    pub opened: ReceiveTime,
    /// nothing from then on.
    pub expires: ReceiveTime,
    /// Why the search can't wait for an authoriser; only ever in missing-person cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<String>,
}

/// Why bytes, a key or a signature were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The bytes are none that [`Grant::to_bytes`] writes.
    #[error("these bytes are not a grant of a version this program knows")]
    Malformed,
    /// Another grant was signed, or by another key.
    #[error("the signature does not fit the grant and the key")]
    Signature,
    /// A passkey's signature has a fault, which it names.
    #[error("the passkey's signature is not taken: {0}")]
    Passkey(&'static str),
    /// A text is not bytes in hexadecimal.
    #[error("{what} is not {digits} hexadecimal digits")]
    Hex {
        /// What the text was to be.
        what: &'static str,
        /// How many digits that takes.
        digits: usize,
    },
    /// The bytes are no point of the curve.
    #[error("this is not an Ed25519 public key")]
    PublicKey,
    /// The text is no private key.
    #[error("this is not an Ed25519 private key in PKCS#8 PEM; `sightline init` makes one for every identity")]
    PrivateKey,
}

impl Grant {
    /// The exact bytes that are signed. Deterministic; [`Self::from_bytes`] accepts these and no others.
    pub fn to_bytes(&self) -> Vec<u8> {
        let more = self.scope.area.is_some() || !self.scope.parts.is_empty();
        let mut w = Writer::new(if more { DOMAIN_V2 } else { DOMAIN });
        w.text(self.case.as_str());
        w.text(self.purpose.as_str());
        w.text(&self.legal_basis);
        w.text(&self.reason);
        w.text(&self.requester.uri());
        w.list(self.scope.cameras.iter().map(CameraId::as_str));
        w.list(self.scope.agencies.iter().map(AgencyId::as_str));
        w.i64(self.scope.window.from().as_micros());
        w.i64(self.scope.window.to().as_micros());
        w.list(self.scope.classes.iter().map(|c| c.as_str()));
        w.u32(self.budgets.queries);
        w.u32(self.budgets.results);
        w.i64(self.opened.as_micros());
        w.i64(self.expires.as_micros());
        w.list(self.emergency.as_deref().into_iter().collect::<Vec<_>>().into_iter());
        if more {
            w.u32(self.scope.area.is_some().into());
            if let Some(area) = self.scope.area {
                let (latitude, longitude) = area.centre.e6();
                w.i64(latitude.into());
                w.i64(longitude.into());
                w.u32(area.radius_m);
            }
            w.list(self.scope.parts.iter().map(|p| p.as_str()));
        }
        w.finish()
    }

    /// Reads what is about to be signed, so that an authoriser sees what the bytes say and not what a server says they say.
    ///
    /// # Errors
    /// [`GrantError::Malformed`] where the bytes are not exactly those that [`Self::to_bytes`] writes for a grant.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GrantError> {
        let grant = Self::read(bytes).ok_or(GrantError::Malformed)?;
        // Sets out of order or with duplicates read the same but are not the bytes we would have written.
        if grant.to_bytes() == bytes { Ok(grant) } else { Err(GrantError::Malformed) }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let more = bytes.starts_with(DOMAIN_V2);
        let mut r = Reader::new(if more { DOMAIN_V2 } else { DOMAIN }, bytes)?;
        let case = CaseId::new(r.text()?).ok()?;
        let purpose = r.text()?.parse().ok()?;
        let (legal_basis, reason) = (r.text()?.to_owned(), r.text()?.to_owned());
        let requester = Caller::from_uri(r.text()?).ok()?;
        let cameras = r.list()?.into_iter().map(CameraId::new).collect::<Result<_, _>>().ok()?;
        let agencies = r.list()?.into_iter().map(AgencyId::new).collect::<Result<_, _>>().ok()?;
        let window = TimeWindow::new(CaptureTime::from_micros(r.i64()?).ok()?, CaptureTime::from_micros(r.i64()?).ok()?).ok()?;
        let classes = r.list()?.into_iter().map(Class::from_str).collect::<Result<_, _>>().ok()?;
        let budgets = Budgets { queries: r.u32()?, results: r.u32()? };
        let (opened, expires) = (ReceiveTime::from_micros(r.i64()?).ok()?, ReceiveTime::from_micros(r.i64()?).ok()?);
        let mut emergency = r.list()?;
        let (mut area, mut parts) = (None, BTreeSet::new());
        if more {
            area = match r.u32()? {
                0 => None,
                1 => {
                    let (latitude, longitude) = (i32::try_from(r.i64()?).ok()?, i32::try_from(r.i64()?).ok()?);
                    Some(Area { centre: Place::from_e6(latitude, longitude)?, radius_m: r.u32()? })
                }
                _ => return None,
            };
            parts = r.list()?.into_iter().map(QueryPart::parse).collect::<Option<_>>()?;
        }
        let scope = Scope { cameras, agencies, area, window, classes, parts };
        let grant = Self {
            case,
            purpose,
            legal_basis,
            reason,
            requester,
            scope,
            budgets,
            opened,
            expires,
            emergency: emergency.pop().map(str::to_owned),
        };
        (emergency.is_empty() && r.is_empty()).then_some(grant)
    }

    /// SHA-256 of the bytes: names the grant in the record without repeating it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }
}

macro_rules! hex_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($what, ":{}"), hex::encode(&self.0[..6]))
            }
        }

        impl FromStr for $name {
            type Err = GrantError;
            fn from_str(text: &str) -> Result<Self, GrantError> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| GrantError::Hex { what: $what, digits: 2 * $len })?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = GrantError;
            fn try_from(text: String) -> Result<Self, GrantError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(bytes: $name) -> String {
                bytes.to_string()
            }
        }
    };
}

hex_bytes!(
    /// An authoriser's Ed25519 public key: the one in their certificate.
    PublicKey, 32, "public_key"
);
hex_bytes!(
    /// Ed25519 over [`Grant::to_bytes`].
    GrantSignature, 64, "signature"
);

impl From<&SigningKey> for PublicKey {
    fn from(key: &SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }
}

/// Runs on the authoriser's own machine; the key never reaches a server.
pub fn sign_grant(key: &SigningKey, grant: &Grant) -> GrantSignature {
    GrantSignature(key.sign(&grant.to_bytes()).to_bytes())
}

/// Refuses malleable signatures and weak keys as well (`verify_strict`).
///
/// # Errors
/// [`GrantError::PublicKey`] where the key is none; [`GrantError::Signature`] where it did not sign this grant.
pub fn verify_grant(key: &PublicKey, grant: &Grant, signature: &GrantSignature) -> Result<(), GrantError> {
    let key = VerifyingKey::from_bytes(&key.0).map_err(|_| GrantError::PublicKey)?;
    key.verify_strict(&grant.to_bytes(), &Signature::from_bytes(&signature.0)).map_err(|_| GrantError::Signature)
}

/// Reads the private key of an identity.
///
/// # Errors
/// [`GrantError::PrivateKey`] where the text is no Ed25519 key in PKCS#8 PEM.
pub fn signing_key_from_pem(pem: &str) -> Result<SigningKey, GrantError> {
    SigningKey::from_pkcs8_pem(pem).map_err(|_| GrantError::PrivateKey)
}
