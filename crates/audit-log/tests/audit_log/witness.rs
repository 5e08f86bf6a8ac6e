//! What a witness signs, and what it refuses.

use access::log::KeyKind;
use audit_log::{Witness, make_key};

#[test]
fn a_witness_answers_what_the_protocol_says() {
    use access::log::{MemoryTiles, TreeHead, append, prove_consistency, sign_head};
    use base64::{Engine, prelude::BASE64_STANDARD};
    let dir = tempfile::tempdir().unwrap();
    let log = make_key("log.example", KeyKind::Log, &dir.path().join("log.key")).unwrap();
    let stranger = make_key("log.example", KeyKind::Log, &dir.path().join("stranger.key")).unwrap();
    let unknown = make_key("other.example", KeyKind::Log, &dir.path().join("other.key")).unwrap();
    let signer = make_key("witness.example", KeyKind::Witness, &dir.path().join("w.key")).unwrap();
    let witness = Witness::new(signer, vec![log.key().clone()], dir.path().join("seen")).unwrap();

    let mut tiles = MemoryTiles::default();
    let five = append(&mut tiles, &TreeHead::EMPTY, &[b"a", b"b", b"c", b"d", b"e"]).unwrap();
    let nine = append(&mut tiles, &five, &[b"f", b"g", b"h", b"i"]).unwrap();
    let mut forked = MemoryTiles::default();
    let fork = append(&mut forked, &TreeHead::EMPTY, &[b"a", b"b", b"X", b"d", b"e", b"f", b"g", b"h", b"i"]).unwrap();
    let ask = |signer: &access::log::NoteSigner, old: u64, head: &TreeHead, tiles: &MemoryTiles| {
        let proof = if old <= head.size { prove_consistency(tiles, head, old).unwrap() } else { Vec::new() };
        let proof: String = proof.iter().map(|h| format!("{}\n", BASE64_STANDARD.encode(h.0))).collect();
        let text = format!("old {old}\n{proof}\n{}", sign_head(signer, head).unwrap());
        witness.add_checkpoint(&text, 1_800_000_000).map_err(|(status, body)| (status.as_u16(), body))
    };
    let status = |answer: Result<String, (u16, String)>| answer.map_or_else(|(status, _)| status, |_| 200);

    assert_eq!(status(ask(&unknown, 0, &five, &tiles)), 404);
    assert_eq!(status(ask(&stranger, 0, &five, &tiles)), 403);
    assert_eq!(status(ask(&log, 9, &five, &tiles)), 400, "the old size is the larger");
    assert!(ask(&log, 0, &five, &tiles).unwrap().starts_with("\u{2014} witness.example "));
    assert_eq!(ask(&log, 0, &nine, &tiles), Err((409, "5\n".to_owned())), "it says what it has seen");
    assert_eq!(status(ask(&log, 5, &fork, &forked)), 422, "another history");
    assert_eq!(status(ask(&log, 5, &nine, &tiles)), 200);
    assert_eq!(status(ask(&log, 9, &nine, &tiles)), 200, "the same again");
    assert_eq!(ask(&log, 9, &fork, &forked), Err((409, "9\n".to_owned())), "as long, and another");
    assert_eq!(ask(&log, 5, &five, &tiles), Err((409, "9\n".to_owned())), "an older copy");
    for bad in ["", "old 9", "old x\n\n", "old 9\nnot a hash\n\nlog.example\n", "old 9\n\nlog.example\n9\n"] {
        assert_eq!(witness.add_checkpoint(bad, 0).unwrap_err().0.as_u16(), 400, "{bad:?}");
    }
}

#[test]
fn a_witness_goes_on_with_a_key_that_was_introduced_to_it_and_with_no_other() {
    use access::log::{Introductions, MemoryTiles, NoteSigner, TreeHead, append, prove_consistency, sign_head_as};
    use base64::{Engine, prelude::BASE64_STANDARD};
    let dir = tempfile::tempdir().unwrap();
    let key = |file: &str, kind| make_key("log.example", kind, &dir.path().join(file)).unwrap();
    let (first, second, thief) = (key("1.key", KeyKind::Log), key("2.key", KeyKind::Log), key("3.key", KeyKind::Log));
    let signer = make_key("witness.example", KeyKind::Witness, &dir.path().join("w.key")).unwrap();
    let witness = Witness::new(signer, vec![first.key().clone()], dir.path().join("seen")).unwrap();
    let mut tiles = MemoryTiles::default();
    let mut heads = vec![TreeHead::EMPTY];
    for entry in [b"a", b"b", b"c", b"d"] {
        heads.push(append(&mut tiles, heads.last().unwrap(), &[entry]).unwrap());
    }
    let ask = |signer: &NoteSigner, keys: &Introductions, at: usize| {
        let proof = prove_consistency(&tiles, &heads[at], heads[at - 1].size).unwrap();
        let proof: String = proof.iter().map(|h| format!("{}\n", BASE64_STANDARD.encode(h.0))).collect();
        let text = format!("old {}\n{proof}\n{}", at - 1, sign_head_as(signer, keys, &heads[at]).unwrap());
        witness.add_checkpoint(&text, 1_800_000_000).map_or_else(|(status, _)| status.as_u16(), |_| 200)
    };
    let introduced = Introductions::NONE.introduce(&first, &second, heads[2]).unwrap();
    assert_eq!(ask(&first, &Introductions::NONE, 1), 200);
    assert_eq!(ask(&first, &Introductions::NONE, 2), 200);
    assert_eq!(ask(&second, &Introductions::NONE, 3), 403, "nobody introduced it");
    assert_eq!(ask(&second, &introduced, 3), 200);
    // The old key was stolen: it signs no more, and introduces no other.
    assert_eq!(ask(&first, &Introductions::NONE, 4), 403);
    assert_eq!(ask(&thief, &Introductions::NONE.introduce(&first, &thief, heads[2]).unwrap(), 4), 403);
    assert_eq!(ask(&second, &introduced, 4), 200);
}
