//! The deployment's folder as the client sees it: where it is, whose keys lie in it, where its server listens.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    failure::{Failure, Outcome, library},
    global::Global,
};

/// A home folder; `sightline init` makes one.
#[derive(Debug, Clone)]
pub(crate) struct Home(deployment::Home);

impl Home {
    /// `--home`, else `$SIGHTLINE_HOME`, else `sightline` in the user's data folder.
    pub(crate) fn choose(global: &Global) -> Outcome<Self> {
        if let Some(dir) = &global.home {
            return match std::path::absolute(dir) {
                Ok(dir) => Ok(Self(deployment::Home::new(dir))),
                Err(_) => Err(Failure::usage("the home folder's path is empty").hint("give one: `--home DIR` or SIGHTLINE_HOME")),
            };
        }
        let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        if set("XDG_DATA_HOME") || set("HOME") {
            return Ok(Self(deployment::Home::from_env()));
        }
        Err(Failure::usage("there is no default for the home folder: HOME is not set")
            .hint("give one: `--home DIR` or SIGHTLINE_HOME"))
    }

    pub(crate) const fn layout(&self) -> &deployment::Home {
        &self.0
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.root()
    }

    /// Refuses a folder that `sightline init` has not made.
    pub(crate) fn must_exist(&self) -> Outcome {
        if self.0.authority().is_file() {
            return Ok(());
        }
        Err(Failure::new("no_home", format!("there is no deployment at {}", self.path().display()))
            .hint("make one with `sightline init`, or name another folder with `--home DIR`"))
    }

    /// Where the deployment's own server listens, as somebody on the same machine reaches it.
    pub(crate) fn server_address(&self) -> Outcome<String> {
        let file = self.0.config();
        let config = server::Config::load(&file).map_err(|e| library("configuration", &e).hint(e.hint()))?;
        let mut address = config.listen;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        if address.port() == 0 {
            // The server wrote down which one it was given.
            let Some(running) = self.0.running_address() else {
                let message = format!("{} leaves the port to the system, and no server has noted one", file.display());
                return Err(Failure::new("no_server", message)
                    .hint("start it with `sightline serve`, or name another: `--server HOST:PORT`"));
            };
            address.set_port(running.port());
        }
        Ok(address.to_string())
    }

    pub(crate) fn authority(&self) -> Outcome<Vec<u8>> {
        read(&self.0.authority())
    }

    /// Certificate and key, PEM.
    pub(crate) fn identity(&self, name: &str) -> Outcome<(Vec<u8>, Vec<u8>)> {
        let names = self.0.identities();
        // By name from the list and never by path, so that `--as ../x` reads nothing.
        if !names.iter().any(|n| n == name) {
            let hint = if names.is_empty() {
                "name a folder that `sightline init` handed out: `--home DIR --server HOST:PORT`".into()
            } else {
                format!("there are {}", names.join(", "))
            };
            return Err(Failure::usage(format!("there is no identity {name:?} in {}", self.path().display())).hint(hint));
        }
        let (certificate, key) = self.0.identity(name);
        Ok((read(&certificate)?, read(&key)?))
    }

    /// The key an authoriser signs with, PEM.
    pub(crate) fn grant_key(&self, name: &str) -> Outcome<String> {
        let file: PathBuf = self.0.grant_key(name);
        if !file.is_file() {
            return Err(Failure::new(
                "no_grant_key",
                format!("{name} has no key to sign cases with: {} is not there", file.display()),
            )
            .hint("authorise as an authoriser: `--as authoriser`"));
        }
        String::from_utf8(read(&file)?).map_err(|_| {
            Failure::new("no_grant_key", format!("{} is not a PEM file", file.display())).hint("restore it from a backup")
        })
    }
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|e| {
        let hint = match e.kind() {
            io::ErrorKind::PermissionDenied => {
                "the keys belong to who ran `sightline init`; use that account, or `--home` with your own keys"
            }
            _ => "was the folder made by `sightline init`?",
        };
        Failure::because("home_unreadable", format!("read {}", path.display()), &e).hint(hint)
    })
}

impl auditor::Deployment for Home {
    fn trust(&self) -> auditor::failure::Outcome<access::log::Trust> {
        deployment::log_trust(self.layout()).map_err(|e| auditor::fault(&e).hint("name the log's key: `--log-key KEY`"))
    }

    fn log(&self) -> auditor::failure::Outcome<PathBuf> {
        Ok(self.layout().log())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home(deployment::Home::new(dir.path().join("home")));
        (dir, home)
    }

    #[test]
    fn a_folder_without_a_deployment_points_to_init() {
        let failure = home().1.must_exist().unwrap_err();
        assert_eq!(failure.reason, "no_home");
        assert!(failure.hint.as_ref().unwrap().contains("sightline init"));
    }

    #[test]
    fn an_identity_is_a_name_and_never_a_path() {
        let (_dir, home) = home();
        let ids = home.path().join("pki/identities");
        fs::create_dir_all(&ids).unwrap();
        fs::write(home.path().join("pki/x.pem"), "").unwrap();
        fs::write(ids.join("operator.pem"), "").unwrap();
        let failure = home.identity("../x").unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("there are operator"));
    }

    #[test]
    fn the_address_of_a_server_on_every_interface_is_the_local_one() {
        let (_dir, home) = home();
        fs::create_dir_all(home.path()).unwrap();
        fs::write(home.layout().config(), "[server]\nlisten = \"0.0.0.0:9000\"").unwrap();
        assert_eq!(home.server_address().unwrap(), "127.0.0.1:9000");
        fs::write(home.layout().config(), "[server]\nlisten = \"127.0.0.1:0\"").unwrap();
        assert!(home.server_address().unwrap_err().hint.as_ref().unwrap().contains("--server"));
        fs::write(home.path().join("address"), "127.0.0.1:41234\n").unwrap();
        assert_eq!(home.server_address().unwrap(), "127.0.0.1:41234");
        fs::write(home.layout().config(), "[server]\nlisen = 1").unwrap();
        assert_eq!(home.server_address().unwrap_err().reason, "configuration");
    }
}
