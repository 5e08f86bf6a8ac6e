//! Looks at the machine and at a home folder as somebody would who is asked why it does not work. Needs no server, and asks none
//! for anything; writes one small file to see how long the disk takes, and deletes it.

use std::{
    fs, io,
    io::Write as _,
    net::TcpStream,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use audit_log::{FileTiles, checked};
use catalogue::{Catalogue, CatalogueConfig, CatalogueError};
use deployment::{Home, certificate, log_trust, mark};
use rustix::process::{Resource, getrlimit};
use types::{Chain, ReceiveTime};
use vision::{ModelState, Role};

use crate::{config::Config, store};

/// A certificate that ends sooner than this is to be replaced.
const SOON: Duration = Duration::from_secs(30 * 86_400);
/// Below this a disk is as good as full.
const FULL: u64 = 256 << 20;
const SCARCE: u64 = 5 << 30;
/// Every search waits for the disk once.
const SLOW: Duration = Duration::from_millis(50);
const TOO_SLOW: Duration = Duration::from_millis(500);
const SYNCS: u32 = 5;
/// As the unit sets it.
const DESCRIPTORS: u64 = 65_536;
const FEW_DESCRIPTORS: u64 = 1_024;

/// How something is. They are in order: the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Ok,
    /// The server starts, and somebody should look at it.
    Warn,
    /// The server does not start, or does not do its work.
    Fail,
}

impl State {
    /// The word that is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, for people.
    pub what: String,
    /// How it is.
    pub state: State,
    /// What was found, for people.
    pub says: String,
    /// What to do about it; none where all is well.
    pub to_do: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(what: impl Into<String>, says: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Ok, says: says.into(), to_do: None }
    }

    /// Something that somebody should look at, and what they should do.
    pub fn warn(what: impl Into<String>, says: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Warn, says: says.into(), to_do: Some(to_do.into()) }
    }

    /// Something that does not work, and what to do about it.
    pub fn fail(what: impl Into<String>, says: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Fail, says: says.into(), to_do: Some(to_do.into()) }
    }
}

/// Everything that was looked at, in the order in which it is needed.
pub async fn doctor(home: &Home) -> Vec<Finding> {
    if Config::load(&home.config()).is_ok_and(|config| !config.sandbox) {
        media::sandbox_off();
    }
    let mut found = gstreamer();
    found.push(clock());
    found.push(descriptors());
    if !home.authority().is_file() {
        let to_do = "make one with `sightline init`, or name another folder with `--home DIR`";
        found.push(Finding::fail("home folder", format!("there is no deployment at {}", home.root().display()), to_do));
        return found;
    }
    found.extend(modes(home));
    let file = home.config();
    // A worker's folder needs none.
    let read = if file.exists() { Config::load(&file) } else { Config::parse("", &file) };
    let config = match read {
        Ok(config) => config,
        Err(error) => {
            found.push(Finding::fail("configuration", Chain(&error).to_string(), error.hint()));
            return found;
        }
    };
    let says = if file.exists() { file.display().to_string() } else { "there is none; every key has its default".to_owned() };
    found.push(Finding::ok("configuration", says));
    let data = home.root().join(&config.data);
    found.push(room(&data));
    found.push(disk(&data));
    found.extend(certificates(home));
    found.extend(private_keys(home));
    found.extend(models(&config));
    found.push(running(home));
    found.extend(stored(home, &config, &data).await);
    found
}

fn gstreamer() -> Vec<Finding> {
    let installed = match media::installed() {
        Ok(installed) => installed,
        Err(media::MediaError::NoCell { what }) => {
            let to_do = "use Linux 5.19 or newer with Landlock switched on, and let this program call landlock_* and seccomp; \
                         docs/operations.md, \"Decoders\", says more";
            return vec![Finding::fail("decoders", format!("can't be confined: {what}"), to_do)];
        }
        Err(error) => {
            return vec![Finding::fail("GStreamer", Chain(&error).to_string(), "install it: package libgstreamer1.0-0")];
        }
    };
    let version = if installed.is_new_enough {
        Finding::ok("GStreamer", installed.version)
    } else {
        Finding::fail("GStreamer", format!("{} is too old", installed.version), "install 1.22 or newer")
    };
    let decoders = if media::sandboxed() {
        Finding::ok("decoders", "each is confined to its own file or camera")
    } else {
        Finding::warn("decoders", "not confined: media.sandbox is off", "set it to \"on\" in sightline.toml")
    };
    let mut found = vec![version, decoders];
    found.extend(installed.abilities.into_iter().map(|ability| {
        let what = format!("GStreamer: {}", ability.what);
        let to_do = format!("install the package {}", ability.package);
        match &ability.found {
            Some((element, version)) => Finding::ok(what, format!("{element} {version}")),
            None if ability.needed => Finding::fail(what, format!("there is no {}", ability.elements.join(" or ")), to_do),
            None => Finding::warn(what, format!("there is no {}", ability.elements.join(" or ")), to_do),
        }
    }));
    found
}

fn clock() -> Finding {
    let what = "clock";
    let now = ReceiveTime::now();
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Finding::ok(what, format!("{now}, synchronised"));
    }
    let told = std::process::Command::new("timedatectl").args(["show", "--property=NTPSynchronized", "--value"]).output();
    match told.ok().filter(|told| told.status.success()).map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned()) {
        Some(word) if word == "yes" => Finding::ok(what, format!("{now}, synchronised")),
        Some(word) if word == "no" => Finding::fail(
            what,
            format!("{now}, not synchronised"),
            "times of sightings, cases and the record go by it: switch NTP on (`timedatectl set-ntp true`, or chrony)",
        ),
        _ => Finding::warn(
            what,
            format!("{now}; whether it is synchronised can't be told here"),
            "see to it that NTP sets this machine's clock, or its host's",
        ),
    }
}

fn descriptors() -> Finding {
    let what = "file descriptors";
    // None: no limit.
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let to_do = format!("a camera takes some ten, a connection one: set LimitNOFILE={DESCRIPTORS} in the unit, or `ulimit -n`");
    match limit {
        _ if limit < FEW_DESCRIPTORS => Finding::fail(what, format!("at most {limit}"), to_do),
        _ if limit < DESCRIPTORS => Finding::warn(what, format!("at most {limit} in this shell"), to_do),
        u64::MAX => Finding::ok(what, "no limit"),
        _ => Finding::ok(what, format!("at most {limit}")),
    }
}

/// Whose the folder is and who can read it, private keys above all.
fn modes(home: &Home) -> Vec<Finding> {
    let what = "home folder";
    let root = home.root();
    let meta = match fs::metadata(root) {
        Ok(meta) => meta,
        Err(error) => return vec![Finding::fail(what, format!("{}: {error}", root.display()), "check that you may read it")],
    };
    let mut found = Vec::new();
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me {
        let says = format!("{} belongs to the account {}, and this runs as {me}", root.display(), meta.uid());
        found.push(Finding::warn(what, says, "run this as the server's account: `sudo -u sightline sightline doctor`"));
    }
    let mode = meta.permissions().mode() & 0o777;
    found.push(if mode & 0o077 == 0 {
        Finding::ok(what, format!("{}, for its account alone", root.display()))
    } else {
        Finding::warn(
            what,
            format!("{} can be read by others (mode {mode:o})", root.display()),
            format!("chmod 700 {}", root.display()),
        )
    });
    let open = home.open_keys();
    if let Some(first) = open.first() {
        let says =
            format!("{} can be read by others: {}", if open.len() == 1 { "a private key" } else { "private keys" }, list(&open));
        found.push(Finding::fail(
            "private keys",
            says,
            format!("chmod 600 {}; who has read it may have it still: issue another", first.display()),
        ));
    }
    found
}

fn list(files: &[PathBuf]) -> String {
    files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The nearest folder that is there.
fn standing(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"))
}

fn room(data: &Path) -> Finding {
    let what = "room on the disk";
    let free = match durable::room(standing(data)) {
        Ok(room) => room.free,
        Err(error) => return Finding::fail(what, format!("{}: {error}", data.display()), "check that you may read it"),
    };
    let says = format!("{} MiB free at {}", free >> 20, data.display());
    let to_do = "make room: a sighting takes some 10 kB, and a deletion room for a second copy of the catalogue";
    match free {
        _ if free < FULL => Finding::fail(what, says, to_do),
        _ if free < SCARCE => Finding::warn(what, says, to_do),
        _ => Finding::ok(what, says),
    }
}

fn disk(data: &Path) -> Finding {
    let what = "speed of the disk";
    let folder = standing(data);
    let path = folder.join(".doctor");
    let took = || -> io::Result<Duration> {
        let mut file = fs::File::create(&path)?;
        let mut all = Vec::new();
        for _ in 0..SYNCS {
            let began = Instant::now();
            file.write_all(&[0; 4096])?;
            file.sync_all()?;
            all.push(began.elapsed());
        }
        all.sort();
        Ok(all[all.len() / 2])
    };
    let measured = took();
    let _ = fs::remove_file(&path);
    let to_do = "a search, and every sighting, waits until it is on the disk: put data/ on a disk of the machine's own, an SSD";
    match measured {
        Ok(took) => {
            let says = format!("{:.1} ms until a write is on it", took.as_secs_f64() * 1e3);
            match took {
                _ if took > TOO_SLOW => Finding::fail(what, says, to_do),
                _ if took > SLOW => Finding::warn(what, says, to_do),
                _ => Finding::ok(what, says),
            }
        }
        Err(error) => Finding::fail(
            what,
            format!("{}: {error}", folder.display()),
            "run this as the server's account; it must be able to write there",
        ),
    }
}

fn certificates(home: &Home) -> Vec<Finding> {
    let renew = "exchange it in time, since every identity is issued by it: `sightline rotate authority`";
    let mut files = vec![("certificate of the authority".to_owned(), home.authority(), renew)];
    // A worker's folder has none.
    if home.server_certificate().exists() || home.server_key().exists() {
        let renew = "issue another: `sightline rotate server`";
        files.push(("certificate of the server".to_owned(), home.server_certificate(), renew));
    }
    for name in home.identities() {
        files.push((format!("certificate of {name}"), home.identity(&name).0, "issue another: `sightline identity add`"));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed();
    files
        .into_iter()
        .map(|(what, file, to_do)| {
            let Some(end) = certificate::end(&file) else {
                return Finding::fail(what, format!("{} can't be read", file.display()), to_do);
            };
            let date = chrono::DateTime::from_timestamp(end, 0).map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default();
            match end - now {
                left if left <= 0 => Finding::fail(what, format!("ended on {date}"), to_do),
                left if left < SOON.as_secs().cast_signed() => Finding::warn(what, format!("ends on {date}"), to_do),
                _ => Finding::ok(what, format!("good until {date}")),
            }
        })
        .collect()
}

/// Keys that are not the server's, in its folder.
fn private_keys(home: &Home) -> Vec<Finding> {
    let grants: Vec<_> = home.identities().iter().map(|name| home.grant_key(name)).filter(|key| key.is_file()).collect();
    let mut found = Vec::new();
    if home.authority_key().is_file() {
        let to_do = "move it, as pki/ca.key beside a copy of pki/ca.pem, into a folder that is kept elsewhere and named with `--authority DIR`: the server does not need it";
        found.push(Finding::warn("key of the authority", "pki/ca.key lies in the server's folder", to_do));
    }
    if !grants.is_empty() {
        let to_do = "it belongs on the authoriser's machine alone: hand it over and delete it here";
        found.push(Finding::warn("keys that authorise", format!("{} lies in the server's folder", list(&grants)), to_do));
    }
    found
}

fn models(config: &Config) -> Vec<Finding> {
    let fetch = "`sightline models fetch`";
    let models = match store::models(config) {
        Ok(models) => models,
        Err(error) => return vec![Finding::fail("models", Chain(&error).to_string(), fetch)],
    };
    let named = [
        (Role::Detector, &config.detector),
        (Role::FaceFinder, &config.face_finder),
        (Role::Embedder, &config.embedder),
        (Role::Figure, &None),
    ];
    named
        .into_iter()
        .map(|(role, name)| {
            let manifest = models.manifest();
            let entry = match name.as_ref().map_or_else(|| manifest.default(role), |name| manifest.entry(name)) {
                Ok(entry) => entry,
                Err(error) => return Finding::fail("model", Chain(&error).to_string(), "correct [models] in sightline.toml"),
            };
            let what = format!("model {}", entry.name);
            match models.state(&entry.name) {
                Ok(ModelState::Verified) => Finding::ok(what, models.path(&entry.name).display().to_string()),
                Ok(ModelState::Missing) => {
                    Finding::fail(what, format!("{} is not there", models.path(&entry.name).display()), fetch)
                }
                Ok(ModelState::Corrupt { found }) => Finding::fail(
                    what,
                    format!("{} has the digest {found}, which is another", models.path(&entry.name).display()),
                    fetch,
                ),
                Err(error) => Finding::fail(what, Chain(&error).to_string(), "check that you may read the cache folder"),
            }
        })
        .collect()
}

fn running(home: &Home) -> Finding {
    let what = "server";
    match home.running_address() {
        Some(address) if TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok() => {
            Finding::ok(what, format!("answers at {address}"))
        }
        Some(address) => Finding::warn(
            what,
            format!("noted {address}, and does not answer there"),
            "it was killed, or hangs: look at its log, then start it",
        ),
        None => Finding::ok(what, "none runs"),
    }
}

/// The catalogue, the log and the index, as far as they can be seen from outside.
async fn stored(home: &Home, config: &Config, data: &Path) -> Vec<Finding> {
    if let Some(database) = &config.database {
        let says = format!("in {}; not looked at from here", database.url);
        return vec![Finding::ok("catalogue", says)];
    }
    let what = "catalogue";
    if !data.join("catalogue.db").is_file() {
        return vec![Finding::ok(what, "there is none yet; the first start makes it")];
    }
    let places = CatalogueConfig { crops: data.join("crops").into(), ..CatalogueConfig::in_folder(data) };
    let catalogue = match Catalogue::open_unchanged(&places).await {
        Ok(catalogue) => catalogue,
        Err(error @ CatalogueError::TooOld { .. }) => {
            let to_do = "the next start brings it up to date: take a backup with the version before first";
            return vec![Finding::warn(what, error.to_string(), to_do)];
        }
        Err(error) => {
            let to_do = error.hint().unwrap_or("restore a backup: `sightline restore`").to_owned();
            return vec![Finding::fail(what, Chain(&error).to_string(), to_do)];
        }
    };
    let mut found = Vec::new();
    match catalogue.sighting_count().await {
        Ok(count) => {
            found.push(Finding::ok(what, format!("{count} sightings")));
            found.push(index(config, data, count));
        }
        Err(error) => {
            found.push(Finding::fail(what, Chain(&error).to_string(), "`sightline check`; restore a backup: `sightline restore`"))
        }
    }
    found.extend(log(home, config, &catalogue).await);
    catalogue.close().await;
    found
}

fn index(config: &Config, data: &Path, sightings: u64) -> Finding {
    let what = "index";
    if let Some(server) = &config.index_server {
        return Finding::ok(what, format!("on the server {}; not looked at from here", server.url));
    }
    let folder = data.join("index");
    let files = crate::copies::backup::files_under(&folder).unwrap_or_default();
    if files.is_empty() && sightings > 0 {
        return Finding::warn(what, "there is none", "the next start makes it from the catalogue; searches wait for it");
    }
    let bytes: u64 = files.iter().filter_map(|file| Some(fs::metadata(folder.join(file)).ok()?.len())).sum();
    Finding::ok(what, format!("{} files, {} MiB", files.len(), bytes.div_ceil(1 << 20)))
}

async fn log(home: &Home, config: &Config, catalogue: &Catalogue) -> Vec<Finding> {
    let what = "log";
    let trust = match log_trust(home) {
        Ok(trust) => trust,
        Err(fault) => return vec![Finding::fail(what, Chain(&fault).to_string(), fault.hint())],
    };
    let have = match catalogue.audit_len().await {
        Ok(have) => have,
        Err(error) => return vec![Finding::fail(what, Chain(&error).to_string(), "`sightline check`")],
    };
    let restore = "this is an older copy of the catalogue: restore the newest one, with `sightline restore --log`";
    let checkpoint = match checked(&trust, &FileTiles::new(home.log()).checkpoint()) {
        Ok(checkpoint) => checkpoint,
        Err(fault) => return vec![Finding::fail(what, Chain(&fault).to_string(), fault.hint())],
    };
    let signed = checkpoint.map_or(0, |head| head.size);
    let mut found = vec![if signed > have {
        Finding::fail(what, format!("{signed} entries are signed, and the catalogue has {have}"), restore)
    } else {
        Finding::ok(what, format!("{have} entries, {signed} of them signed"))
    }];
    // Between an upgrade and the next start it lies where it did before.
    let place = mark::place(home, &config.log.high_water);
    let path = mark::earlier(home, &place).into_iter().filter(|_| !place.exists()).find(|path| path.exists()).unwrap_or(place);
    found.push(match checked(&trust, &path) {
        Ok(Some(seen)) if seen.size > have => {
            let says = format!("{} has seen {} entries, and the catalogue has {have}", path.display(), seen.size);
            Finding::fail("high-water mark", says, restore)
        }
        Ok(Some(_)) if path.starts_with(home.root()) => Finding::warn(
            "high-water mark",
            format!("{} lies in the home folder: whoever copies that back copies it back too", path.display()),
            "set log.high_water in sightline.toml to a file elsewhere, or to \"\": beside the home folder",
        ),
        Ok(Some(_)) => Finding::ok("high-water mark", path.display().to_string()),
        Ok(None) if have == 0 => Finding::ok("high-water mark", "there is none yet; the first start makes it"),
        Ok(None) => Finding::warn(
            "high-water mark",
            format!("{} is not there", path.display()),
            "put it back if you have it; else the next start makes it anew, and an older copy of the log can't be told until then",
        ),
        Err(fault) => Finding::fail("high-water mark", Chain(&fault).to_string(), fault.hint()),
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployment::{InitOptions, init};

    fn of<'a>(found: &'a [Finding], what: &str) -> &'a Finding {
        found.iter().find(|f| f.what == what).unwrap_or_else(|| panic!("{what}: {found:#?}"))
    }

    #[tokio::test]
    async fn every_line_says_what_to_do_unless_all_is_well() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        let nothing = doctor(&home).await;
        assert_eq!(of(&nothing, "home folder").state, State::Fail);
        init(&home, "", &InitOptions::default()).unwrap();
        fs::set_permissions(home.root(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(home.server_key(), fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(home.server_certificate(), "nothing").unwrap();
        fs::create_dir_all(home.root().join("data")).unwrap();
        fs::write(home.root().join("data/catalogue.db"), "not a database").unwrap();
        let found = doctor(&home).await;
        assert!(found.iter().all(|f| (f.state == State::Ok) == f.to_do.is_none()), "{found:#?}");
        assert_eq!(of(&found, "home folder").to_do.as_deref(), Some(&*format!("chmod 700 {}", home.root().display())));
        assert_eq!(of(&found, "private keys").state, State::Fail);
        assert_eq!(of(&found, "certificate of the server").state, State::Fail);
        assert_eq!(of(&found, "certificate of the authority").state, State::Ok);
        assert_eq!(of(&found, "catalogue").state, State::Fail);
        assert_eq!(of(&found, "key of the authority").state, State::Warn);
        assert_ne!(of(&found, "speed of the disk").to_do.as_deref(), Some(""));
        assert!(!home.root().join("data/.doctor").exists());
        fs::write(home.config(), "[server]\nlisen = 1").unwrap();
        assert_eq!(of(&doctor(&home).await, "configuration").state, State::Fail);
    }
}
