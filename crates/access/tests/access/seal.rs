//! The signature that holds an export together.

use access::log::*;

use super::log::{log_signer, trust, witness};

const SEAL: Seal = Seal { manifest: [0xab; 32], receipt: [0x12; 32] };

#[test]
fn a_seal_is_believed_by_its_logs_key_alone() {
    let text = SEAL.sign(&log_signer()).unwrap().to_string();
    assert_eq!(Seal::read(&text, log_signer().key()).unwrap(), SEAL);
    for other in ["sightline.example/other", "sightline.example/log"] {
        let other = NoteSigner::new(other, KeyKind::Log, access::SigningKey::from_bytes(&[9; 32])).unwrap();
        assert!(matches!(Seal::read(&text, other.key()), Err(LogError::NotTheLog(_))));
    }
    assert!(SEAL.sign(&witness(2)).is_err());
}

#[test]
fn every_flipped_bit_and_every_other_spelling_of_a_seal_is_noticed() {
    let (key, text) = (log_signer(), SEAL.sign(&log_signer()).unwrap().to_string());
    for bit in 0..text.len() * 8 {
        let mut flipped = text.clone().into_bytes();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let read = std::str::from_utf8(&flipped).ok().and_then(|t| Seal::read(t, key.key()).ok());
        assert_eq!(read, None, "bit {bit}");
    }
    for cut in 0..text.len() {
        let cut = text.get(..cut).and_then(|t| Seal::read(t, key.key()).ok());
        assert_eq!(cut, None);
    }
    let last = text.lines().last().unwrap();
    for more in [format!("{text}{last}\n"), format!("{text}\u{2014} somebody {}\n", "A".repeat(96)), format!("{text}\n")] {
        assert!(Seal::read(&more, key.key()).is_err(), "{more}");
    }
}

#[test]
fn neither_does_a_seal_pass_for_a_checkpoint_nor_a_checkpoint_for_a_seal() {
    let key = log_signer();
    let seal = SEAL.sign(&key).unwrap();
    assert!(trust(0).check(&seal).is_err());
    assert!(cosign(&witness(2), key.key(), &TreeHead::EMPTY, &seal, &[], 1).is_err(), "a witness signs no seal");
    let checkpoint = sign_head(&key, &TreeHead::EMPTY).unwrap().to_string();
    assert!(Seal::read(&checkpoint, key.key()).is_err());
    // Nor can a log be called like the first line of a seal.
    assert!(NoteKey::new("sightline export v1", KeyKind::Log, key.key().bytes()).is_err());
}
