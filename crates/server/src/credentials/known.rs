//! Who can call, and whose signature counts, is on the record before it does.
//!
//! The authority may be on another machine, so the record does not hang on who issued something telling it: no call is
//! answered to a certificate that the record does not know, and no grant key is trusted before its entry is durable. What the
//! authority's own lists say is noted earlier still: at the start, and while the server runs.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use access::{Action, AuditDetail, AuditEntry, AuditError, AuditLog, Name, Outcome, Phase};
use catalogue::Catalogue;
use deployment::{
    Home,
    certificate::{self, CertifiedCaller},
};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_util::sync::CancellationToken;
use types::{Chain, ReceiveTime};

use crate::{base::clock::Clock, record::log::Log};

/// How often the authority's lists are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The entries of something that the server itself puts on the record. The first is the act.
pub(crate) async fn put_on_record(log: &Log, action: Action, detail: AuditDetail, at: ReceiveTime) -> Result<(), AuditError> {
    let entry = |phase, detail| AuditEntry { at, caller: None, action, phase, case: None, detail, charge: None };
    let begin = log.append(entry(Phase::Begin, detail)).await?.seq;
    log.append(entry(Phase::Complete { begin, outcome: Outcome::Done }, AuditDetail::default())).await?;
    Ok(())
}

/// The certificates that the record knows.
pub(crate) struct KnownCertificates {
    catalogue: Catalogue,
    log: Arc<Log>,
    clock: Clock,
    /// Where the list of issued certificates is, if the authority is on this machine.
    home: Home,
    /// Held by whoever puts a certificate on the record.
    knowing: tokio::sync::Mutex<()>,
}

impl KnownCertificates {
    pub(crate) fn new(catalogue: Catalogue, log: Arc<Log>, clock: Clock, home: Home) -> Self {
        Self { catalogue, log, clock, home, knowing: tokio::sync::Mutex::default() }
    }

    /// Puts whoever calls for the first time on the record.
    ///
    /// # Errors
    /// The record does not take it: the call is not answered.
    pub(crate) async fn know(&self, known: &CertifiedCaller) -> Result<(), AuditError> {
        if self.catalogue.is_certificate_known(&known.serial, &known.key_sha256) {
            return Ok(());
        }
        self.know_certificate(
            &known.serial,
            &known.key_sha256,
            AuditDetail { identity: Some((*known.caller).clone()), ..AuditDetail::default() },
        )
        .await
    }

    async fn know_certificate(&self, serial: &str, key_sha256: &str, who: AuditDetail) -> Result<(), AuditError> {
        // Two that see it at once make one entry.
        let _one = self.knowing.lock().await;
        // Another server may have seen it before.
        self.catalogue.follow_record().await.map_err(|e| AuditError::Unavailable(Box::new(e)))?;
        if self.catalogue.is_certificate_known(serial, key_sha256) {
            return Ok(());
        }
        let detail = AuditDetail { serial: Some(serial.to_owned()), key_sha256: Some(key_sha256.to_owned()), ..who };
        put_on_record(&self.log, Action::IssueIdentity, detail, self.clock.now()).await
    }

    /// Puts on the record what the authority's lists say was issued. A line without the key's fingerprint is of an earlier
    /// version: its certificate goes on the record when it is first used.
    pub(crate) async fn know_issued(&self) -> Result<(), AuditError> {
        let unread = |list: &'static str| {
            move |error: std::io::Error| {
                tracing::error!(%error, list, "a list of what was issued can't be read");
            }
        };
        for issued in self.home.issued().map_err(unread("issued.jsonl")).unwrap_or_default() {
            let (Some(identity), Some(key)) = (issued.caller(), &issued.key_sha256) else { continue };
            let who = AuditDetail { identity: Some(identity), ..AuditDetail::default() };
            if !self.catalogue.is_certificate_known(&issued.serial, key) {
                self.know_certificate(&issued.serial, key, who).await?;
            }
        }
        for issued in self.home.issued_services().map_err(unread("issued-services.jsonl")).unwrap_or_default() {
            if !self.catalogue.is_certificate_known(&issued.serial, &issued.key_sha256) {
                let who = AuditDetail { service: Some(issued.name), hosts: issued.hosts, ..AuditDetail::default() };
                self.know_certificate(&issued.serial, &issued.key_sha256, who).await?;
            }
        }
        Ok(())
    }

    /// Puts the server's own certificate on the record, whoever issued it.
    pub(crate) async fn know_own(&self) -> Result<(), AuditError> {
        let file = self.home.server_certificate();
        let first = CertificateDer::pem_file_iter(&file).ok().and_then(|mut all| all.next()?.ok());
        let Some((serial, key)) = first.as_deref().and_then(certificate::unnamed) else { return Ok(()) };
        if self.catalogue.is_certificate_known(&serial, &key) {
            return Ok(());
        }
        let hosts = certificate::hosts(&file).unwrap_or_default().into_iter().collect();
        let who = AuditDetail { service: Name::new("server").ok(), hosts, ..AuditDetail::default() };
        self.know_certificate(&serial, &key, who).await
    }

    fn lists(&self) -> [PathBuf; 2] {
        [self.home.register(), self.home.service_register()]
    }
}

/// Puts on the record what is issued while the server runs.
pub(crate) async fn follow_lists(certificates: Arc<KnownCertificates>, stop: CancellationToken) {
    let state = || {
        certificates
            .lists()
            .map(|list| fs::metadata(list).ok().map(|m| (m.len(), m.modified().unwrap_or(SystemTime::UNIX_EPOCH))))
    };
    // Once more, since the lists may have changed after they were read at the start.
    let mut seen = None;
    loop {
        let now = state();
        if seen != Some(now) {
            match certificates.know_issued().await {
                Ok(()) => seen = Some(now),
                Err(error) => tracing::error!(error = %Chain(&error), "what was issued is not on the record yet"),
            }
        }
        tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(LOOK) => {} }
    }
}
