use std::borrow::Cow;

use sqlx::{
    SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use crate::CatalogueError;

/// File name and text of each migration, in order; `build.rs` lists the folders.
pub(super) type Texts = &'static [(&'static str, &'static str)];
pub(super) const SQLITE: Texts = include!(concat!(env!("OUT_DIR"), "/sqlite.rs"));
pub(super) const POSTGRES: Texts = include!(concat!(env!("OUT_DIR"), "/postgres.rs"));

/// What brings a database from any older state to today's. A file's name is its version, `_` and what it does: `0001_first.sql`.
/// A file that is named otherwise is left out; the tests below refuse one.
pub(super) fn migrator(texts: Texts) -> Migrator {
    Migrator::with_migrations(texts.iter().filter_map(|(name, text)| migration(name, text)).collect())
}

fn migration(name: &str, text: &'static str) -> Option<Migration> {
    let (version, what) = name.strip_suffix(".sql")?.split_once('_')?;
    let what = Cow::Owned(what.replace('_', " "));
    Some(Migration::new(version.parse().ok()?, what, MigrationType::Simple, text.into_sql_str(), false))
}

/// What bringing the tables up to date came to.
pub(super) fn migrated(
    done: Result<(), MigrateError>,
    database: &str,
    failed: impl FnOnce(sqlx::Error) -> CatalogueError,
) -> Result<(), CatalogueError> {
    match done {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..)) => {
            Err(CatalogueError::TooNew { database: database.to_owned() })
        }
        Err(MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _)) => Err(failed(e)),
        Err(other) => Err(CatalogueError::Database(Box::new(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folders_is_a_migration_with_a_version_of_its_own() {
        for texts in [SQLITE, POSTGRES] {
            let migrator = migrator(texts);
            let versions: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
            assert_eq!(versions.len(), texts.len(), "{texts:?}");
            assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{versions:?}");
        }
    }

    /// Databases remember the checksum of each migration that they ran. It is the SHA-384 of the file, as `sqlx::migrate!` made it.
    #[test]
    fn checksums_are_those_that_databases_remember() {
        let first = migrator(SQLITE).iter().next().map(|first| hex(&first.checksum)).unwrap_or_default();
        assert!(first.starts_with("ffc92933c678b717262af097"), "{first}");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
