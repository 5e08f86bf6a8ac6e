//! The log's signature under what is told of a case to another system.

use ed25519_dalek::Signature;

use super::{KeyKind, LogError, NoteKey, NoteSigner};

/// Signed in front of what is told, so that no such text can be a checkpoint or a seal: the name of a log has no space.
const HEADER: &str = "sightline event v1\n";

/// The 64 bytes of the Ed25519 signature over the header and the text.
///
/// # Errors
/// [`LogError::NotTheLog`] for a key that signs no log.
pub fn sign_event(signer: &NoteSigner, text: &str) -> Result<Vec<u8>, LogError> {
    if signer.key().kind() != KeyKind::Log {
        return Err(LogError::NotTheLog(signer.key().name().to_owned()));
    }
    Ok(signer.sign(&format!("{HEADER}{text}"), 0).bytes)
}

/// # Errors
/// [`LogError::NotTheLog`] where it is not this log's signature under this text.
pub fn verify_event(log: &NoteKey, text: &str, signature: &[u8]) -> Result<(), LogError> {
    let not = || LogError::NotTheLog(log.name().to_owned());
    let key = ed25519_dalek::VerifyingKey::from_bytes(&log.bytes()).map_err(|_| not())?;
    let signature = Signature::from_slice(signature).map_err(|_| not())?;
    key.verify_strict(format!("{HEADER}{text}").as_bytes(), &signature).map_err(|_| not())
}
