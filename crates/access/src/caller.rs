use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a caller's certificate lets them do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Opens cases and searches under them.
    Investigator,
    /// Signs (or does not sign) what an investigator asks for.
    Authoriser,
    /// Decides over their own organisation's cameras.
    CameraOwner,
    /// Keeps the deployment running; sees no sightings.
    Operator,
    /// Reads the record; sees no sightings.
    Auditor,
    /// A machine: watches the cameras of its own agency and hands in what it saw; reads nothing.
    Ingest,
}

impl Role {
    /// Every role, in the order of a row of [`Action::permission`](crate::Action::permission).
    pub const ALL: [Self; 6] =
        [Self::Investigator, Self::Authoriser, Self::CameraOwner, Self::Operator, Self::Auditor, Self::Ingest];

    /// The word in certificates, on the wire and on the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Investigator => "investigator",
            Self::Authoriser => "authoriser",
            Self::CameraOwner => "camera_owner",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Ingest => "ingest",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = NameError;
    fn from_str(word: &str) -> Result<Self, NameError> {
        Self::ALL.into_iter().find(|r| r.as_str() == word).ok_or_else(|| NameError::Role(shorten(word)))
    }
}

/// Why a text names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is no name: its shape or length is wrong. Holds the text, shortened.
    #[error("{0:?} is not a name: 1 to 63 of a-z, 0-9, '-', '_' and '.', starting with a letter or digit")]
    Name(String),
    /// The text is no role. Holds the text, shortened.
    #[error("{0:?} is not a role; the roles are investigator, authoriser, camera_owner, operator, auditor, ingest")]
    Role(String),
    /// The text is no URI of an identity. Holds the text, shortened.
    #[error("{0:?} does not read sightline://ORGANISATION/ROLE/NAME")]
    Uri(String),
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A person's or an organisation's name: one spelling each, so that two can be told apart by comparing bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Takes 1 to 63 of `a-z`, `0-9`, `-`, `_` and `.`, beginning with a letter or digit.
    ///
    /// # Errors
    /// [`NameError::Name`] for any other text.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let fits = (1..=63).contains(&bytes.len())
            && word(&bytes[0])
            && bytes.iter().all(|b| word(b) || matches!(b, b'-' | b'_' | b'.'));
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError::Name(shorten(text))) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a reader could take one for the other: the same name does, and so do `alpha.`, `a1pha` and `alpha`.
    pub fn looks_like(&self, other: &Self) -> bool {
        skeleton(&self.0) == skeleton(&other.0)
    }
}

/// What a name looks like: two that can be taken for one another have one skeleton. Compared, never shown.
pub fn skeleton(name: &str) -> String {
    let letters = name.to_lowercase().replace(['_', '.'], "-").replace(['1', 'i', '|'], "l").replace('0', "o").replace('5', "s");
    let words: Vec<_> = letters.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-").replace("rn", "m").replace("vv", "w").replace("cl", "d")
}

/// Why an organisation can't be called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnclearName {
    /// The name's shape hides something from a reader. Holds the name.
    #[error("{0:?} ends in a dot or a dash, or has two in a row: people would not see it")]
    Shape(String),
    /// A reader could take the name for another one.
    #[error("{new:?} can be taken for {there:?}, which is there already")]
    Alike {
        /// The name that was to be given.
        new: String,
        /// The name that exists.
        there: String,
    },
}

/// Whether a name may be given to an organisation beside those that are there.
///
/// # Errors
/// [`UnclearName`] where people could take it for another one. The very name that is there already is fine.
pub fn check_organisation<'a>(new: &str, there: impl IntoIterator<Item = &'a str>) -> Result<(), UnclearName> {
    let mark = |c: char| matches!(c, '.' | '-' | '_');
    if new.ends_with(mark) || new.split(mark).any(str::is_empty) {
        return Err(UnclearName::Shape(shorten(new)));
    }
    let mine = skeleton(new);
    match there.into_iter().find(|there| *there != new && skeleton(there) == mine) {
        Some(there) => Err(UnclearName::Alike { new: shorten(new), there: shorten(there) }),
        None => Ok(()),
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// Who asks, as their certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// The person's name, unique in their organisation.
    pub name: Name,
    /// The organisation, whose name is the id of its agency where it has cameras.
    pub organisation: Name,
    /// The one role of this certificate.
    pub role: Role,
}

impl Caller {
    /// `sightline://ORGANISATION/ROLE/NAME`: the URI in the certificate's subject alternative name.
    pub fn uri(&self) -> String {
        format!("sightline://{}/{}/{}", self.organisation, self.role, self.name)
    }

    /// Reads the URI of a certificate, as [`Self::uri`] writes it.
    ///
    /// # Errors
    /// [`NameError`] where it does not read `sightline://ORGANISATION/ROLE/NAME`, or a part of it is none.
    pub fn from_uri(uri: &str) -> Result<Self, NameError> {
        let bad = || NameError::Uri(shorten(uri));
        let mut parts = uri.strip_prefix("sightline://").ok_or_else(bad)?.split('/');
        let (Some(organisation), Some(role), Some(name), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        Ok(Self { name: Name::new(name)?, organisation: Name::new(organisation)?, role: role.parse()? })
    }

    /// Whether both are one person, whatever role each certificate gives them.
    pub fn same_person(&self, other: &Self) -> bool {
        self.name == other.name && self.organisation == other.organisation
    }

    /// Whether they belong to the organisation that runs an agency's cameras: an agency's id is its organisation's name.
    pub fn is_of(&self, agency: &types::AgencyId) -> bool {
        self.organisation.as_str() == agency.as_str()
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ({})", self.name, self.organisation, self.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organisation_that_can_be_taken_for_another_is_refused() {
        let there = ["alpha", "modern-city", "unit-10"];
        for new in ["alpha.", "alpha-", "modern--city"] {
            assert!(matches!(check_organisation(new, there), Err(UnclearName::Shape(_))), "{new}");
        }
        for new in ["a1pha", "aipha", "modem-city", "modern.city", "modern_city", "unit-lo"] {
            assert!(matches!(check_organisation(new, there), Err(UnclearName::Alike { .. })), "{new}");
        }
        for new in ["alpha", "beta", "alphas", "unit-1-0", "unit-100"] {
            assert_eq!(check_organisation(new, there), Ok(()), "{new}");
        }
    }

    #[test]
    fn a_caller_survives_the_uri_and_nothing_else_is_one() {
        for role in Role::ALL {
            let caller = Caller { name: Name::new("a.b").unwrap(), organisation: Name::new("city-police").unwrap(), role };
            assert_eq!(Caller::from_uri(&caller.uri()), Ok(caller));
        }
        for bad in [
            "",
            "sightline://",
            "sightline://a/auditor",
            "sightline://a/auditor/b/c",
            "sightline://a/root/b",
            "sightline://A/auditor/b",
            "https://a/auditor/b",
            "sightline://a/auditor/",
            "sightline:///auditor/b",
            "sightline://a/auditor/b?x",
        ] {
            assert!(Caller::from_uri(bad).is_err(), "{bad:?}");
        }
    }
}
