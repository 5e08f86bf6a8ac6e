//! What every command gets: the home folder, the printer, and a way to the server.

use parking_lot::Mutex;
use server::TurnedAway;

use crate::{
    client::Client,
    failure::{Failure, Outcome},
    global::Global,
    home::Home,
    output::Printer,
};

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) home: Home,
    pub(crate) printer: Printer,
    /// The command line, for whatever describes it.
    pub(crate) tree: fn() -> clap::Command,
    server: Option<String>,
    identity: Option<String>,
    /// The server that was called last, and as whom.
    called: Mutex<Option<(String, String)>>,
}

/// The identity a command calls as unless `--as` names another. `sightline init` makes one of each name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Operator,
    Investigator,
    Authoriser,
    Auditor,
    CameraOwner,
    Ingest,
}

impl Caller {
    const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Investigator => "investigator",
            Self::Authoriser => "authoriser",
            Self::Auditor => "auditor",
            Self::CameraOwner => "camera-owner",
            Self::Ingest => "ingest",
        }
    }
}

impl Context {
    pub(crate) fn new(global: &Global, printer: Printer, tree: fn() -> clap::Command) -> Outcome<Self> {
        let (server, identity) = (global.server.clone(), global.identity.clone());
        Ok(Self { home: Home::choose(global)?, printer, tree, server, identity, called: Mutex::default() })
    }

    /// Connects as `--as`, or as `usual`.
    pub(crate) async fn connect(&self, usual: Caller) -> Outcome<Client> {
        self.home.must_exist()?;
        let (server, identity) = (self.server()?, self.caller(usual));
        *self.called.lock() = Some((server.clone(), identity.to_owned()));
        Client::connect(&self.home, &server, identity).await
    }

    /// A server that takes no certificate of ours ends the connection, and HTTP/2 knows no more than that: asks it why.
    pub(crate) async fn explained(&self, failure: Failure) -> Failure {
        let called = self.called.lock().clone();
        let Some((server, identity)) = called else { return failure };
        if !["cancelled", "unavailable", "unknown", "internal", "no_server", "untrusted"].contains(&failure.reason.as_str()) {
            return failure;
        }
        turned_away(&self.home, &server, &identity).await.unwrap_or(failure)
    }

    /// `--server`, else where the home folder's own server listens.
    pub(crate) fn server(&self) -> Outcome<String> {
        self.server.as_ref().map_or_else(|| self.home.server_address(), |server| Ok(server.clone()))
    }

    pub(crate) fn caller(&self, usual: Caller) -> &str {
        self.identity.as_deref().unwrap_or(usual.name())
    }
}

/// Why a server takes no certificate of ours, if that is why it answers nothing.
pub(crate) async fn turned_away(home: &Home, server: &str, identity: &str) -> Option<Failure> {
    let (reason, what) = match server::turned_away(home.layout(), server, identity).await? {
        TurnedAway::Revoked => ("identity_revoked", "was revoked"),
        TurnedAway::Expired => ("identity_expired", "has expired"),
    };
    let failure = Failure::new(reason, format!("the certificate of the identity {identity:?} {what}"));
    Some(failure.hint("ask an operator for another one: `sightline identity add`"))
}
