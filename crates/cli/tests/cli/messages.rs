//! What people read: help and errors, as they are.

use insta::assert_snapshot;

use crate::deployment::{Deployment, binary, spoken};

/// Run without a deployment: exit code, then both streams.
fn said(words: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = binary().args(words.split_whitespace()).env("SIGHTLINE_HOME", dir.path().join("none")).output().unwrap();
    let (code, out, err) = spoken(&output);
    let text = format!("exit {code}\n{out}{err}").replace(&dir.path().display().to_string(), "DIR");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_help_names_every_command() {
    assert_snapshot!(said("--help"), @r#"
    exit 0
    Find out which of the pooled cameras saw a figure or a vehicle like this, where and when.

    No face recognition, no identities, no search without a case that somebody else authorised. A result
    is a possible sighting, never "this person".

    Usage: sightline [OPTIONS] <COMMAND>

    Commands:
      init         Make a deployment: its folder, configuration, certificates and keys
      serve        Run the server
      reload       Have the running server take its certificates and its configuration anew
      ingest       Watch an agency's cameras where they hang
      identity     Identities: who may call, and whose certificate is not taken any more
      rotate       Exchange keys without a new deployment: the server's, the authority's, the log's, an
                   authoriser's
      agency       Agencies that pool cameras
      camera       Cameras
      recorder     Recorders: what they hold is looked at where it lies
      archive      Archived footage: files become sightings
      case         Cases: the only thing under which anybody may search
      search       Search a case's cameras for possible sightings
      mark         Verdicts and the tray: what you think of the sightings of your case
      console      The console: the same in a browser on this machine, as one person
      export       Take possible sightings out of the deployment, sealed
      retention    Sightings end: what is due, and what was deleted
      hold         Legal holds: what two people keep longer
      status       One screen: health, cameras, jobs, sightings, disk, and what is due
      check        Compare catalogue, crops and index
      index        The search index
      reindex      Another model takes over the appearance vectors, from stored crops
      log          The record as a log that anybody can check
      verify       Check a receipt or an export, with no server and no network
      migrate      Move an embedded deployment to a database and a store that several servers share
      backup       Copy a deployment that lies in one folder, while its server runs
      restore      Make a deployment of a backup again, in an empty home folder
      upgrade      Bring a deployment up to this version, or go back to the one before
      witness      Run a witness: vouch that a log only ever grows
      eval         How well and how fast it sees, on your own labelled data
      appearance   How figures are compared
      models       The models and the runtime: what is pinned, what is here
      doctor       What of this machine and the home folder is not as it should be, and what to do
      man          Write the man pages
      completions  Print what completes command lines in a shell

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Global options:
          --home <DIR>
              The deployment's folder [default: sightline under the user's data folder]

              [env: SIGHTLINE_HOME]

          --server <ADDR>
              Where the server listens [default: the home folder's]

          --as <IDENTITY>
              Which of the home folder's identities calls [default: the usual one for the command]

          --json
              Answer with one line of JSON on stdout; errors as one line of JSON on stderr
    "#);
}

#[test]
fn the_help_of_search_names_every_word_that_may_be_asked() {
    assert_snapshot!(said("search --help"), @r#"
    exit 0
    Search a case's cameras for possible sightings

    Usage: sightline search [OPTIONS] --case <CASE>

    Options:
          --case <CASE>              The case to search under
          --class <CLASS>            What to look for [default: every class of the case] [possible
                                     values: person, bicycle, car, motorcycle, bus, truck, backpack,
                                     umbrella, handbag, suitcase]
          --upper <COLOUR>           Colour of what is worn above the waist [possible values: black,
                                     white, grey, red, orange, yellow, green, blue, purple, pink, brown]
          --lower <COLOUR>           Colour of what is worn below the waist [possible values: black,
                                     white, grey, red, orange, yellow, green, blue, purple, pink, brown]
          --carrying <THING>         A thing that is carried; repeat for more [possible values:
                                     backpack, umbrella, handbag, suitcase]
          --vehicle-colour <COLOUR>  Colour of a vehicle [possible values: black, white, grey, red,
                                     orange, yellow, green, blue, purple, pink, brown]
          --stature <STATURE>        Height relative to the others in the scene; in missing-person cases
                                     alone [possible values: small, medium, tall]
          --like <SIGHTING>          More like this sighting, which was handed out under the same case;
                                     repeat for more
          --unlike <SIGHTING>        Not like this sighting; repeat for more. Counts where there is
                                     something to be like, too
          --like-picture <FILE>      More like the one in this picture (JPEG or PNG); faces are erased
                                     before anything is made of it, and it is not kept
          --unlike-picture <FILE>    Not like the one in this picture
          --by-marks                 More like what was marked yes under the case, and not like what was
                                     marked no; the newest of each
          --without-colour           Only sightings that have no colour to compare, as by night or in
                                     infrared
          --reach-from <SIGHTING>    Mark what can be reached from this sighting in the time between
          --by <BY>                  How [default: foot] [possible values: foot, vehicle]
          --only-reachable           Leave out what can't be reached; what is not known stays in
          --from <TIME>              Not before, RFC 3339 with zone [default: as early as the case
                                     covers]
          --to <TIME>                Before this time [default: as late as the case covers]
          --camera <CAMERA>          Only this camera; repeat for more [default: every camera of the
                                     case]
          --limit <LIMIT>            At most so many [default: 50]
          --contact-sheet <FILE>     Write the redacted crops as a grid into this PNG file
          --receipt <FILE>           Write the receipt of this search into this file; `sightline verify`
                                     checks it
          --page <TOKEN>             Go on where the page before ended, as its answer said; everything
                                     else as before, but for --limit. A page counts as a search
          --every-hit                Show every hit, also those that may be one pass of one figure on
                                     one camera
          --keep-looking             Go on: show what newly fits as it is stored, until this is stopped.
                                     Missing-person cases alone
          --for <DURATION>           With `--keep-looking`: for so long, an hour at most [default: an
                                     hour]
          --least-score <SCORE>      With `--keep-looking`: what scores at least so much, 0 to 1
                                     [default: 0.5]
      -h, --help                     Print help

    Global options:
          --home <DIR>     The deployment's folder [default: sightline under the user's data folder]
                           [env: SIGHTLINE_HOME]
          --server <ADDR>  Where the server listens [default: the home folder's]
          --as <IDENTITY>  Which of the home folder's identities calls [default: the usual one for the
                           command]
          --json           Answer with one line of JSON on stdout; errors as one line of JSON on stderr
    "#);
}

#[test]
fn a_missing_home_points_to_init() {
    assert_snapshot!(said("case list"), @r#"
    exit 1
    error: there is no deployment at DIR/none
    hint: make one with `sightline init`, or name another folder with `--home DIR`
    "#);
}

#[test]
fn a_start_without_zone_is_refused_before_anything_is_read() {
    assert_snapshot!(said("archive add a.mp4 --camera c --start 2026-03-01T08:30:00"), @r#"
    exit 2
    error: "2026-03-01T08:30:00" for --start: the time has no zone
    hint: write 2026-03-01T08:30:00Z for UTC, or the camera's offset: 2026-03-01T08:30:00+02:00
    "#);
}

#[test]
fn a_word_outside_the_vocabulary_is_answered_with_the_words_there_are() {
    assert_snapshot!(said("search --case k --upper mauve"), @r#"
    exit 2
    error: invalid value 'mauve' for '--upper <COLOUR>' [possible values: black, white, grey, red, orange, yellow, green, blue, purple, pink, brown]
    hint: see `sightline search --help`
    "#);
}

#[test]
fn a_search_for_nothing_asks_what_to_look_for() {
    let deployment = Deployment::new();
    let (code, out, err) = spoken(&deployment.command(&["--server", "127.0.0.1:1", "search", "--case", "k"]).output().unwrap());
    assert_eq!((code, out.as_str()), (2, ""));
    assert_snapshot!(err, @r#"
    error: nothing to look for
    hint: describe it (--class person --upper white) or name an example (--like SIGHTING)
    "#);
}

#[test]
fn a_deployment_without_a_server_says_how_to_start_one() {
    let deployment = Deployment::new();
    let (code, out, err) = spoken(&deployment.command(&["--server", "127.0.0.1:1", "camera", "list"]).output().unwrap());
    assert_eq!((code, out.as_str()), (1, ""));
    assert_snapshot!(err, @r#"
    error: no server at 127.0.0.1:1
    hint: start it with `sightline serve`
    "#);
}

#[test]
fn an_identity_that_is_not_there_is_answered_with_those_that_are() {
    let deployment = Deployment::new();
    let output = deployment.command(&["--server", "127.0.0.1:1", "--as", "nobody", "camera", "list"]).output().unwrap();
    let (code, _, err) = spoken(&output);
    assert_eq!(code, 2);
    assert_snapshot!(err.replace(&deployment.home().display().to_string(), "HOME"), @r#"
    error: there is no identity "nobody" in HOME
    hint: there are auditor, authoriser, camera-owner, investigator, operator
    "#);
}

#[test]
fn a_second_init_changes_nothing_and_says_so() {
    let deployment = Deployment::new();
    let key = || std::fs::read(deployment.home().join("pki/ca.pem")).unwrap();
    let before = key();
    let (code, _, err) = spoken(&deployment.command(&["init"]).output().unwrap());
    assert_eq!(code, 1);
    assert_eq!(key(), before);
    assert_snapshot!(err.replace(&deployment.home().display().to_string(), "HOME"), @r#"
    error: HOME is a deployment already
    hint: nothing was changed; use it as it is, or choose another folder with SIGHTLINE_HOME
    "#);
}

#[test]
fn a_model_file_with_one_flipped_byte_fails_verify_with_both_digests() {
    let cache = tempfile::tempdir().unwrap();
    std::fs::create_dir(cache.path().join("models")).unwrap();
    std::fs::write(cache.path().join("models/centerface.onnx"), "not the model").unwrap();
    let output = binary().args(["models", "verify", "--json"]).env("SIGHTLINE_CACHE", cache.path()).output().unwrap();
    let (code, out, err) = spoken(&output);
    assert_eq!(code, 1);
    let error: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert_eq!(error["reason"], "not_verified");
    assert_eq!(error["hint"], "get it again: sightline models fetch");
    let view: serde_json::Value = serde_json::from_str(&out).unwrap();
    let model = view["models"].as_array().unwrap().iter().find(|m| m["name"] == "centerface").unwrap();
    assert_eq!(model["state"], "corrupt");
    assert_ne!(model["sha256"], model["found_sha256"]);
}
