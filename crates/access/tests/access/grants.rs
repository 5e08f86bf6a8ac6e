use access::{Case, Code, Grant, GrantSignature, PublicKey, decide, sign_grant, verify_grant};
use proptest::prelude::*;

use super::fixture::*;

#[test]
fn a_grant_survives_its_bytes_and_its_document() {
    let mut emergency = grant();
    emergency.emergency = Some("found alone, it is freezing".to_owned());
    for grant in [grant(), emergency] {
        assert_eq!(Grant::from_bytes(&grant.to_bytes()), Ok(grant.clone()));
        let case = authorised(grant);
        let document = serde_json::to_string(&case).unwrap();
        assert_eq!(serde_json::from_str::<Case>(&document).unwrap(), case);
    }
}

/// What was signed in the past must verify in the future: a change of these bytes needs a new version.
#[test]
fn the_bytes_of_a_grant_are_pinned() {
    insta::assert_snapshot!(hex_digest(&grant()), @"00772cad3e1ae995266e1ed391e68289a2bfe3094bdaff4dd0586b1497cd46a4");
}

fn hex_digest(grant: &Grant) -> String {
    grant.digest().iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn no_single_flipped_bit_of_a_grant_verifies() {
    let (grant, key) = (grant(), key(&authoriser()));
    let (public, signature) = (PublicKey::from(&key), sign_grant(&key, &grant));
    assert_eq!(verify_grant(&public, &grant, &signature), Ok(()));
    let bytes = grant.to_bytes();
    let mut readable = 0;
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Grant::from_bytes(&flipped) {
            readable += 1;
            assert!(verify_grant(&public, &other, &signature).is_err(), "bit {bit}");
        }
    }
    assert!(readable > 500, "most flips still read as some grant, and must fail by the signature: {readable}");
}

#[test]
fn no_single_flipped_bit_of_a_signature_or_key_verifies() {
    let (grant, key) = (grant(), key(&authoriser()));
    let (public, signature) = (PublicKey::from(&key), sign_grant(&key, &grant));
    for bit in 0..512 {
        let mut flipped = signature;
        flipped.0[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_grant(&public, &grant, &flipped).is_err(), "bit {bit} of the signature");
    }
    for bit in 0..256 {
        let mut flipped = public;
        flipped.0[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_grant(&flipped, &grant, &signature).is_err(), "bit {bit} of the key");
    }
}

#[test]
fn a_weak_key_signs_nothing() {
    // The neutral element: under it, lax verification accepts one signature for many messages.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(verify_grant(&PublicKey(neutral), &grant(), &GrantSignature(signature)).is_err());
}

#[test]
fn a_signature_of_one_case_is_worth_nothing_under_another() {
    let first = authorised(grant());
    let mut other = grant();
    other.case = types::CaseId::new("lost-child-8").unwrap();
    let mut replayed = Case::requested(other);
    replayed.authorisations = first.authorisations;
    let denial = decide(&policy(), &replayed, &cameras(), &request(), &investigator(), now()).unwrap_err();
    assert_eq!(denial.code, Code::BadSignature);
}

#[test]
fn a_window_widened_by_a_microsecond_after_signing_is_refused() {
    let mut case = authorised(grant());
    let w = case.grant.scope.window;
    case.grant.scope.window = types::TimeWindow::new(w.from(), w.to().plus_micros(1)).unwrap();
    let denial = decide(&policy(), &case, &cameras(), &request(), &investigator(), now()).unwrap_err();
    assert_eq!(denial.code, Code::BadSignature);
}

#[test]
fn bytes_that_read_the_same_in_another_order_are_refused() {
    let mut two = grant();
    two.scope.agencies = ["aa", "bb"].map(|a| types::AgencyId::new(a).unwrap()).into();
    let bytes = two.to_bytes();
    let place = bytes.windows(12).position(|w| w == b"\0\0\0\x02aa\0\0\0\x02bb").unwrap();
    let mut swapped = bytes.clone();
    swapped[place..place + 12].copy_from_slice(b"\0\0\0\x02bb\0\0\0\x02aa");
    assert!(Grant::from_bytes(&bytes).is_ok() && Grant::from_bytes(&swapped).is_err());
    assert!(Grant::from_bytes(&[bytes.as_slice(), b"\0"].concat()).is_err(), "trailing byte");
    assert!(Grant::from_bytes(&bytes[..bytes.len() - 1]).is_err(), "cut short");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic_or_accept_what_it_would_not_write(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        at in 0usize..400,
    ) {
        prop_assert!(Grant::from_bytes(&bytes).is_err());
        let mut spliced = grant().to_bytes();
        let at = at.min(spliced.len());
        spliced.splice(at..(at + bytes.len()).min(grant().to_bytes().len()), bytes.drain(..));
        if let Ok(read) = Grant::from_bytes(&spliced) {
            prop_assert_eq!(read.to_bytes(), spliced);
        }
    }
}
