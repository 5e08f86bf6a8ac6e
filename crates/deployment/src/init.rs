//! How a deployment comes to be: its folder, its authority, the server's keys and one identity a role.

use std::{
    fs,
    path::{Path, PathBuf},
};

use access::{Caller, Name, Role, log::KeyKind};
use audit_log::make_key;

use crate::{
    authority::{Authority, IDENTITY_DAYS, server_hosts},
    error::DeploymentError,
    grant_keys,
    home::Home,
    identities, lock,
    modes::private_folder,
};

/// What a new deployment is called and reached by.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// Whose operator, investigator and camera owner are made.
    pub organisation: String,
    /// Whose authoriser and auditor are made; another than `organisation`.
    pub oversight: String,
    /// Names and addresses of the server besides localhost, 127.0.0.1 and ::1.
    pub names: Vec<String>,
    /// Where the folders go that are handed out: one for the authority, one for each identity. `None`: all keys lie in the home
    /// folder, as for a demo.
    pub hand_out: Option<PathBuf>,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self { organisation: "local".to_owned(), oversight: "oversight".to_owned(), names: Vec::new(), hand_out: None }
    }
}

/// Makes a home folder: a configuration of these words, a local certificate authority, the server's certificate and one
/// identity a role, which are returned. Changes nothing where there is a deployment already.
///
/// # Errors
/// [`DeploymentError`]. Nothing is left of it then but what was handed out.
pub fn init(home: &Home, configuration: &str, options: &InitOptions) -> Result<Vec<Caller>, DeploymentError> {
    if home.config().exists() {
        return Err(DeploymentError::Exists(home.root().to_owned()));
    }
    if home.pki().exists() {
        return Err(DeploymentError::Half(home.root().to_owned()));
    }
    lock::check_mode(home.root())?;
    access::check_organisation(&options.organisation, [])?;
    access::check_organisation(&options.oversight, [])?;
    if access::skeleton(&options.organisation) == access::skeleton(&options.oversight) {
        return Err(DeploymentError::SameOrganisation(options.oversight.clone()));
    }
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| DeploymentError::Io { action, path, source }
    };
    // Beside the final name, so that a failure leaves no half-made deployment that looks whole.
    let scratch = Home::new(home.root().join(".init"));
    private_folder(home.root()).map_err(io("make", home.root()))?;
    if scratch.root().exists() {
        fs::remove_dir_all(scratch.root()).map_err(io("clear", scratch.root()))?;
    }
    if let Some(cleared) = options.hand_out.as_ref().filter(|folder| is_cleared(folder)) {
        return Err(DeploymentError::Cleared(cleared.clone()));
    }
    if let Some(taken) = options.hand_out.as_ref().filter(|folder| folder.exists()) {
        return Err(DeploymentError::HandedOut(taken.clone()));
    }
    let identities = make_keys(&scratch, options)?;
    if let Some(folder) = &options.hand_out {
        hand_out(&scratch, &identities, folder)?;
    }
    durable::create_public(&scratch.config(), configuration.as_bytes()).map_err(io("write", &scratch.config()))?;
    durable::publish(&scratch.pki(), &home.pki()).map_err(io("make", &home.pki()))?;
    durable::publish(&scratch.config(), &home.config()).map_err(io("make", &home.config()))?;
    fs::remove_dir_all(scratch.root()).map_err(io("clear", scratch.root()))?;
    Ok(identities)
}

/// Where `RemoveIPC=` of units, and of sessions, deletes whatever the account has.
fn is_cleared(folder: &Path) -> bool {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    // It is not there yet, and may be reached by a link.
    let reached = whole.ancestors().find_map(|above| above.canonicalize().ok());
    whole.starts_with("/dev/shm") || reached.is_some_and(|above| above.starts_with("/dev/shm"))
}

/// The authority's folder among those that are handed out.
pub const AUTHORITY: &str = "authority";

/// Takes every private key that no server needs out of a home folder that is being made: the authority's, and each identity's.
fn hand_out(home: &Home, identities: &[Caller], folder: &Path) -> Result<(), DeploymentError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| DeploymentError::NotHandedOut { action, path, source }
    };
    // Beside its final name: it is there whole or not at all.
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let scratch = folder.with_file_name(name);
    if scratch.exists() {
        fs::remove_dir_all(&scratch).map_err(failed("clear", &scratch))?;
    }
    let copy = |from: &Path, to: &Home, inner: &Path| {
        let to = to.pki().join(inner);
        private_folder(to.parent().unwrap_or(&to))?;
        // Their folders may lie on different disks.
        durable::write_private(&to, &fs::read(from)?)
    };
    let take = |from: &Path, to: &Home| {
        let inner = from.strip_prefix(home.pki()).unwrap_or(from);
        copy(from, to, inner).map_err(failed("copy", from))
    };
    let authority = Home::new(scratch.join(AUTHORITY));
    let mut taken = vec![home.authority_key()];
    take(&taken[0], &authority)?;
    identities::hand_over(home, &authority)?;
    for caller in identities {
        let name = caller.name.as_str();
        let theirs = Home::new(scratch.join(name));
        let (certificate, key) = home.identity(name);
        for file in [certificate, key, home.grant_key(name)].into_iter().filter(|file| file.is_file()) {
            take(&file, &theirs)?;
            taken.push(file);
        }
        identities::hand_over(home, &theirs)?;
    }
    durable::publish(&scratch, folder).map_err(failed("make", folder))?;
    for file in taken {
        fs::remove_file(&file).map_err(failed("remove", &file))?;
    }
    Ok(())
}

fn make_keys(home: &Home, options: &InitOptions) -> Result<Vec<Caller>, DeploymentError> {
    let folders = [home.pki().join("identities"), home.grant_keys()];
    for folder in &folders {
        private_folder(folder).map_err(|source| DeploymentError::Io { action: "make", path: folder.clone(), source })?;
    }
    let authority = Authority::new()?;
    authority.save(&home.authority(), &home.authority_key())?;
    let hosts = server_hosts(&options.names);
    let server = authority.server(&hosts)?;
    identities::note_service(home, &Name::new("server")?, &hosts, &server.der).map_err(|source| DeploymentError::Io {
        action: "write",
        path: home.pki(),
        source,
    })?;
    server.save(&home.server_certificate(), &home.server_key())?;
    // Two deployments of one organisation have two logs.
    let name = format!("sightline.{}.{}", options.organisation, hex::encode(rand::random::<[u8; 4]>()));
    make_key(&name, KeyKind::Log, &home.log_key())?;
    let mut identities = Vec::new();
    for (name, role) in [
        ("operator", Role::Operator),
        ("investigator", Role::Investigator),
        ("camera-owner", Role::CameraOwner),
        ("authoriser", Role::Authoriser),
        ("auditor", Role::Auditor),
    ] {
        let overseer = matches!(role, Role::Authoriser | Role::Auditor);
        let organisation = if overseer { &options.oversight } else { &options.organisation };
        let caller = Caller { name: Name::new(name)?, organisation: Name::new(organisation)?, role };
        let (certificate, key) = home.identity(name);
        let issued = authority.client(&caller, IDENTITY_DAYS)?;
        issued.save(&certificate, &key)?;
        if let Some(issued) = identities::registered(&issued.der) {
            identities::note(home, &issued).map_err(|source| DeploymentError::Io {
                action: "write",
                path: home.pki(),
                source,
            })?;
        }
        if role == Role::Authoriser {
            grant_keys::make(&home.grant_key(name), &home.grant_public_key(organisation, name))?;
        }
        identities.push(caller);
    }
    Ok(identities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_init_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        let made = init(&home, "", &InitOptions::default()).unwrap();
        assert_eq!(made.len(), 5);
        assert_eq!(home.identities(), ["auditor", "authoriser", "camera-owner", "investigator", "operator"]);
        let before = fs::read(home.authority()).unwrap();
        let error = init(&home, "", &InitOptions::default()).unwrap_err();
        assert!(matches!(error, DeploymentError::Exists(_)));
        assert_eq!(fs::read(home.authority()).unwrap(), before);
    }

    #[test]
    fn no_key_but_the_servers_own_is_left_where_the_server_runs() {
        let dir = tempfile::tempdir().unwrap();
        let (home, out) = (Home::new(dir.path().join("home")), dir.path().join("out"));
        let options = InitOptions { hand_out: Some(out.clone()), ..InitOptions::default() };
        init(&home, "", &options).unwrap();
        let private = |root: &Path| {
            let found = std::process::Command::new("grep").args(["-rl", "PRIVATE KEY"]).arg(root).output().unwrap();
            let text = String::from_utf8(found.stdout).unwrap();
            let mut files: Vec<_> =
                text.lines().map(|l| Path::new(l).strip_prefix(root).unwrap().display().to_string()).collect();
            files.sort();
            files
        };
        assert_eq!(private(home.root()), ["pki/log.key", "pki/server.key"]);
        assert_eq!(home.identities(), [""; 0]);
        assert_eq!(private(&out).len(), 7, "{:?}", private(&out));
        for name in ["operator", "investigator", "camera-owner", "authoriser", "auditor"] {
            let theirs = Home::new(out.join(name));
            assert_eq!(theirs.identities(), [name]);
            assert_eq!(fs::read(theirs.authority()).unwrap(), fs::read(home.authority()).unwrap());
            assert_eq!(fs::read(theirs.pki().join("log.pub")).unwrap(), fs::read(home.pki().join("log.pub")).unwrap());
            lock::check_mode(theirs.root()).unwrap();
        }
        assert!(Home::new(out.join("authoriser")).grant_key("authoriser").is_file());
        // The authority issues from its own folder.
        let caller = Caller::from_uri("sightline://local/operator/olga").unwrap();
        assert!(identities::issue(&home, &caller, 1, None).is_err());
        let authority = out.join(AUTHORITY);
        let new = identities::issue_by(&home, Some(&authority), &caller, 1, Some(&out.join("olga"))).unwrap();
        assert_eq!(new.home.identities(), ["olga"]);
        // Nothing that was handed out is written over.
        let other = Home::new(dir.path().join("other"));
        assert!(matches!(init(&other, "", &options), Err(DeploymentError::HandedOut(_))));
        assert!(!other.pki().exists());
    }

    #[test]
    fn a_folder_that_nothing_can_be_handed_out_in_is_told_with_one_that_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        fs::write(dir.path().join("file"), "").unwrap();
        let options = InitOptions { hand_out: Some(dir.path().join("file/hand-out")), ..InitOptions::default() };
        let error = init(&home, "", &options).unwrap_err();
        assert!(matches!(error, DeploymentError::NotHandedOut { .. }) && error.hint().contains("--hand-out"), "{error:?}");
        assert!(!home.pki().exists());
    }

    #[test]
    fn keys_are_not_handed_out_where_systemd_deletes_them() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        std::os::unix::fs::symlink("/dev/shm", dir.path().join("memory")).unwrap();
        for place in ["/dev/shm/hand-out".into(), "/dev/shm/a/b".into(), dir.path().join("memory/hand-out")] {
            let options = InitOptions { hand_out: Some(place.clone()), ..InitOptions::default() };
            let error = init(&home, "", &options).unwrap_err();
            assert!(matches!(error, DeploymentError::Cleared(_)), "{error:?}");
            assert!(!home.pki().exists() && !place.exists());
        }
    }

    #[test]
    fn requester_and_authoriser_of_one_organisation_can_not_be_made() {
        let dir = tempfile::tempdir().unwrap();
        let options = InitOptions { oversight: "local".to_owned(), ..InitOptions::default() };
        assert!(matches!(init(&Home::new(dir.path().join("home")), "", &options), Err(DeploymentError::SameOrganisation(_))));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_a_private_key() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        init(&home, "", &InitOptions::default()).unwrap();
        let mut keys = 0;
        for folder in [home.pki(), home.pki().join("identities")] {
            for file in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
                if file.extension().is_some_and(|e| e == "key") {
                    keys += 1;
                    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
                }
            }
        }
        assert_eq!(keys, 9);
    }
}
