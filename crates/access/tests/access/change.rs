//! A log changes its key: whoever knows one of its keys believes the others, each for its time, and nobody else's.

use access::{
    SigningKey,
    log::{
        Introductions, KeyKind, LogError, MemoryTiles, Note, NoteSigner, Receipt, TreeHead, Trust, cosign, sign_head,
        sign_head_as,
    },
};

use super::log::{entries, grow, log_signer, witness};

fn signer(n: u8) -> NoteSigner {
    NoteSigner::new("sightline.example/log", KeyKind::Log, SigningKey::from_bytes(&[n; 32])).unwrap()
}

/// A log of 12 entries with the heads at 5, 8 and 12.
fn growing() -> (MemoryTiles, [TreeHead; 3]) {
    let (mut store, all) = (MemoryTiles::default(), entries(12));
    let five = grow(&mut store, &TreeHead::EMPTY, &all[..5]);
    let eight = grow(&mut store, &five, &all[5..8]);
    let twelve = grow(&mut store, &eight, &all[8..]);
    (store, [five, eight, twelve])
}

fn trust(signer: &NoteSigner) -> Trust {
    Trust::of(signer.key().clone())
}

#[test]
fn by_any_of_its_keys_a_log_s_checkpoints_and_receipts_are_believed() {
    let (store, [five, eight, twelve]) = growing();
    let (first, second, third) = (log_signer(), signer(50), signer(51));
    let two = Introductions::NONE.introduce(&first, &second, five).unwrap();
    let three = two.introduce(&second, &third, eight).unwrap();
    let notes = [
        sign_head(&first, &five).unwrap(),
        sign_head_as(&second, &two, &eight).unwrap(),
        sign_head_as(&third, &three, &twelve).unwrap(),
    ];
    // As text, so as it lies in files.
    let notes = notes.map(|note| note.to_string().parse::<Note>().unwrap());
    let read = Introductions::read("sightline.example/log", &three.to_text()).unwrap();
    assert_eq!(read, three);
    for key in [&first, &second, &third] {
        for (note, head, by) in [(&notes[0], five, &first), (&notes[1], eight, &second), (&notes[2], twelve, &third)] {
            let trust = Trust::knowing(key.key().clone(), three.clone());
            let checked = trust.check(note).unwrap();
            assert_eq!((checked.head, &checked.signed_by), (head, by.key()));
            let receipt = Receipt::issue(&store, &head, note, 2).unwrap();
            let receipt: Receipt = receipt.to_string().parse().unwrap();
            receipt.verify(&trust, &entries(12)[2]).unwrap();
        }
    }
    // A checkpoint says by itself how its key came, so the first key is enough for all of them, and the second for the later ones.
    notes.iter().for_each(|note| drop(trust(&first).check(note).unwrap()));
    notes[1..].iter().for_each(|note| drop(trust(&second).check(note).unwrap()));
    assert!(matches!(trust(&second).check(&notes[0]), Err(LogError::NotTheLog(_))));
    // A verifier that knows nothing of such lines passes over them.
    notes[2].verify([third.key()]).unwrap();
}

#[test]
fn only_who_holds_the_key_introduces_another() {
    let (_, [five, eight, twelve]) = growing();
    let (first, second, thief) = (log_signer(), signer(50), signer(66));
    // A key that nobody introduced.
    for note in [
        sign_head(&thief, &twelve).unwrap(),
        sign_head_as(&signer(67), &Introductions::NONE.introduce(&thief, &signer(67), five).unwrap(), &eight).unwrap(),
    ] {
        assert!(matches!(trust(&first).check(&note), Err(LogError::NotTheLog(_))));
    }
    let two = Introductions::NONE.introduce(&first, &second, five).unwrap();
    // Whoever is not the last can't add, nor can a key come back or introduce itself.
    assert!(matches!(two.introduce(&thief, &signer(67), eight), Err(LogError::Introduction(_))));
    assert!(matches!(two.introduce(&first, &thief, eight), Err(LogError::Introduction(_))));
    assert!(matches!(two.introduce(&second, &first, eight), Err(LogError::Introduction(_))));
    assert!(matches!(two.introduce(&second, &second, eight), Err(LogError::Introduction(_))));
    assert!(matches!(two.introduce(&second, &thief, five), Err(LogError::Introduction(_))), "at the same head");
    // Not one bit of it can be another.
    let text = two.to_text();
    let bytes = {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD.decode(&text).unwrap()
    };
    for at in 0..bytes.len() {
        use base64::Engine as _;
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let text = base64::prelude::BASE64_STANDARD.encode(flipped);
        assert!(Introductions::read("sightline.example/log", &text).is_err(), "byte {at}");
    }
    assert!(Introductions::read("another/log", &text).is_err());
    assert!(Introductions::read("sightline.example/log", &text[..text.len() - 4]).is_err());
}

#[test]
fn each_key_signs_heads_of_its_own_time_alone() {
    let (_, [five, eight, twelve]) = growing();
    let (first, second) = (log_signer(), signer(50));
    let two = Introductions::NONE.introduce(&first, &second, five).unwrap();
    let known = Trust::knowing(first.key().clone(), two.clone());
    // The old key is stolen after it has ended.
    let late = sign_head(&first, &eight).unwrap();
    assert!(matches!(known.check(&late), Err(LogError::OutOfTime(_))));
    let forked = TreeHead { hash: twelve.hash, ..five };
    assert!(matches!(known.check(&sign_head(&first, &forked).unwrap()), Err(LogError::OutOfTime(_))));
    let elsewhere = Introductions::NONE.introduce(&first, &signer(66), five).unwrap();
    let stolen = sign_head_as(&signer(66), &elsewhere, &twelve).unwrap();
    assert!(matches!(known.check(&stolen), Err(LogError::Introduction(_))), "the thief introduces a key of theirs");
    assert!(matches!(trust(&second).check(&stolen), Err(LogError::NotTheLog(_))));
    // The new one vouches for nothing that was before it.
    assert!(matches!(sign_head_as(&second, &two, &five), Err(LogError::OutOfTime(_))));
    assert!(matches!(sign_head_as(&first, &two, &eight), Err(LogError::OutOfTime(_))));
    let mut early = sign_head(&second, &five).unwrap();
    early.add(sign_head_as(&second, &two, &eight).unwrap().signatures()[1].clone());
    assert!(matches!(trust(&first).check(&early), Err(LogError::OutOfTime(_))));
}

#[test]
fn a_witness_goes_on_with_the_new_key_that_signed() {
    let (store, [five, eight, _]) = growing();
    let (first, second) = (log_signer(), signer(50));
    let two = Introductions::NONE.introduce(&first, &second, five).unwrap();
    let note = sign_head_as(&second, &two, &eight).unwrap();
    let proof = access::log::prove_consistency(&store, &eight, 5).unwrap();
    let by = trust(&first).check(&note).unwrap().signed_by;
    let mut seen = note.clone();
    seen.add(cosign(&witness(2), &by, &five, &note, &proof, 9).unwrap().signature);
    let trust = Trust { witnesses: vec![witness(2).key().clone()], quorum: 1, ..trust(&first) };
    assert_eq!(trust.check(&seen.to_string().parse().unwrap()).unwrap().witnessed.len(), 1);
    assert!(cosign(&witness(2), first.key(), &five, &note, &proof, 9).is_err());
}

/// What the console's page is tested with (`crates/console/ui/tests/record.spec.ts`): the same words are believed there and here.
#[test]
fn the_console_s_page_is_tested_with_what_is_believed_here() {
    let (store, [five, eight, twelve]) = growing();
    let (first, second, third, thief) = (log_signer(), signer(50), signer(51), signer(66));
    let two = Introductions::NONE.introduce(&first, &second, five).unwrap();
    let three = two.introduce(&second, &third, eight).unwrap();
    let stolen = Introductions::NONE.introduce(&first, &thief, five).unwrap();
    let strange = Introductions::NONE.introduce(&thief, &third, five).unwrap();
    let mut early = sign_head(&second, &five).unwrap();
    early.add(sign_head_as(&second, &two, &eight).unwrap().signatures()[1].clone());
    let mut late = sign_head(&first, &eight).unwrap();
    late.add(sign_head_as(&second, &two, &eight).unwrap().signatures()[1].clone());
    let notes = [
        sign_head(&first, &five).unwrap(),
        sign_head_as(&second, &two, &eight).unwrap(),
        sign_head_as(&third, &three, &twelve).unwrap(),
        sign_head(&thief, &twelve).unwrap(),
        sign_head_as(&third, &strange, &twelve).unwrap(),
        sign_head_as(&thief, &stolen, &twelve).unwrap(),
        early,
        late,
    ];
    let keys = [&first, &second, &third].map(|signer| signer.key().to_string());
    // By each key alone, as a page has it: whether a checkpoint is believed.
    let believed: Vec<Vec<bool>> =
        [&first, &second, &third].iter().map(|key| notes.iter().map(|note| trust(key).check(note).is_ok()).collect()).collect();
    let receipt = Receipt { extra: Some(entries(12)[2].clone()), ..Receipt::issue(&store, &twelve, &notes[2], 2).unwrap() };
    let notes = notes.map(|note| note.to_string());
    let shown = format!("{keys:#?}\n{believed:?}\n{notes:#?}\n{:#?}\n", receipt.to_string());
    // Rust's lists of strings are JSON but for the comma at their end.
    let shown = shown.replace(",\n]", "\n]");
    let [keys, believed, notes, receipt] = {
        let mut parts = shown.split_inclusive("]\n");
        let (keys, rest) = (parts.next().unwrap(), parts.collect::<String>());
        let (believed, rest) = rest.split_once('\n').unwrap();
        let (notes, receipt) = rest.split_once("]\n").unwrap();
        [keys.trim().to_owned(), believed.to_owned(), format!("{notes}]"), receipt.trim().to_owned()]
    };
    let json = format!("{{\"keys\": {keys},\n\"believed\": {believed},\n\"notes\": {notes},\n\"receipt\": {receipt}}}\n");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../console/ui/tests/changed-keys.json");
    if std::env::var_os("UPDATE_FIXTURE").is_some() {
        std::fs::write(file, &json).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), json, "UPDATE_FIXTURE=1 writes it anew");
    assert_eq!(
        believed,
        "[[true, true, true, false, false, true, false, false], [false, true, true, false, false, false, false, false], [false, false, true, false, true, false, false, false]]"
    );
}
