//! A throw-away PostgreSQL for tests: one cluster for all test processes of this user, on a free port, started by whoever
//! comes first and gone a few seconds after the last one. A database for each who asks.
//!
//! PostgreSQL refuses to run as root, so it runs as `nobody` then.

use std::{
    fs::{self, File},
    io::Write,
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// `nobody` and `nogroup`.
const NOBODY: u32 = 65_534;

/// Stops the cluster when nobody holds a lock on `users` any more. Whoever comes takes `start` first, so nobody can come
/// meanwhile.
const KEEPER: &str = r#"
    exec 8>>start 9>>users
    "$@" >>log 2>&1 8>&- 9>&- &
    server=$!
    while sleep 3 && kill -0 $server; do
        flock -n 8 || continue
        if flock -n 9; then kill -QUIT $server; wait $server; rm -rf data port; exit; fi
        flock -u 8
    done
"#;

/// The URL of a database of that name, made if it is not there; `None` where PostgreSQL is not installed.
pub(crate) fn database(name: &str) -> Option<String> {
    static CLUSTER: OnceLock<Option<(File, u16)>> = OnceLock::new();
    let (_, port) = CLUSTER.get_or_init(cluster).as_ref()?;
    let url = |database: &str| format!("postgres://sightline@127.0.0.1:{port}/{database}");
    if ask(&url("postgres"), &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'")).unwrap().is_empty() {
        ask(&url("postgres"), &format!("CREATE DATABASE {name}")).unwrap();
    }
    Some(url(name))
}

/// Away with a database that [`database`] made.
pub(crate) fn drop_database(url: &str) {
    let (server, name) = url.rsplit_once('/').unwrap();
    let _ = ask(&format!("{server}/postgres"), &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
}

/// What a database answers, a line a row, with `|` between columns.
pub(crate) fn ask(url: &str, sql: &str) -> Result<String, String> {
    let psql = tools().ok_or("PostgreSQL is not installed")?.join("psql");
    let said = Command::new(psql).args(["-XAt", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]).stdin(Stdio::null()).output();
    let said = said.map_err(|e| e.to_string())?;
    if said.status.success() {
        Ok(String::from_utf8_lossy(&said.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&said.stderr).into_owned())
    }
}

/// As above, for a test binary that is about PostgreSQL alone: without it, says so and ends well.
#[allow(dead_code, reason = "other test binaries say so themselves")]
pub(crate) fn database_or_skip(name: &str) -> String {
    database(name).unwrap_or_else(|| {
        // Not through the print macros: the test runner would keep it to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED: tests on PostgreSQL: it is not installed (apt-get install postgresql)");
        std::process::exit(0)
    })
}

/// The lock that keeps the cluster running while this process does, and the port.
fn cluster() -> Option<(File, u16)> {
    let tools = tools()?;
    let base = std::env::temp_dir().join(format!("sightline-test-postgres-{}", user()));
    fs::create_dir_all(&base).unwrap();
    let open = |name: &str| File::options().create(true).append(true).open(base.join(name)).unwrap();
    let (start, users) = (open("start"), open("users"));
    start.lock().unwrap();
    users.lock_shared().unwrap();
    let port = fs::read_to_string(base.join("port")).ok().and_then(|p| p.trim().parse().ok());
    let port = port.filter(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()).unwrap_or_else(|| begin(&tools, &base));
    Some((users, port))
}

#[expect(clippy::zombie_processes, reason = "it outlives this process and ends by itself")]
fn begin(tools: &Path, base: &Path) -> u16 {
    let data = base.join("data");
    let _ = fs::remove_dir_all(&data);
    fs::create_dir(&data).unwrap();
    hand_over(&data);
    let folder = data.to_str().unwrap();
    make(tools, &["-D", folder, "-A", "trust"]);

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let number = port.to_string();
    let mut server = words(&tools.join("postgres"), &["-D", folder, "-p", &number]);
    // What is killed here is never the machine: what the operating system has is not lost.
    for setting in
        ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "full_page_writes=off", "max_connections=300"]
    {
        server.extend(["-c".to_owned(), setting.to_owned()]);
    }
    Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .args(&server)
        .current_dir(base)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let began = Instant::now();
    let url = format!("postgres://sightline@127.0.0.1:{port}/postgres");
    while ask(&url, "SELECT 1").is_err() {
        let log = || fs::read_to_string(base.join("log")).unwrap_or_default();
        assert!(began.elapsed() < Duration::from_secs(600), "PostgreSQL does not start:\n{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::write(base.join("port"), number).unwrap();
    port
}

/// A folder or a file becomes that of whoever the server runs as.
pub(crate) fn hand_over(path: &Path) {
    if user() == 0 {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// `initdb` with these arguments, for a superuser called `sightline`.
pub(crate) fn make(tools: &Path, arguments: &[&str]) {
    let mut made = words(&tools.join("initdb"), &["-U", "sightline", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
    made.extend(arguments.iter().map(|&a| a.to_owned()));
    let made = Command::new(&made[0]).args(&made[1..]).current_dir("/").output().unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
}

/// The command line that runs one of PostgreSQL's programs as whom it may run.
pub(crate) fn words(program: &Path, arguments: &[&str]) -> Vec<String> {
    let as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let before = if user() == 0 { &as_nobody[..] } else { &[] };
    let program = program.display().to_string();
    before.iter().map(|&w| w.to_owned()).chain([program]).chain(arguments.iter().map(|&a| a.to_owned())).collect()
}

/// The folder of the newest PostgreSQL's programs, where Debian puts them.
pub(crate) fn tools() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions.filter_map(|v| Some((v.file_name().to_str()?.parse::<u32>().ok()?, v.path().join("bin"))));
    newest.filter(|(_, bin)| bin.join("initdb").exists()).max().map(|(_, bin)| bin)
}

fn user() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}
