//! The console's page checks receipts in the browser with a reader of its own. Two readers of one format: whatever the page takes, this
//! crate takes as well.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use access::{SigningKey, log::*};
use serde_json::{Value, json};

use crate::corpora::{changed, committed};

/// Reads [{text, entry}] of standard input and says of each whether the page's reader takes it.
const SCRIPT: &str = r#"
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const [, ui, key] = process.argv;
const ts = createRequire(ui + "/package.json")("typescript");
const target = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
const source = ts.transpileModule(readFileSync(ui + "/src/lib/merkle.ts", "utf8"), { compilerOptions: target }).outputText;
const merkle = await import("data:text/javascript;base64," + Buffer.from(source).toString("base64"));
const log = await merkle.logKey(key);
const said = [];
for (const { text, entry } of JSON.parse(readFileSync(0, "utf8"))) {
  const taken = (promise) => promise.then(() => true, () => false);
  const whole = await taken(merkle.verify(text, log, Uint8Array.from(Buffer.from(entry, "hex"))));
  said.push([whole, await taken(merkle.checkpoint(text, log))]);
}
process.stdout.write(JSON.stringify(said));
"#;

#[test]
fn the_page_s_reader_takes_no_receipt_and_no_checkpoint_that_ours_refuses() {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/ui");
    if !ui.join("node_modules/typescript").is_dir() {
        eprintln!("SKIPPED: the console's page was not built here: scripts/console-page");
        return;
    }
    let key = NoteSigner::new("city.example/log", KeyKind::Log, SigningKey::from_bytes(&[7; 32])).unwrap().key().clone();
    let trust = Trust::of(key.clone());
    // The seeds as they are; with another entry; and changed.
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    let entry = committed("audit_entry").into_iter().find(|(name, _)| name == "begin").unwrap().1;
    for (_, seed) in committed("receipt").into_iter().chain(committed("note")) {
        let text = String::from_utf8(seed.clone()).unwrap();
        cases.push((text.clone(), entry.clone()));
        cases.push((text, b"another".to_vec()));
        cases.extend(changed(&seed, 60).filter_map(|bytes| Some((String::from_utf8(bytes).ok()?, entry.clone()))));
    }
    let given: Vec<Value> = cases.iter().map(|(text, entry)| json!({ "text": text, "entry": hex::encode(entry) })).collect();
    let mut node = Command::new("node")
        .args(["--input-type=module", "-e", SCRIPT])
        .args([ui.as_os_str().to_str().unwrap(), &key.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(serde_json::to_string(&given).unwrap().as_bytes()).unwrap();
    drop(stdin);
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    let said: Vec<(bool, bool)> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said.len(), cases.len());
    let mut taken = (0, 0);
    for ((text, entry), (whole, checkpoint)) in cases.iter().zip(said) {
        let ours = text.parse::<Receipt>().is_ok_and(|receipt| receipt.verify(&trust, entry).is_ok());
        let note = text.parse::<Note>().is_ok_and(|note| trust.check(&note).is_ok());
        assert!(ours || !whole, "the page takes a receipt that ours refuses:\n{text}");
        assert!(note || !checkpoint, "the page takes a checkpoint that ours refuses:\n{text}");
        taken = (taken.0 + usize::from(whole), taken.1 + usize::from(checkpoint));
    }
    assert!(taken.0 >= 2 && taken.1 >= 2, "the seeds are taken by both: {taken:?}");
}
