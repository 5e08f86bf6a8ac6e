//! An authoriser signs with a passkey, where the deployment takes them.

use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey, pkcs8::EncodePublicKey as _};
use proto::v1::{self, admin_service_client::AdminServiceClient, case_service_client::CaseServiceClient};
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};

use crate::harness::{Deployed, told};

const TAKEN: &str = "[cases]\nsignatures = [\"key\", \"passkey\"]\n";
const SERVER: &str = "localhost";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// What the console's page saves for an operator.
fn file() -> String {
    let spki = key().verifying_key().to_public_key_der().unwrap();
    format!("[{{\"server\":\"{SERVER}\",\"key\":\"{}\"}}]\n", URL_SAFE_NO_PAD.encode(spki.as_bytes()))
}

fn assertion(grant: &[u8], flags: u8) -> v1::PasskeyAssertion {
    let challenge = Sha256::new().chain_update(b"sightline passkey v1\n").chain_update(grant).finalize();
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    let client_data =
        format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"https://localhost:7443","crossOrigin":false}}"#);
    let authenticator_data = [Sha256::digest(SERVER.as_bytes()).to_vec(), vec![flags, 0, 0, 0, 1]].concat();
    let signed = [authenticator_data.clone(), Sha256::digest(client_data.as_bytes()).to_vec()].concat();
    let signature = key().sign(&signed).to_bytes().to_vec();
    v1::PasskeyAssertion { authenticator_data, client_data: client_data.into_bytes(), signature }
}

async fn sign(deployed: &Deployed, case: &v1::Case, assertion: v1::PasskeyAssertion) -> Result<v1::Case, Status> {
    let mut cases = CaseServiceClient::new(deployed.channel("authoriser").await);
    let request = v1::AuthoriseCaseRequest { case_id: case.id.clone(), signature: Vec::new(), passkey: Some(assertion) };
    cases.authorise_case(request).await.map(|answer| answer.into_inner().case.unwrap())
}

async fn open(deployed: &Deployed, id: &str) -> v1::Case {
    deployed.open_case(id, "gate", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_the_deployment_knows_signs_and_its_signature_is_shown() {
    let deployed = Deployed::configured(TAKEN, async |home| {
        fs::write(home.pki().join("grant-keys/oversight.authoriser.passkey"), file()).unwrap();
    })
    .await;
    deployed.add_cameras().await;
    let mut admin = AdminServiceClient::new(deployed.channel("authoriser").await);
    let status = admin.status(v1::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.passkeys_allowed, status.passkeys_known), (true, 1));
    let trusted = deployed.entries().await.into_iter().filter(|entry| entry.action == "grant_key.trust").count();
    assert_eq!(trusted, 4, "begin and end: the key of the home folder, and the passkey");

    let case = open(&deployed, "k").await;
    // Copied to other devices; nobody showed who they are.
    for flags in [0x1d, 0x01] {
        assert_eq!(told(&sign(&deployed, &case, assertion(&case.grant, flags)).await.unwrap_err()).1, "bad_signature");
    }
    let other = open(&deployed, "other").await;
    assert_eq!(told(&sign(&deployed, &case, assertion(&other.grant, 0x05)).await.unwrap_err()).1, "bad_signature");
    let signed = sign(&deployed, &case, assertion(&case.grant, 0x05)).await.unwrap();
    assert_eq!(signed.state(), v1::CaseState::Authorised);
    let shown = signed.authorisations[0].passkey.clone().unwrap();
    assert_eq!((shown.server.as_str(), shown.assertion.unwrap()), (SERVER, assertion(&case.grant, 0x05)));
    assert!(signed.authorisations[0].signature.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_signs_nothing_where_the_deployment_takes_none_or_does_not_know_it() {
    for (more, known) in [("", true), (TAKEN, false)] {
        let deployed = Deployed::configured(more, async |home| {
            if known {
                fs::write(home.pki().join("grant-keys/oversight.authoriser.passkey"), file()).unwrap();
            }
        })
        .await;
        deployed.add_cameras().await;
        let case = open(&deployed, "k").await;
        let refused = sign(&deployed, &case, assertion(&case.grant, 0x05)).await.unwrap_err();
        assert_eq!(told(&refused), (Code::PermissionDenied, "bad_signature".to_owned()), "{more}{refused:?}");
    }
}
