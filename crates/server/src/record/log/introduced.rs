//! Which keys the log has had, by the record and by the files beside its key; and the end of a change that was cut off.

use std::{io, path::Path};

use access::log::{Introductions, NoteSigner};
use audit_log::{LogFault, introductions_beside, public_half, read_introductions, read_key, read_signer};
use catalogue::Catalogue;

use super::record_fault::RecordFault;
use deployment::{Exchange, Home};

pub(super) fn io_fault(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordFault {
    let path = path.to_owned();
    move |source| LogFault::Io { action, path, source }.into()
}

/// Puts a key into its place that the record says was introduced, and clears one away of which the record says nothing.
pub(super) async fn finish(home: &Home, catalogue: &Catalogue) -> Result<(), RecordFault> {
    let pki = home.pki();
    let ready = Exchange::LogKey.ready(&pki);
    if !ready.exists() {
        return Ok(());
    }
    let key = ready.join("log.key");
    let signer = read_signer(&key)?;
    let keys = read_introductions(&introductions_beside(&key), signer.key().name())?;
    if catalogue.log_keys_on_record().await?.as_deref() == Some(keys.to_text().as_str()) {
        Exchange::LogKey.put_in_place(&pki).map_err(io_fault("write", &pki))?;
        tracing::info!(key = %signer.key(), "the log has a new key");
        return Ok(());
    }
    Exchange::LogKey.discard(&pki).map_err(io_fault("clear", &ready))
}

fn write_keys(home: &Home, keys: &Introductions) -> Result<(), RecordFault> {
    let file = home.log_introductions();
    durable::write(&file, format!("{}\n", keys.to_text()).as_bytes()).map_err(io_fault("write", &file))
}

/// The keys that the log has had. The record says so; a file that is behind it is brought up to it.
///
/// # Errors
/// [`RecordFault::Replaced`] where the key that lies here is not the last of them, [`LogFault::Older`] where the file knows of a
/// change that the record does not have.
pub(super) async fn read_keys(home: &Home, signer: &NoteSigner, catalogue: &Catalogue) -> Result<Introductions, RecordFault> {
    let name = signer.key().name();
    let file = home.log_introductions();
    let there = read_introductions(&file, name)?;
    let recorded = recorded(catalogue, name).await?;
    if recorded != there {
        if recorded.begin(&there) {
            let seen = there.taken_over().last().map_or(0, |head| head.size) + 1;
            return Err(LogFault::Older { have: catalogue.audit_len().await?, seen, by: file.display().to_string() }.into());
        }
        if !there.begin(&recorded) || recorded.keys().last() != Some(signer.key()) {
            return Err(RecordFault::Replaced { path: home.log_key() });
        }
        write_keys(home, &recorded)?;
    }
    if recorded.keys().last().is_some_and(|last| last != signer.key()) {
        return Err(RecordFault::Replaced { path: home.log_key() });
    }
    Ok(recorded)
}

async fn recorded(catalogue: &Catalogue, name: &str) -> Result<Introductions, RecordFault> {
    match catalogue.log_keys_on_record().await? {
        Some(text) => Ok(Introductions::read(name, &text)?),
        None => Ok(Introductions::NONE),
    }
}

/// Whether the record says that another key than the one that lies in a folder signs the log.
pub(crate) async fn introduced_elsewhere(home: &Home, catalogue: &Catalogue) -> Result<bool, RecordFault> {
    let key = read_key(&public_half(&home.log_key()))?;
    Ok(recorded(catalogue, key.name()).await?.keys().last().is_some_and(|last| *last != key))
}
