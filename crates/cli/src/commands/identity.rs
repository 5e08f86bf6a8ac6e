use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use access::{Caller as Who, Name, Role};
use chrono::DateTime;
use clap::{
    Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use deployment::{HomeLock, IssuedIdentity, LockError};
use proto::v1;
use server::{Config, OfflineIdentities};

use crate::{
    commands::rotate::AuthorityFolder,
    context::{Caller, Context},
    failure::{Failure, Outcome, library},
    output::table,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// Issue a certificate; runs where `sightline init` made the authority
    Add {
        /// Whose it is: 1 to 63 of a-z, 0-9, '-', '_' and '.'
        name: Name,
        /// What it lets them do
        #[arg(long, value_parser = role())]
        role: Role,
        /// Their organisation; camera owners are of the agency whose cameras are theirs
        #[arg(long, value_name = "AGENCY")]
        agency: Name,
        /// How long it is taken
        #[arg(long, default_value_t = 90, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=397))]
        days: u32,
        /// Make a home folder for them here, to be handed over, and keep no private key [default: beside the others, or beside the authority's folder]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        #[command(flatten)]
        authority: AuthorityFolder,
    },
    /// Issue a certificate to a service that servers call, such as the database; runs where `sightline init` made the authority
    Service {
        /// What its files are called, and the host it is reached by unless --host says another
        name: Name,
        /// A name or address it is reached by; repeat for more [default: NAME]
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        /// How long it is taken
        #[arg(long, default_value_t = 397, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=397))]
        days: u32,
        /// Where its certificate and its key go [default: pki/services in the home folder]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        #[command(flatten)]
        authority: AuthorityFolder,
    },
    /// List the certificates that were issued here
    List,
    /// From now on a certificate is not taken any more, on open connections too; there is no way back
    Revoke {
        /// The identity's name in the home folder, or the certificate's serial number
        #[arg(value_name = "NAME|SERIAL")]
        which: String,
    },
}

fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(["investigator", "authoriser", "camera-owner", "operator", "auditor", "ingest"])
        .try_map(|word| word.replace('-', "_").parse::<Role>())
}

/// Issued, and revoked or not.
#[derive(Debug, serde::Serialize)]
struct View {
    serial: String,
    name: String,
    organisation: String,
    role: String,
    expires: Option<String>,
    revoked: Option<String>,
}

impl Identity {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        ctx.home.must_exist()?;
        match self {
            Self::Add { name, role, agency, days, out, authority } => {
                add(ctx, &Who { name, organisation: agency, role }, days, out, authority.folder())
            }
            Self::Service { name, hosts, days, out, authority } => service(ctx, &name, hosts, days, out, authority.folder()),
            Self::List => list(ctx).await,
            Self::Revoke { which } => revoke(ctx, &which).await,
        }
    }
}

/// Whole, so that what is made there can be found from anywhere.
fn folder(out: Option<PathBuf>) -> Outcome<Option<PathBuf>> {
    out.map(std::path::absolute).transpose().map_err(|e| Failure::because("identity", "name the folder", &e))
}

fn add(ctx: &Context, who: &Who, days: u32, out: Option<PathBuf>, authority: Option<&Path>) -> Outcome {
    // Where the authority's key is kept apart, people's keys are too.
    let beside = authority.and_then(Path::parent).map(|folder| folder.join(who.name.as_str()));
    let out = folder(out.or(beside))?;
    let new = deployment::issue_by(ctx.home.layout(), authority, who, days, out.as_deref())
        .map_err(|e| library("identity", &e).hint(e.hint()))?;
    let (certificate, key) = new.home.identity(who.name.as_str());
    let answer = serde_json::json!({
        "name": who.name, "organisation": who.organisation, "role": who.role, "serial": new.issued.serial,
        "expires": day(new.issued.expires), "certificate": certificate, "key": key, "needs_restart": new.needs_restart,
    });
    ctx.printer.answer(&answer, || {
        let mut text = format!(
            "issued a certificate to {who}, good until {}\n  serial       {}\n  certificate  {}\n  key          {}",
            day(new.issued.expires).unwrap_or_default(),
            new.issued.serial,
            certificate.display(),
            key.display()
        );
        if new.needs_restart {
            text.push_str("\nnext: restart `sightline serve`: it reads the authorisers' keys at its start");
        }
        text
    });
    Ok(())
}

fn service(ctx: &Context, name: &Name, hosts: Vec<String>, days: u32, out: Option<PathBuf>, authority: Option<&Path>) -> Outcome {
    let out = folder(out)?;
    let hosts = if hosts.is_empty() { vec![name.to_string()] } else { hosts };
    let (certificate, key) = deployment::issue_to_service(ctx.home.layout(), authority, name, &hosts, days, out.as_deref())
        .map_err(|e| library("identity", &e).hint(e.hint()))?;
    let answer = serde_json::json!({ "name": name, "hosts": hosts, "certificate": certificate, "key": key });
    ctx.printer.answer(&answer, || {
        format!(
            "issued a certificate to the service at {}, good for {days} days\n  certificate  {}\n  key          {}",
            hosts.join(", "),
            certificate.display(),
            key.display()
        )
    });
    Ok(())
}

async fn list(ctx: &Context) -> Outcome {
    let revoked = revocations(ctx).await?;
    let issued = issued(ctx)?;
    let views: Vec<View> = issued.into_iter().map(|i| view(i, &revoked)).collect();
    ctx.printer.answer(&serde_json::json!({ "identities": views }), || {
        let row = |v: &View| {
            let state = v.revoked.as_ref().map_or_else(
                || v.expires.as_ref().map_or_else(String::new, |t| format!("until {t}")),
                |t| format!("revoked {t}"),
            );
            [v.name.clone(), v.organisation.clone(), v.role.clone(), state, v.serial.clone()]
        };
        table(["NAME", "ORGANISATION", "ROLE", "STATE", "SERIAL"], &views.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

fn view(issued: IssuedIdentity, revoked: &BTreeMap<String, String>) -> View {
    let who = issued.caller();
    let word = |of: fn(&Who) -> String| who.as_ref().map(of).unwrap_or_default();
    View {
        name: word(|c| c.name.to_string()),
        organisation: word(|c| c.organisation.to_string()),
        role: word(|c| c.role.to_string()),
        expires: day(issued.expires),
        revoked: revoked.get(&issued.serial).cloned(),
        serial: issued.serial,
    }
}

/// When each certificate was revoked, by serial number: the running server says, else the home folder.
async fn revocations(ctx: &Context) -> Outcome<BTreeMap<String, String>> {
    if let Some(offline) = offline(ctx).await? {
        let revoked = offline.revoked().await.map_err(|e| library("home", &e).hint(e.hint()))?;
        offline.close().await.map_err(|e| library("home", &e).hint(e.hint()))?;
        return Ok(revoked.into_iter().map(|r| (r.serial, r.at.to_string())).collect());
    }
    let mut admin = ctx.connect(Caller::Operator).await?.admin();
    let answer = admin.list_revocations(v1::ListRevocationsRequest {}).await?.into_inner();
    let when = |r: &v1::Revocation| crate::times::json(r.time).unwrap_or_default();
    Ok(answer.revocations.iter().map(|r| (r.serial.clone(), when(r))).collect())
}

async fn revoke(ctx: &Context, which: &str) -> Outcome {
    let by_name = Name::new(which).ok().and_then(|name| ctx.home.layout().issued_to(name.as_str()));
    let named = by_name.is_some();
    let issued = issued(ctx)?;
    let Some(found) = by_name.or_else(|| issued.iter().find(|i| i.serial == which).cloned()) else {
        let others: Vec<_> = issued.iter().filter_map(IssuedIdentity::caller).map(|c| c.name.to_string()).collect();
        return Err(Failure::new("no_identity", format!("no certificate was issued here as {which:?}"))
            .hint(format!("name one by its serial number, see `sightline identity list`; there are {}", others.join(", "))));
    };
    let Some(who) = found.caller() else {
        return Err(Failure::new("no_identity", format!("{:?} names nobody", found.uri)).hint("`sightline identity list`"));
    };
    match offline(ctx).await? {
        Some(home) => {
            home.revoke(&found.serial, &who).await.map_err(|e| library("home", &e).hint(e.hint()))?;
            home.close().await.map_err(|e| library("home", &e).hint(e.hint()))?;
        }
        None => {
            let mut admin = ctx.connect(Caller::Operator).await?.admin();
            let request = v1::RevokeCertificateRequest { serial: found.serial.clone(), uri: found.uri.clone() };
            admin.revoke_certificate(request).await?;
        }
    }
    if named {
        // The name becomes free; that the files stay usable nowhere does not hang on it.
        if let Err(e) = ctx.home.layout().put_aside(which) {
            ctx.printer.note(&format!("the files of {which} could not be put aside: {e}"));
        }
    }
    let answer = serde_json::json!({ "serial": found.serial, "uri": found.uri, "revoked": true });
    ctx.printer
        .answer(&answer, || format!("revoked the certificate {} of {who}: nothing is answered to it any more", found.serial));
    Ok(())
}

fn issued(ctx: &Context) -> Outcome<Vec<IssuedIdentity>> {
    let hint = "identities are managed where `sightline init` made the authority";
    ctx.home.layout().issued().map_err(|e| Failure::because("home_unreadable", "read pki/issued.jsonl", &e).hint(hint))
}

/// The home folder itself, if no server runs on it.
async fn offline(ctx: &Context) -> Outcome<Option<OfflineIdentities>> {
    let home = ctx.home.layout();
    match HomeLock::acquire(home.root()) {
        Ok(lock) => drop(lock),
        Err(LockError::InUse { .. }) => return Ok(None),
        Err(e) => return Err(library("home", &e).hint(e.hint())),
    }
    let config = Config::load(&home.config()).map_err(|e| library("configuration", &e).hint(e.hint()))?;
    OfflineIdentities::open(home, &config).await.map(Some).map_err(|e| library("home", &e).hint(e.hint()))
}

fn day(seconds: i64) -> Option<String> {
    DateTime::from_timestamp(seconds, 0).map(|t| t.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}
