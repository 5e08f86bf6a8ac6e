//! The deployment's folder as the client sees it: where it is, whose keys lie in it, where its server listens.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    args::Global,
    failure::{Failure, Outcome},
};

/// A home folder; `sightline init` makes one.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// `--home`, else `$SIGHTLINE_HOME`, else `sightline` in the user's data folder.
    pub(crate) fn choose(global: &Global) -> Outcome<Self> {
        if let Some(dir) = &global.home {
            return match std::path::absolute(dir) {
                Ok(dir) => Ok(Self(dir)),
                Err(_) => Err(Failure::usage("the home folder's path is empty").hint("give one: `--home DIR` or SIGHTLINE_HOME")),
            };
        }
        let var = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let data = var("XDG_DATA_HOME").or_else(|| var("HOME").map(|h| h.join(".local/share")));
        data.map(|d| Self(d.join("sightline"))).ok_or_else(|| {
            Failure::usage("there is no default for the home folder: HOME is not set")
                .hint("give one: `--home DIR` or SIGHTLINE_HOME")
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Refuses a folder that `sightline init` has not made.
    pub(crate) fn must_exist(&self) -> Outcome {
        if self.0.join("pki").join("ca.pem").is_file() {
            return Ok(());
        }
        Err(Failure::new("no_home", format!("there is no deployment at {}", self.0.display()))
            .hint("make one with `sightline init`, or name another folder with `--home DIR`"))
    }

    /// Where the deployment's own server listens.
    pub(crate) fn server_address(&self) -> Outcome<String> {
        Ok("127.0.0.1:7443".into())
    }

    pub(crate) fn authority(&self) -> Outcome<Vec<u8>> {
        read(&self.0.join("pki").join("ca.pem"))
    }

    /// Certificate and key, PEM.
    pub(crate) fn identity(&self, name: &str) -> Outcome<(Vec<u8>, Vec<u8>)> {
        let dir = self.0.join("pki").join("identities");
        let known = types::CaseId::new(name).is_ok() && dir.join(format!("{name}.pem")).is_file();
        if !known {
            let names = self.identities().join(", ");
            let hint = if names.is_empty() { format!("look into {}", dir.display()) } else { format!("there are {names}") };
            return Err(Failure::usage(format!("there is no identity {name:?} in {}", dir.display())).hint(hint));
        }
        Ok((read(&dir.join(format!("{name}.pem")))?, read(&dir.join(format!("{name}.key")))?))
    }

    pub(crate) fn identities(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.join("pki").join("identities"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".pem").map(str::to_owned))
            .collect();
        names.sort_unstable();
        names
    }
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|e| {
        let hint = match e.kind() {
            io::ErrorKind::PermissionDenied => {
                "the keys belong to who ran `sightline init`; use that account or `--home` with your own keys"
            }
            _ => "was the folder made by `sightline init`?",
        };
        Failure::because("home_unreadable", format!("read {}", path.display()), &e).hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_deployment_points_to_init() {
        let dir = tempfile::tempdir().unwrap();
        let failure = Home(dir.path().into()).must_exist().unwrap_err();
        assert_eq!(failure.reason, "no_home");
        assert!(failure.hint.unwrap().contains("sightline init"));
    }

    #[test]
    fn an_identity_is_a_name_and_never_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let ids = dir.path().join("pki/identities");
        fs::create_dir_all(&ids).unwrap();
        fs::write(dir.path().join("pki/x.pem"), "").unwrap();
        fs::write(ids.join("operator.pem"), "").unwrap();
        let failure = Home(dir.path().into()).identity("../x").unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("there are operator"));
    }
}
