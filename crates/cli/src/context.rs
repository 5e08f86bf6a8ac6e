//! What every command gets: the home folder, the printer, and a way to the server.

use crate::{args::Global, client::Client, failure::Outcome, home::Home, output::Printer};

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) home: Home,
    pub(crate) printer: Printer,
    server: Option<String>,
    identity: Option<String>,
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
    pub(crate) fn new(global: &Global, printer: Printer) -> Outcome<Self> {
        Ok(Self { home: Home::choose(global)?, printer, server: global.server.clone(), identity: global.identity.clone() })
    }

    /// Connects as `--as`, or as `usual`.
    pub(crate) async fn connect(&self, usual: Caller) -> Outcome<Client> {
        self.home.must_exist()?;
        Client::connect(&self.home, &self.server()?, self.caller(usual)).await
    }

    /// `--server`, else where the home folder's own server listens.
    pub(crate) fn server(&self) -> Outcome<String> {
        self.server.as_ref().map_or_else(|| self.home.server_address(), |server| Ok(server.clone()))
    }

    pub(crate) fn caller(&self, usual: Caller) -> &str {
        self.identity.as_deref().unwrap_or(usual.name())
    }
}
