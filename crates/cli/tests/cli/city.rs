//! What `deploy/city` puts together, as processes of this machine: two servers with the files it gives them, but for addresses,
//! behind its balancer, with PostgreSQL and the store of crops under TLS by certificates of the deployment's own authority. The
//! index is one for both, on the server that `SIGHTLINE_TEST_QDRANT` names, or a fake of one.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    bucket, cluster,
    database::Database,
    deployment::{Deployment, footage},
    index_server::IndexServer,
};

const PASSWORD: &str = "s3cret";

/// The files that an operator is given.
fn given(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/city").join(name)).unwrap()
}

/// With each of these in place of what stands there once.
fn moved(mut text: String, changes: &[(&str, &str)]) -> String {
    for (from, to) in changes {
        assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
        text = text.replace(from, to);
    }
    text
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// HAProxy with this configuration, until it is dropped.
struct Balancer(Child);

impl Balancer {
    fn start(file: &Path, configuration: &str, port: u16) -> Self {
        fs::write(file, configuration).unwrap();
        let log = fs::File::create(file.with_extension("log")).unwrap();
        let mut command = Command::new(haproxy().unwrap());
        command.args(["-db", "-f"]).arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let this = Self(command.spawn().unwrap());
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || fs::read_to_string(file.with_extension("log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(600), "haproxy does not start: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn haproxy() -> Option<PathBuf> {
    ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"].into_iter().map(PathBuf::from).find(|p| p.exists())
}

/// A certificate for a service and its key, as `deploy/city/prepare` makes them, but for this machine.
fn certificate(deployment: &Deployment, service: &str) -> (PathBuf, PathBuf) {
    let made = deployment.json(&["identity", "service", service, "--host", service, "--host", "localhost"]);
    let file = |what: &str| PathBuf::from(made[what].as_str().unwrap());
    (file("certificate"), file("key"))
}

/// A PostgreSQL of the test's own that takes nobody without TLS and a password; `None` where it is not installed.
fn encrypted_database(deployment: &Deployment, authority: &Path) -> Option<Database> {
    let password = deployment.path("postgres_password");
    fs::write(&password, PASSWORD).unwrap();
    // For `initdb`, which runs as somebody else.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let shown = folder.path().join("password");
    fs::copy(&password, &shown).unwrap();
    cluster::hand_over(&shown);
    let pwfile = format!("--pwfile={}", shown.display());
    let mut database = Database::start(&["-A", "scram-sha-256", &pwfile], |data| {
        let (certificate, key) = certificate(deployment, "postgres");
        for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
            fs::copy(from, data.join(to)).unwrap();
            cluster::hand_over(&data.join(to));
        }
        fs::write(data.join("pg_hba.conf"), "hostssl all all all scram-sha-256\n").unwrap();
        vec!["ssl=on"]
    })?;
    let url = format!(
        "postgres://sightline:{PASSWORD}@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}",
        database.port,
        authority.display()
    );
    database.wait(&url);
    cluster::ask(&url, "CREATE DATABASE sightline").unwrap();
    Some(database)
}

fn hits(answer: &Value) -> Vec<String> {
    answer["hits"].as_array().unwrap().iter().map(|h| h["sighting"].to_string()).collect()
}

#[test]
fn a_search_through_the_balancer_survives_the_death_of_either_server() {
    let Some(clip) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    if haproxy().is_none() {
        eprintln!("SKIPPED: a city: HAProxy is not installed (apt-get install haproxy)");
        return;
    }
    let first = Deployment::new();
    let authority = first.home().join("pki/ca.pem");
    let Some(database) = encrypted_database(&first, &authority) else {
        eprintln!("SKIPPED: a city: PostgreSQL is not installed (apt-get install postgresql)");
        return;
    };

    // The store of crops as the tests have it, with TLS in front of it.
    let root = first.path("s3");
    fs::create_dir_all(root.join("sightline-crops")).unwrap();
    let (certificate_of_store, key) = certificate(&first, "s3");
    let both = first.path("s3.both.pem");
    fs::write(&both, fs::read_to_string(certificate_of_store).unwrap() + &fs::read_to_string(key).unwrap()).unwrap();
    let store = free_port();
    let encrypted = format!(
        "defaults\n mode http\n timeout connect 2s\n timeout client 1m\n timeout server 1m\nfrontend s3\n \
         bind 127.0.0.1:{store} ssl crt {}\n default_backend s3\nbackend s3\n server s3 {}\n",
        both.display(),
        bucket::endpoint(&root).trim_start_matches("http://")
    );
    let _store = Balancer::start(&first.path("s3.cfg"), &encrypted, store);
    let credentials = first.path("s3_credentials");
    let text = format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", bucket::KEY, bucket::SECRET);
    fs::write(&credentials, text).unwrap();

    let ports = [free_port(), free_port()];
    // Each server's file as it is given, with this machine's addresses.
    let index = IndexServer::start();
    let configuration = |n: usize| {
        moved(
            given("server.toml"),
            &[
                ("0.0.0.0:7443", &format!("127.0.0.1:{}", ports[n - 1])),
                ("127.0.0.1:7445", "127.0.0.1:0"),
                ("@postgres/", &format!("@localhost:{}/", database.port)),
                ("/var/lib/sightline/pki/ca.pem", authority.to_str().unwrap()),
                ("/run/secrets/postgres_password", first.path("postgres_password").to_str().unwrap()),
                ("https://s3:7070", &format!("https://localhost:{store}")),
                ("/run/secrets/s3_credentials", credentials.to_str().unwrap()),
                ("url = \"https://qdrant:6334\"", &format!("url = \"{}\"\nname = \"{}\"", index.url, index.name)),
                ("/run/secrets/qdrant_api_key", ""),
            ],
        )
    };
    let texts = [configuration(1), configuration(2)];
    let second = first.beside();
    let mut servers = [first, second];
    for (server, text) in servers.iter_mut().zip(&texts) {
        fs::write(server.home().join("sightline.toml"), text).unwrap();
        // As the containers have it.
        server.believe(authority.clone());
        server.serve();
    }

    let port = free_port();
    let passing_on = moved(
        given("haproxy.cfg"),
        &[
            (":7443\n    default_backend", &format!("127.0.0.1:{port}\n    default_backend")),
            ("server-1:7443", servers[0].address()),
            ("server-2:7443", servers[1].address()),
        ],
    );
    let _balancer = Balancer::start(&servers[0].path("haproxy.cfg"), &passing_on, port);
    let mut callers = servers[0].beside();
    callers.call(format!("localhost:{port}"));

    callers.json(&["agency", "add", "transit", "--title", "Transit"]);
    callers.json(&["camera", "add", "hall", "--agency", "transit"]);
    let clip = clip.canonicalize().unwrap();
    callers.json(&["archive", "add", clip.to_str().unwrap(), "--camera", "hall", "--start", "2026-03-01T09:30:00Z", "--wait"]);
    callers.open_case("k", &["--agency", "transit", "--from", "2026-03-01T09:00:00Z", "--to", "2026-03-01T10:00:00Z"]);
    callers.authorise("k");
    let search = ["search", "--case", "k", "--class", "person", "--limit", "50"];
    let wanted = hits(&callers.json(&search));
    assert!(!wanted.is_empty());
    // Both have it in their index.
    for server in &servers {
        server.wait_for("both indexes", || hits(&server.json(&search)) == wanted);
    }
    let stored = fs::read_dir(root.join("sightline-crops")).unwrap().count();
    assert!(stored > 0, "no crop is in the bucket");

    for n in [0, 1] {
        servers[n].kill();
        // The balancer looks once a second; a call that it gave to the dead server before may fail, and is made again.
        callers.wait_for("the balancer to see that the server is gone", || {
            callers.command(&search).arg("--json").output().unwrap().status.success()
        });
        for _ in 0..5 {
            assert_eq!(hits(&callers.json(&search)), wanted, "without server {}", n + 1);
        }
        servers[n].serve();
        servers[n].wait_for("the server that was killed", || hits(&servers[n].json(&search)) == wanted);
    }
    for server in &servers {
        server.json(&["log", "verify"]);
    }
}
