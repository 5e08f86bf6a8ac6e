use std::path::PathBuf;

use access::log::{NoteKey, Trust};
use audit_log::{LogFault, introductions_beside, read_introductions};
use clap::Args;

use crate::{
    failure::{Failure, Outcome, library},
    output::count,
};

/// What a command goes by where nothing is named: the deployment on this machine, if there is one.
pub trait Deployment {
    /// Whom to believe of its log.
    ///
    /// # Errors
    /// There is none, or its key can't be read.
    fn trust(&self) -> Outcome<Trust>;

    /// The folder of its log.
    ///
    /// # Errors
    /// There is none.
    fn log(&self) -> Outcome<PathBuf>;
}

/// Whom to believe.
#[derive(Debug, Args)]
pub struct Keys {
    /// The log's key, name+id+key, or a file that holds it [default: the home folder's]
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
    /// A witness's key, or a file that holds it; repeat for more
    #[arg(long = "witness-key", value_name = "KEY")]
    witness_keys: Vec<String>,
    /// How many of these witnesses must have signed [default: all of them]
    #[arg(long, value_name = "N")]
    quorum: Option<usize>,
}

impl Keys {
    pub(crate) fn trust(&self, here: &dyn Deployment) -> Outcome<Trust> {
        let Trust { log, known, .. } = match &self.log_key {
            Some(key) => read_log_key(key)?,
            None => here.trust()?,
        };
        let witnesses = self.witness_keys.iter().map(|k| read_key(k)).collect::<Outcome<Vec<_>>>()?;
        let quorum = self.quorum.unwrap_or(witnesses.len());
        if quorum > witnesses.len() {
            let message = format!("{quorum} witnesses can't be asked for with {}", count(witnesses.len() as u64, "key"));
            return Err(Failure::usage(message).hint("name each witness's key: `--witness-key KEY`"));
        }
        Ok(Trust { log, known, witnesses, quorum })
    }
}

pub(crate) fn read_key(text: &str) -> Outcome<NoteKey> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    audit_log::read_key(text.as_ref())
        .map_err(|e| fault(&e).hint("a key reads name+id+key; the log's is in pki/log.pub, a witness prints its own"))
}

/// A log's key; with a file comes what lies beside it of the log's other keys.
fn read_log_key(text: &str) -> Outcome<Trust> {
    let key = read_key(text)?;
    if text.parse::<NoteKey>().is_ok() {
        return Ok(Trust::of(key));
    }
    let known = read_introductions(&introductions_beside(text.as_ref()), key.name()).map_err(|e| fault(&e))?;
    Ok(Trust::knowing(key, known))
}

/// What is wrong with a log or a key.
pub fn fault(error: &LogFault) -> Failure {
    library("log", error).hint(error.hint())
}
