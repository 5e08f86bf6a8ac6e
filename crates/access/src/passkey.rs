//! A passkey's signature under a grant, as a browser hands it over. No network and no library of WebAuthn: the few rules that count
//! here are stated and checked here, so that an export can be checked by anybody, years later.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Grant, GrantError};

/// Separates this challenge from any other that the key might be asked to sign.
const DOMAIN: &[u8] = b"sightline passkey v1\n";
/// What a public key in SPKI (DER) begins with; the point follows.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The bits of authenticator data: somebody was there, and showed who they are.
const PRESENT_AND_VERIFIED: u8 = 0x05;
/// SHA-256 of the server's name, the bits, and a counter. More would be extensions, of which nobody asked any.
const AUTHENTICATOR_DATA: usize = 32 + 1 + 4;
/// More than any browser says.
const MOST: usize = 4096;

/// An authoriser's passkey: which key, and at whose page alone it signs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    /// The name by which the server was called when it was made, such as `sight.example`.
    pub server: String,
    /// The public key as SPKI in DER: ES256 (P-256) or EdDSA (Ed25519).
    #[serde(with = "text")]
    pub key: Vec<u8>,
}

/// What a browser hands over when somebody signs with a passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// What the authenticator says: for which server, and that it looked who is there.
    #[serde(with = "text")]
    pub authenticator_data: Vec<u8>,
    /// What the browser says, as the JSON it wrote: what was asked, and by which page.
    #[serde(with = "text")]
    pub client_data: Vec<u8>,
    /// Over both.
    #[serde(with = "text")]
    pub signature: Vec<u8>,
}

/// Base64url without padding, as browsers write it.
mod text {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        URL_SAFE_NO_PAD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// What counts of what the browser says. It may say more, and does, so that nobody compares it with a template.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

impl Passkey {
    /// Refuses what is no key of ES256 or EdDSA, and a server that is no name.
    ///
    /// # Errors
    /// [`GrantError::Passkey`] with what is wrong.
    pub fn check(&self) -> Result<(), GrantError> {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        if self.server.is_empty() || self.server.len() > 253 || !self.server.bytes().all(letter) {
            return Err(GrantError::Passkey("the server it names is no name"));
        }
        match self.point()? {
            Point::P256(point) if point.first() == Some(&4) => Ok(()),
            Point::P256(_) => Err(GrantError::Passkey("its key is not a whole point of P-256")),
            Point::Ed25519(_) => Ok(()),
        }
    }

    fn point(&self) -> Result<Point<'_>, GrantError> {
        let unknown = GrantError::Passkey("its key is neither ES256 nor EdDSA");
        if let Some(point) = self.key.strip_prefix(&P256).filter(|point| point.len() == 65) {
            return Ok(Point::P256(point));
        }
        let bytes = self.key.strip_prefix(&ED25519).and_then(|point| point.try_into().ok()).ok_or_else(|| unknown.clone())?;
        VerifyingKey::from_bytes(bytes).map(Point::Ed25519).map_err(|_| unknown)
    }

    /// Whether somebody signed this grant with this passkey: at the page of its server, the key's holder was there and showed who
    /// they are, and the key can't leave its device.
    ///
    /// # Errors
    /// [`GrantError::Passkey`] with what does not hold.
    pub fn verify(&self, grant: &Grant, assertion: &Assertion) -> Result<(), GrantError> {
        let bad = |what| Err(GrantError::Passkey(what));
        self.check()?;
        let Assertion { authenticator_data, client_data, signature } = assertion;
        if client_data.len() > MOST || signature.len() > MOST {
            return bad("it is longer than any browser makes it");
        }
        let said: ClientData =
            serde_json::from_slice(client_data).map_err(|_| GrantError::Passkey("what the browser says can't be read"))?;
        if said.kind != "webauthn.get" {
            return bad("it was not made to sign in or to sign something");
        }
        if said.challenge != URL_SAFE_NO_PAD.encode(challenge(grant)) {
            return bad("something else than this grant was signed");
        }
        if said.cross_origin || said.top_origin.is_some() || !self.is_page_of_server(&said.origin) {
            return bad("it was made at another page than the server's");
        }
        if authenticator_data.len() != AUTHENTICATOR_DATA {
            return bad("what the authenticator says has another length than 37 bytes");
        }
        if authenticator_data[..32] != Sha256::digest(self.server.as_bytes())[..] {
            return bad("it was made for another server");
        }
        // Any other bit says that the key may be copied to other devices, or that more follows.
        if authenticator_data[32] != PRESENT_AND_VERIFIED {
            return bad("nobody was there, nobody showed who they are, or the key can leave its device");
        }
        let mut signed = authenticator_data.clone();
        signed.extend_from_slice(&Sha256::digest(client_data));
        match self.point()? {
            Point::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
                .verify(&signed, signature)
                .map_err(|_| GrantError::Signature),
            Point::Ed25519(key) => Signature::from_slice(signature)
                .and_then(|signature| key.verify_strict(&signed, &signature))
                .map_err(|_| GrantError::Signature),
        }
    }

    /// Over TLS, by the server's very name, whatever the port.
    fn is_page_of_server(&self, origin: &str) -> bool {
        let Some(host) = origin.strip_prefix("https://") else { return false };
        let (name, port) = host.split_once(':').unwrap_or((host, "443"));
        name == self.server && port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit())
    }
}

enum Point<'a> {
    P256(&'a [u8]),
    Ed25519(VerifyingKey),
}

/// What a browser is asked to have signed for a grant: SHA-256 of a domain and the grant's bytes.
pub fn challenge(grant: &Grant) -> [u8; 32] {
    let digest = Sha256::new().chain_update(DOMAIN).chain_update(grant.to_bytes()).finalize();
    digest.into()
}
