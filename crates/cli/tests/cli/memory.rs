//! What keeps a server's memory flat while cameras come and go; how flat that is `server`'s tests say.

use std::fs;

use crate::deployment::Deployment;

#[test]
fn a_server_runs_with_one_arena_in_the_process_that_was_started() {
    let mut deployment = Deployment::new();
    deployment.serve();
    let environment = fs::read(format!("/proc/{}/environ", deployment.process())).unwrap();
    assert!(environment.split(|b| *b == 0).any(|v| v == b"MALLOC_ARENA_MAX=1"));
    // It is still the process that a service manager would stop.
    deployment.terminate();
}
