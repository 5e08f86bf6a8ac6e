use access::{Assertion, AuthoriserKey, Case, Code, Grant, GrantError, Passkey, Policy, Proof, challenge};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey, pkcs8::EncodePublicKey as _};
use proptest::prelude::*;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use sha2::{Digest as _, Sha256};

use super::fixture::{at, authoriser, grant, second};

const SERVER: &str = "sight.example";
const P256_SPKI: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

/// What a browser and its authenticator do, with whatever is told to be other.
enum Authenticator {
    Es256(EcdsaKeyPair),
    EdDsa(SigningKey),
}

impl Authenticator {
    fn both() -> [Self; 2] {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        [Self::Es256(pair), Self::EdDsa(SigningKey::from_bytes(&[7; 32]))]
    }

    fn passkey(&self) -> Passkey {
        let key = match self {
            Self::Es256(pair) => [hex::decode(P256_SPKI).unwrap(), pair.public_key().as_ref().to_vec()].concat(),
            Self::EdDsa(key) => key.verifying_key().to_public_key_der().unwrap().as_bytes().to_vec(),
        };
        Passkey { server: SERVER.into(), key }
    }

    fn sign(&self, authenticator_data: Vec<u8>, client_data: Vec<u8>) -> Assertion {
        let signed = [authenticator_data.clone(), Sha256::digest(&client_data).to_vec()].concat();
        let signature = match self {
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(&signed).to_bytes().to_vec(),
        };
        Assertion { authenticator_data, client_data, signature }
    }

    fn assertion(&self, of: &Grant) -> Assertion {
        self.sign(data(SERVER, 0x05), client("webauthn.get", of, "https://sight.example:7443", ""))
    }
}

fn data(server: &str, flags: u8) -> Vec<u8> {
    [Sha256::digest(server.as_bytes()).to_vec(), vec![flags, 0, 0, 0, 9]].concat()
}

fn client(kind: &str, of: &Grant, origin: &str, more: &str) -> Vec<u8> {
    let challenge = URL_SAFE_NO_PAD.encode(challenge(of));
    format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false{more}}}"#).into_bytes()
}

fn other() -> Grant {
    Grant { reason: "something else".into(), ..grant() }
}

#[test]
fn a_passkey_signs_a_grant_at_its_servers_page_whatever_else_the_browser_says() {
    for authenticator in Authenticator::both() {
        let passkey = authenticator.passkey();
        passkey.verify(&grant(), &authenticator.assertion(&grant())).unwrap();
        for origin in ["https://sight.example", "https://sight.example:7443"] {
            let more = r#","other_keys_can_be_added_here":"do not compare with a template""#;
            let assertion = authenticator.sign(data(SERVER, 0x05), client("webauthn.get", &grant(), origin, more));
            passkey.verify(&grant(), &assertion).unwrap();
        }
    }
}

#[test]
fn what_an_attacker_can_have_signed_elsewhere_or_by_a_key_that_may_be_copied_is_refused() {
    let signed = |kind: &str, of: &Grant, origin: &str, more: &str| client(kind, of, origin, more);
    let ours = "https://sight.example:7443";
    for authenticator in Authenticator::both() {
        let passkey = authenticator.passkey();
        let refused = |data: Vec<u8>, client: Vec<u8>| passkey.verify(&grant(), &authenticator.sign(data, client)).unwrap_err();
        let fine = || signed("webauthn.get", &grant(), ours, "");
        // 0x01 nobody showed who they are; 0x04 nobody was there; 0x0d and 0x1d may be copied to other devices; 0x45, 0x85 more follows.
        for flags in (0..=u8::MAX).filter(|flags| *flags != 0x05) {
            assert!(matches!(refused(data(SERVER, flags), fine()), GrantError::Passkey(_)), "{flags:#04x}");
        }
        refused(data("evil.example", 0x05), fine());
        refused([data(SERVER, 0x05), vec![0]].concat(), fine());
        refused(data(SERVER, 0x05)[..36].to_vec(), fine());
        for origin in [
            "http://sight.example:7443",
            "https://evil.example",
            "https://sight.example.evil.example",
            "https://login.sight.example",
            "https://sight.example@evil.example",
            "https://sight.example:7443/",
            "https://sight.example:",
            "https://sight.example:+7",
            "null",
            "",
        ] {
            refused(data(SERVER, 0x05), signed("webauthn.get", &grant(), origin, ""));
        }
        refused(data(SERVER, 0x05), signed("webauthn.create", &grant(), ours, ""));
        refused(data(SERVER, 0x05), signed("webauthn.get", &other(), ours, ""));
        refused(data(SERVER, 0x05), signed("webauthn.get", &grant(), ours, r#","topOrigin":"https://evil.example""#));
        let framed = String::from_utf8(fine()).unwrap().replace("\"crossOrigin\":false", "\"crossOrigin\":true");
        refused(data(SERVER, 0x05), framed.into_bytes());
        // Said twice: which of the two was looked at?
        refused(data(SERVER, 0x05), signed("webauthn.get", &grant(), ours, r#","origin":"https://sight.example:7443""#));
        refused(data(SERVER, 0x05), b"no json".to_vec());
    }
}

#[test]
fn a_key_that_is_neither_es256_nor_eddsa_is_none() {
    let [es256, eddsa] = Authenticator::both().map(|authenticator| authenticator.passkey());
    for passkey in [&es256, &eddsa] {
        passkey.check().unwrap();
        for key in
            [passkey.key[1..].to_vec(), passkey.key[..passkey.key.len() - 1].to_vec(), [&passkey.key[..], &[0]].concat(), vec![]]
        {
            assert!(Passkey { key, ..passkey.clone() }.check().is_err());
        }
        for server in ["", "Sight.example", "https://sight.example", "sight.example:7443", "sight example"] {
            assert!(Passkey { server: server.into(), ..passkey.clone() }.check().is_err(), "{server}");
        }
    }
}

#[test]
fn a_case_takes_a_passkey_only_where_the_deployment_does_and_knows_it() {
    let [authenticator, stranger] = Authenticator::both();
    let (passkey, assertion) = (authenticator.passkey(), authenticator.assertion(&grant()));
    let proof = || Proof::Passkey { passkey: passkey.clone(), assertion: assertion.clone() };
    let known = Policy { passkeys: true, authoriser_passkeys: Some(vec![passkey.clone().into()]), ..Policy::default() };
    let given = |policy: &Policy, proof: Proof| Case::requested(grant()).authorise(policy, &authoriser(), proof, at(30));
    given(&known, proof()).unwrap();
    for policy in [
        Policy::default(),
        Policy { passkeys: false, ..known.clone() },
        Policy { authoriser_passkeys: Some(vec![stranger.passkey().into()]), ..known.clone() },
        Policy {
            authoriser_passkeys: Some(vec![Passkey { server: "other.example".into(), ..passkey.clone() }.into()]),
            ..known.clone()
        },
    ] {
        assert_eq!(given(&policy, proof()).unwrap_err().code, Code::BadSignature);
    }
    // It counts from one time on, and until another; what it signed in its time goes on counting.
    let within = |from, until| {
        let timed = AuthoriserKey { key: passkey.clone(), from: Some(at(from)), until: Some(at(until)) };
        given(&Policy { authoriser_passkeys: Some(vec![timed]), ..known.clone() }, proof()).map_err(|denial| denial.code)
    };
    let refused = Err(Code::BadSignature);
    assert_eq!([within(28, 31), within(31, 40), within(20, 30)], [Ok(()), refused, refused]);
    let foreign = Proof::Passkey { passkey: passkey.clone(), assertion: stranger.assertion(&grant()) };
    assert_eq!(given(&known, foreign).unwrap_err().code, Code::BadSignature);

    // It is stored with the case, read again, and one that is half of each kind is none.
    let mut case = Case::requested(grant());
    case.authorise(&known, &authoriser(), proof(), at(30)).unwrap();
    let text = serde_json::to_string(&case).unwrap();
    let read: Case = serde_json::from_str(&text).unwrap();
    assert_eq!(read, case);
    read.authorisations[0].proof.verify(&read.grant).unwrap();
    let half = text.replacen("\"assertion\"", "\"signature\":\"00\",\"assertion\"", 1);
    assert!(serde_json::from_str::<Case>(&half).is_err());
    case.authorise(&known, &second(), proof(), at(31)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_500, ..ProptestConfig::default() })]

    /// Four changes of each of both kinds of keys: 20,000 in all.
    #[test]
    fn with_any_bit_changed_nothing_is_taken(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        thread_local! {
            static MADE: Vec<(Passkey, Assertion)> =
                Authenticator::both().iter().map(|a| (a.passkey(), a.assertion(&grant()))).collect();
        }
        MADE.with(|made| {
            for (passkey, assertion) in made {
                let change = |bytes: &[u8]| {
                    let mut bytes = bytes.to_vec();
                    let at = place.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                    bytes
                };
                let taken = |assertion: Assertion| passkey.verify(&grant(), &assertion).is_ok();
                prop_assert!(!taken(Assertion { authenticator_data: change(&assertion.authenticator_data), ..assertion.clone() }), "changed");
                prop_assert!(!taken(Assertion { client_data: change(&assertion.client_data), ..assertion.clone() }), "changed");
                prop_assert!(!taken(Assertion { signature: change(&assertion.signature), ..assertion.clone() }), "changed");
                let other = Passkey { key: change(&passkey.key), ..passkey.clone() };
                prop_assert!(other.verify(&grant(), assertion).is_err());
                if let Ok(other) = Grant::from_bytes(&change(&grant().to_bytes())) {
                    prop_assert!(passkey.verify(&other, assertion).is_err());
                }
            }
            Ok(())
        })?;
    }
}
