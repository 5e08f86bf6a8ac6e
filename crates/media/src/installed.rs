//! What of GStreamer is installed here, for whoever looks after the machine.

use crate::{MediaError, abilities::ABILITIES, cell};

/// The oldest version that this is written for.
const OLDEST: (u32, u32) = (1, 22);

/// Something that GStreamer is needed for, and what does it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ability {
    /// What it does, for people.
    pub what: &'static str,
    /// Elements that can do it; one is enough.
    pub elements: &'static [&'static str],
    /// The package of Debian that has it.
    pub package: &'static str,
    /// Without it nothing can be watched at all.
    pub needed: bool,
    /// The element that is there, with the version of its plugin.
    pub found: Option<(&'static str, String)>,
}

/// GStreamer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Such as 1.24.2.
    pub version: String,
    /// Whether it is one that this version works with.
    pub is_new_enough: bool,
    /// All that may be needed, in the same order each time.
    pub abilities: Vec<Ability>,
}

/// Looks up what there is; makes and opens nothing.
///
/// # Errors
/// [`MediaError::NoCell`] where decoders can't be confined; [`MediaError::Internal`] where GStreamer can't be loaded.
pub fn installed() -> Result<Installed, MediaError> {
    let ((major, minor, micro), found) = cell::installed()?;
    let abilities = ABILITIES.iter().zip(found.into_iter().chain(std::iter::repeat(None)));
    let abilities = abilities.map(|((what, elements, package, needed), found)| Ability {
        what,
        elements,
        package,
        needed: *needed,
        found: found.and_then(|(which, version)| Some((*elements.get(which)?, version))),
    });
    Ok(Installed {
        version: format!("{major}.{minor}.{micro}"),
        is_new_enough: (major, minor) >= OLDEST,
        abilities: abilities.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tests_run_on_is_found_with_its_version_and_what_decodes_may_be_plugged() {
        let installed = installed().unwrap();
        assert!(installed.is_new_enough, "{}", installed.version);
        for ability in installed.abilities.iter().filter(|ability| ability.needed) {
            let (_, version) = ability.found.as_ref().unwrap_or_else(|| panic!("{} is not here", ability.what));
            assert!(version.starts_with("1."), "{ability:?}");
        }
        for (_, elements, ..) in ABILITIES.iter().filter(|(what, ..)| what.starts_with("decoding")) {
            assert!(elements.iter().all(|name| crate::allowed::decoder(name)), "{elements:?}");
        }
    }
}
