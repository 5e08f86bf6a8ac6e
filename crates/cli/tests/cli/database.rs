//! A PostgreSQL of a test's own, which can be killed.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::cluster;

pub(crate) struct Database {
    server: Child,
    words: Vec<String>,
    folder: TempDir,
    pub(crate) port: u16,
}

impl Database {
    /// `initdb` is given these arguments; `prepare` the data folder, to say with what the server is started. `None` where
    /// PostgreSQL is not installed.
    pub(crate) fn start(authentication: &[&str], prepare: impl FnOnce(&Path) -> Vec<&'static str>) -> Option<Self> {
        let tools = cluster::tools()?;
        // Where the account that it runs as may go.
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        cluster::hand_over(&data);
        cluster::make(&tools, &[&["-D", data.to_str().unwrap()], authentication].concat());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let number = port.to_string();
        let more = prepare(&data);
        // What is killed here is never the machine: what the operating system has is not lost.
        let usual = ["-D", data.to_str().unwrap(), "-p", &number, "-c", "unix_socket_directories=", "-c", "fsync=off"];
        let more = more.iter().flat_map(|setting| ["-c", setting]);
        let words = cluster::words(&tools.join("postgres"), &usual.into_iter().chain(more).collect::<Vec<_>>());
        let server = run(&words, folder.path());
        Some(Self { server, words, folder, port })
    }

    /// Returns once it answers, by this address of one of its databases.
    pub(crate) fn wait(&mut self, url: &str) {
        let began = Instant::now();
        while let Err(error) = cluster::ask(url, "SELECT 1") {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(600), "PostgreSQL does not start: {error}\n{}", log());
            // What it was before it was killed is still on its way out.
            if self.server.try_wait().unwrap().is_some() {
                self.again();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Starts after [`Self::kill`].
    pub(crate) fn again(&mut self) {
        self.server = run(&self.words, self.folder.path());
    }
}

fn run(words: &[String], folder: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new(&words[0]).args(&words[1..]).current_dir("/").stdin(Stdio::null()).stderr(log).spawn().unwrap()
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}
