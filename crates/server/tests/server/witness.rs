//! Witnesses over HTTP: what they sign, what they refuse, and what a server does without them.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use access::log::{KeyKind, NoteKey, Receipt, Trust};
use audit_log::{LogFault, Witness, make_key, read_signer};
use deployment::{Home, log_key};
use proto::v1::{self, log_service_client::LogServiceClient};
use server::{RecordFault, ServeError, Server, StoreError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::log::copy_folder;
use crate::harness::{Deployed, config, told};

/// A witness that answers until it is dropped.
struct Running {
    address: SocketAddr,
    key: NoteKey,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Running {
    /// With its key and what it has seen in `folder`; made anew where there is none.
    async fn start(folder: &Path, log: NoteKey, address: &str) -> Self {
        let file = folder.join("witness.key");
        if !file.exists() {
            fs::create_dir_all(folder).unwrap();
            make_key("witness.example", KeyKind::Witness, &file).unwrap();
        }
        let witness = Witness::new(read_signer(&file).unwrap(), vec![log], folder.join("seen")).unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let running =
            Self { address: listener.local_addr().unwrap(), key: witness.key().clone(), stop: CancellationToken::new() };
        tokio::spawn(Arc::new(witness).serve(listener, running.stop.clone()));
        running
    }

    fn configure(&self, home: &Home, quorum: usize, grace: u32) {
        let text = format!(
            "[log]\nquorum = {quorum}\ngrace_seconds = {grace}\nwitnesses = [{{ key = \"{}\", url = \"http://{}\" }}]\n",
            self.key, self.address
        );
        fs::write(home.root().join("more.toml"), text).unwrap();
    }
}

async fn search(deployed: &Deployed) -> Result<(Vec<v1::Hit>, v1::SearchSummary), tonic::Status> {
    let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
    let request = v1::SearchRequest { case_id: "k".into(), description: Some(description), ..Default::default() };
    deployed.search("investigator", request).await
}

async fn older_than_witness(deployed: &Deployed) -> LogFault {
    match Server::start(&deployed.home, config(&deployed.home)).await.unwrap_err() {
        ServeError::Store(StoreError::Log(RecordFault::Log(fault))) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_cosigns_receipts_and_knows_an_older_copy_and_a_fork_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut deployed = Deployed::with_cameras().await;
    let witness = Running::start(dir.path(), log_key(&deployed.home).unwrap(), "127.0.0.1:0").await;
    deployed.stop().await;
    let home = deployed.home.root().to_owned();
    witness.configure(&deployed.home, 1, 600);
    let older = dir.path().join("older");
    copy_folder(&home, &older);

    deployed.again().await;
    deployed.authorised_case("k", "gate", "2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z").await;
    let (_, summary) = search(&deployed).await.unwrap();
    let mut log = LogServiceClient::new(deployed.channel("investigator").await);
    let answer = log.get_receipt(v1::GetReceiptRequest { audit_seq: summary.audit_seq }).await.unwrap().into_inner();
    let receipt: Receipt = answer.receipt.parse().unwrap();
    let trust = Trust { witnesses: vec![witness.key.clone()], quorum: 1, ..Trust::of(log_key(&deployed.home).unwrap()) };
    let checked = receipt.verify(&trust, receipt.extra.as_ref().unwrap()).unwrap();
    assert_eq!(checked.witnessed[0].0, "witness.example");
    deployed.stop().await;

    // Every file of the home folder is older, the high-water mark too: the witness is not.
    fs::remove_dir_all(&home).unwrap();
    fs::remove_file(home.with_extension("high-water")).unwrap();
    copy_folder(&older, &home);
    let fault = older_than_witness(&deployed).await;
    assert!(matches!(&fault, LogFault::Older { by, .. } if by.contains("witness.example")), "{fault:?}");

    // Grown without the witness into another history, as long and longer than the one it saw.
    fs::remove_file(home.join("more.toml")).unwrap();
    deployed.again().await;
    while deployed.entries().await.len() < 60 {}
    deployed.stop().await;
    witness.configure(&deployed.home, 1, 600);
    let fault = older_than_witness(&deployed).await;
    assert!(matches!(&fault, LogFault::Forked { by } if by.contains("witness.example")), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_witness_signed_it_remembers_when_it_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut deployed = Deployed::with_cameras().await;
    let key = log_key(&deployed.home).unwrap();
    let witness = Running::start(dir.path(), key.clone(), "127.0.0.1:0").await;
    deployed.stop().await;
    witness.configure(&deployed.home, 1, 600);
    let older = dir.path().join("older");
    copy_folder(deployed.home.root(), &older);
    deployed.again().await;
    deployed.stop().await;
    drop(witness);
    fs::remove_dir_all(deployed.home.root()).unwrap();
    copy_folder(&older, deployed.home.root());
    let witness = Running::start(dir.path(), key, "127.0.0.1:0").await;
    witness.configure(&deployed.home, 1, 600);
    // Nothing was called in between, so that both are as long: the same log is signed again, and goes on.
    deployed.again().await;
    deployed.entries().await;
    deployed.stop().await;
    fs::remove_dir_all(deployed.home.root()).unwrap();
    copy_folder(&older, deployed.home.root());
    witness.configure(&deployed.home, 1, 600);
    let fault = older_than_witness(&deployed).await;
    assert!(matches!(fault, LogFault::Older { .. }), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_quorum_no_sighting_is_read_until_the_witnesses_are_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut deployed = Deployed::with_cameras().await;
    deployed.authorised_case("k", "gate", "2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z").await;
    let key = log_key(&deployed.home).unwrap();
    let witness = Running::start(dir.path(), key.clone(), "127.0.0.1:0").await;
    let address = witness.address.to_string();
    deployed.stop().await;
    witness.configure(&deployed.home, 1, 1);
    drop(witness);
    deployed.again().await;

    let refused = loop {
        match search(&deployed).await {
            // The time of grace.
            Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            Err(refused) => break refused,
        }
    };
    assert_eq!(told(&refused), (Code::Unavailable, "unwitnessed".into()));
    assert!(refused.message().contains("0 of the 1 witnesses"), "{refused:?}");
    assert!(proto::hint(&refused).is_some_and(|h| h.contains("witnesses")));
    // On the record, which still grows; what reads no sighting goes on.
    let record = deployed.record().await;
    assert!(record.contains(&("search".into(), "unwitnessed".into())), "{record:?}");

    let _witness = Running::start(dir.path(), key, &address).await;
    while let Err(refused) = search(&deployed).await {
        assert_eq!(told(&refused).1, "unwitnessed");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
