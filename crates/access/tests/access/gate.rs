use std::sync::Arc;

use access::*;

use super::fixture::*;

fn gate() -> Gate<Arc<MemoryLog>> {
    Gate::new(policy(), Arc::new(MemoryLog::new()))
}

async fn search(gate: &Gate<Arc<MemoryLog>>, case: Option<&Case>, asks: &Caller, limit: u32) -> Result<CasePermit, GateError> {
    let request = SearchRequest { limit, ..request() };
    gate.permit(Searching::Once, &grant().case, case, &cameras(), &request, None, asks, now()).await
}

fn code(result: Result<CasePermit, GateError>) -> Code {
    match result {
        Err(GateError::Denied(denial)) => denial.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_permit_carries_the_entry_that_was_durable_before_it() {
    let (gate, case) = (gate(), authorised(grant()));
    let permit = search(&gate, Some(&case), &investigator(), 50).await.unwrap();
    let entries = gate.log().entries();
    assert_eq!(entries.len(), 1);
    assert_eq!(permit.receipt(), &gate.log().receipts()[0]);
    assert_eq!(entries[0].phase, Phase::Begin);
    assert_eq!(entries[0].detail.cameras, *permit.cameras());
    assert_eq!(entries[0].detail.window, Some(permit.window()));

    let handed: Vec<_> = (1..=3).map(|n| types::SightingId(uuid::Uuid::from_u128(n))).collect();
    gate.complete_search(permit, Outcome::Done, &handed, now()).await.unwrap();
    let last = gate.log().entries().pop().unwrap();
    assert_eq!(last.phase, Phase::Complete { begin: 1, outcome: Outcome::Done });
    assert_eq!(last.charge, Some(Charge::GiveBack { results: 47 }));
    assert_eq!(last.detail.results, Some(3));
    assert_eq!(last.detail.results_sha256.map(|d| d.len()), Some(64));
}

#[tokio::test]
async fn without_a_durable_entry_there_is_no_permit_and_no_answer() {
    let (gate, case) = (gate(), authorised(grant()));
    gate.log().set_broken(true);
    assert!(matches!(search(&gate, Some(&case), &investigator(), 50).await, Err(GateError::Audit(_))));
    // Not even a refusal is answered.
    assert!(matches!(search(&gate, None, &investigator(), 50).await, Err(GateError::Audit(_))));
    let begun = gate.begin(Action::ListCases, None, AuditDetail::default(), &investigator(), now()).await;
    assert!(matches!(begun, Err(GateError::Audit(_))));
    gate.log().set_broken(false);
    assert!(gate.log().entries().is_empty());
}

#[tokio::test]
async fn refusals_are_on_the_record_with_their_code() {
    let (gate, case) = (gate(), Case::requested(grant()));
    assert_eq!(code(search(&gate, Some(&case), &investigator(), 50).await), Code::NotAuthorised);
    assert_eq!(code(search(&gate, None, &investigator(), 50).await), Code::NoCase);
    // The role is looked at first: an auditor learns nothing of which cases there are.
    let auditor = caller("ann", "ombudsman", Role::Auditor);
    assert_eq!(code(search(&gate, Some(&case), &auditor, 50).await), Code::Role);
    assert_eq!(code(search(&gate, None, &auditor, 50).await), Code::Role);
    let recorded: Vec<_> = gate.log().entries().iter().map(|e| e.phase.as_str()).collect();
    assert_eq!(recorded, ["not_authorised", "no_case", "role", "role"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_searches_never_take_more_than_the_budget() {
    let (gate, case) = (Arc::new(gate()), Arc::new(authorised(grant())));
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let (gate, case) = (Arc::clone(&gate), Arc::clone(&case));
            tokio::spawn(async move { search(&gate, Some(&case), &investigator(), 30).await.is_ok() })
        })
        .collect();
    let mut permitted = 0;
    for task in tasks {
        permitted += usize::from(task.await.unwrap());
    }
    assert_eq!(permitted, 6, "200 results at 30 a search");
    let refused = gate.log().entries().iter().filter(|e| e.phase.as_str() == "budget").count();
    assert_eq!(refused, 34);
}

#[tokio::test]
async fn what_a_search_did_not_hand_out_can_be_asked_again_but_queries_run_out() {
    let (gate, case) = (gate(), authorised(grant()));
    for _ in 0..10 {
        let permit = search(&gate, Some(&case), &investigator(), 200).await.unwrap();
        gate.complete_search(permit, Outcome::Done, &[], now()).await.unwrap();
    }
    assert_eq!(code(search(&gate, Some(&case), &investigator(), 1).await), Code::Budget);
}

#[tokio::test]
async fn every_other_call_is_two_entries_or_a_refusal() {
    let gate = gate();
    for action in Action::ALL {
        for role in Role::ALL {
            let who = caller("x", "y", role);
            let before = gate.log().entries().len();
            match gate.begin(action, None, AuditDetail::default(), &who, now()).await {
                Ok(begun) => {
                    gate.complete(begun, Outcome::Done, AuditDetail::default(), now()).await.unwrap();
                    let new = &gate.log().entries()[before..];
                    assert_eq!(new.iter().map(|e| e.phase.as_str()).collect::<Vec<_>>(), ["permitted", "done"]);
                }
                Err(GateError::Denied(_)) => assert_eq!(gate.log().entries()[before].phase.as_str(), "role"),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_entry_survives_its_bytes_and_its_leaf_notices_any_change() {
    let (gate, case) = (gate(), authorised(grant()));
    let permit = search(&gate, Some(&case), &investigator(), 50).await.unwrap();
    gate.complete_search(permit, Outcome::Failed, &[], now()).await.unwrap();
    for (seq, (entry, receipt)) in (1..).zip(gate.log().entries().iter().zip(gate.log().receipts())) {
        let bytes = entry.to_bytes().unwrap();
        assert_eq!(AuditEntry::from_bytes(&bytes).unwrap(), *entry);
        assert_eq!(AuditReceipt::of(seq, &bytes), receipt);
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        assert_ne!(AuditReceipt::of(seq, &flipped), receipt);
    }
}

#[tokio::test]
async fn what_was_written_is_in_no_entry_and_its_commitment_is() {
    let gate = gate();
    let sealed = Sealed { matter: Matter::Reason, salt: [9; 32], words: "a child in a yellow coat".to_owned() };
    let empty = Sealed { matter: Matter::Emergency, salt: [1; 32], words: String::new() };
    let detail = AuditDetail::default().seal(sealed.clone()).seal(empty);
    let begun = gate.begin(Action::OpenCase, None, detail, &investigator(), now()).await.unwrap();
    gate.complete(begun, Outcome::Done, AuditDetail::default(), now()).await.unwrap();
    let entry = gate.log().entries().remove(0);
    assert_eq!(entry.detail.sealed, std::slice::from_ref(&sealed));
    let bytes = entry.to_bytes().unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(!text.contains("yellow") && !text.contains(&"09".repeat(32)) && !text.contains("emergency"), "{text}");
    let read = AuditEntry::from_bytes(&bytes).unwrap();
    assert_eq!(read.detail.commitments[&Matter::Reason], sealed.commitment());
    assert_eq!(read.to_bytes().unwrap(), bytes);
}
