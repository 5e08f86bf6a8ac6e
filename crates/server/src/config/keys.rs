//! The configuration by its keys, so that two of them can be compared.

use std::{collections::BTreeMap, fmt};

/// The file `sightline init` writes: every key with its meaning and default.
pub const TEMPLATE: &str = include_str!("sightline.toml");

/// Keys that a running server takes anew; any other needs a restart.
const AT_ONCE: [&str; 11] = [
    "server.log",
    "server.max_connections",
    "server.max_connections_per_address",
    "callers.calls_per_second",
    "callers.burst",
    "callers.at_once",
    "callers.connections",
    "live.picture_seconds",
    "live.sample_fps",
    "live.silence_seconds",
    "live.workers",
];

/// Every key with its value; those that are left out with their default. Values may be secret and are never shown.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Keys(BTreeMap<String, toml::Value>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// What another configuration changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changes {
    pub(crate) at_once: Vec<String>,
    pub(crate) needs_restart: Vec<String>,
}

impl Keys {
    pub(super) fn of(text: &str) -> Result<Self, toml::de::Error> {
        let mut keys = BTreeMap::new();
        for text in [TEMPLATE, text] {
            for (section, value) in toml::from_str::<toml::Table>(text)? {
                match value {
                    toml::Value::Table(table) => {
                        keys.extend(table.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)));
                    }
                    value => drop(keys.insert(section, value)),
                }
            }
        }
        Ok(Self(keys))
    }

    pub(crate) fn changes(&self, to: &Self) -> Changes {
        let mut changes = Changes::default();
        let all: std::collections::BTreeSet<_> = self.0.keys().chain(to.0.keys()).collect();
        for key in all.into_iter().filter(|key| self.0.get(*key) != to.0.get(*key)) {
            let list = if AT_ONCE.contains(&key.as_str()) { &mut changes.at_once } else { &mut changes.needs_restart };
            list.push(key.clone());
        }
        changes
    }

    /// These, with the values of `to` where they are taken at once: what counts after a reload.
    pub(crate) fn taking(&self, to: &Self) -> Self {
        let taken = to.0.iter().filter(|(key, _)| AT_ONCE.contains(&key.as_str()));
        let mut keys = self.0.clone();
        keys.extend(taken.map(|(key, value)| (key.clone(), value.clone())));
        Self(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_need_a_restart_are_told_from_those_that_do_not_and_a_default_spelled_out_is_no_change() {
        let old = Keys::of("[jobs]\nworkers = 0").unwrap();
        let new =
            Keys::of("[callers]\nburst = 7\n[server]\nlisten = \"127.0.0.1:7443\"\n[footage]\nroots = { a = \"/x\" }").unwrap();
        let changes = old.changes(&new);
        assert_eq!(
            (changes.at_once, changes.needs_restart),
            (vec!["callers.burst".to_owned()], vec!["footage.roots".to_owned()])
        );
        // What needs a restart is still named by the next reload.
        let taken = old.taking(&new).changes(&new);
        assert_eq!((taken.at_once, taken.needs_restart), (vec![], vec!["footage.roots".to_owned()]));
        assert_eq!(new.changes(&new), Changes::default());
    }

    #[test]
    fn every_key_that_is_taken_at_once_is_one_of_the_template() {
        let keys = Keys::of("").unwrap();
        assert!(AT_ONCE.iter().all(|key| keys.0.contains_key(*key)));
    }
}
