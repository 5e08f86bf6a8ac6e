use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Separates these hashes from every other.
const DOMAIN: &[u8] = b"sightline commitment v1\n";

macro_rules! matters {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What somebody wrote or showed, as far as the record has to do with it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Matter { $($(#[$doc])* #[serde(rename = $word)] $variant),+ }

        impl Matter {
            /// Every matter, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that the record keeps, and that the commitment is made with.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The matter of a word. `None` where there is none.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|m| m.as_str() == word)
            }
        }
    };
}

matters! {
    /// The law or order a case rests on.
    LegalBasis = "legal_basis",
    /// Why a case was opened or closed, or something else was done.
    Reason = "reason",
    /// Why a case was opened as an emergency.
    Emergency = "emergency",
    /// SHA-256 of the grant that was opened or authorised, in hexadecimal. The grant holds free text, so that its bare digest
    /// would let somebody guess.
    Grant = "grant",
    /// What a camera or an agency is called.
    Title = "title",
    /// Where footage lay.
    Path = "path",
    /// SHA-256 of a query picture, in hexadecimal; of several a line each, with `like` or `unlike` before it.
    Picture = "picture",
}

/// A salted hash: shows later that exactly this was written, and nothing once salt and words are erased.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commitment(pub [u8; 32]);

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({})", hex::encode(&self.0[..6]))
    }
}

impl TryFrom<String> for Commitment {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map(|()| Self(bytes))
    }
}

impl From<Commitment> for String {
    fn from(commitment: Commitment) -> Self {
        commitment.to_string()
    }
}

/// What opens a [`Commitment`]. The salt is random and used once: without it the words can't be guessed.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What kind of words they are.
    pub matter: Matter,
    /// 32 random bytes, used once.
    pub salt: [u8; 32],
    /// What somebody wrote, or the digest of what they showed.
    pub words: String,
}

impl Sealed {
    /// SHA-256 over the matter, the salt and the words.
    pub fn commitment(&self) -> Commitment {
        let mut hash = Sha256::new_with_prefix(DOMAIN);
        // The word has no newline and the salt one length: nothing can run into its neighbour.
        hash.update(self.matter.as_str());
        hash.update(b"\n");
        hash.update(self.salt);
        hash.update(self.words.as_bytes());
        Commitment(hash.finalize().into())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({}, {} bytes)", self.matter.as_str(), self.words.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_fits_its_words_its_matter_and_its_salt_alone() {
        let sealed = Sealed { matter: Matter::Reason, salt: [7; 32], words: "a child is lost".to_owned() };
        let commitment = sealed.commitment();
        let same = Sealed { matter: Matter::Reason, salt: [7; 32], words: "a child is lost".to_owned() };
        assert_eq!(commitment, same.commitment());
        assert!(!format!("{sealed:?}").contains("child"));
        for other in [
            Sealed { matter: Matter::Emergency, ..sealed.clone() },
            Sealed { salt: [8; 32], ..sealed.clone() },
            Sealed { words: "a child is lost ".to_owned(), ..sealed },
        ] {
            assert_ne!(commitment, other.commitment());
        }
    }

    #[test]
    fn a_commitment_survives_its_text_and_matters_their_words() {
        let commitment = Commitment([0xab; 32]);
        let text = serde_json::to_string(&commitment).unwrap();
        assert_eq!(serde_json::from_str::<Commitment>(&text).unwrap(), commitment);
        assert!(serde_json::from_str::<Commitment>("\"ab\"").is_err());
        for matter in Matter::ALL {
            assert_eq!(Matter::parse(matter.as_str()), Some(*matter));
            assert_eq!(serde_json::to_value(matter).unwrap(), matter.as_str());
        }
    }
}
