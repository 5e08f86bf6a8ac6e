//! Files that belong together take the place of others, all of them or none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::modes::private_folder;

/// What is exchanged: files of one folder that only go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// The authority's certificates and key.
    Authority,
    /// The server's certificate and key.
    Server,
    /// The log's key, and how it was introduced.
    LogKey,
}

impl Exchange {
    /// Where the files lie that are about to take the place of those in `folder`.
    pub fn ready(self, folder: &Path) -> PathBuf {
        folder.join(match self {
            Self::Authority => "ca.next",
            Self::Server => "server.next",
            Self::LogKey => "log.next",
        })
    }

    /// Lays files ready, each with its name, text and mode: all of them under one name, so that a process that ends in between
    /// leaves them whole or not at all. Whoever looks next puts them in place.
    ///
    /// # Errors
    /// What the system says. The files are all ready or none is.
    pub fn lay_ready(self, folder: &Path, files: &[(&str, String, u32)]) -> io::Result<()> {
        let (scratch, ready) = (self.beside(folder, "new"), self.ready(folder));
        clear(&scratch)?;
        private_folder(&scratch)?;
        for (name, text, mode) in files {
            durable::create(&scratch.join(name), text.as_bytes(), *mode)?;
        }
        durable::publish(&scratch, &ready)
    }

    /// Puts what was laid ready in its place, as often as it takes. Whether there was anything.
    ///
    /// # Errors
    /// What the system says. The same call goes on then.
    pub fn put_in_place(self, folder: &Path) -> io::Result<bool> {
        clear(&self.beside(folder, "done"))?;
        let entries = match fs::read_dir(self.ready(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let (bytes, to) = (fs::read(entry.path())?, folder.join(entry.file_name()));
            if to.extension().is_some_and(|kind| kind == "key") {
                durable::write_private(&to, &bytes)?;
            } else {
                durable::write(&to, &bytes)?;
            }
        }
        self.discard(folder)?;
        Ok(true)
    }

    /// Takes what was laid ready away: at once, so that no half of it is ever taken for the whole.
    ///
    /// # Errors
    /// What the system says. It may be ready still.
    pub fn discard(self, folder: &Path) -> io::Result<()> {
        let done = self.beside(folder, "done");
        clear(&done)?;
        durable::rename(&self.ready(folder), &done)?;
        clear(&done)
    }

    fn beside(self, folder: &Path, ending: &str) -> PathBuf {
        let mut name = self.ready(folder).into_os_string();
        name.push(".");
        name.push(ending);
        name.into()
    }
}

fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_that_are_ready_take_their_places_together_and_those_of_a_cut_off_try_never() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, key) = (dir.path(), dir.path().join("server.key"));
        fs::write(&key, "old").unwrap();
        // A process was killed while it laid them ready.
        fs::create_dir(folder.join("server.next.new")).unwrap();
        fs::write(folder.join("server.next.new/server.key"), "half").unwrap();
        assert!(!Exchange::Server.put_in_place(folder).unwrap());
        assert_eq!(fs::read_to_string(&key).unwrap(), "old");

        let files = [("server.key", "new".to_owned(), 0o600), ("server.pem", "public".to_owned(), 0o644)];
        Exchange::Server.lay_ready(folder, &files).unwrap();
        assert_eq!(fs::read_to_string(&key).unwrap(), "old");
        // Of another exchange there is nothing.
        assert!(!Exchange::LogKey.put_in_place(folder).unwrap());
        assert!(Exchange::Server.put_in_place(folder).unwrap());
        assert_eq!(fs::read_to_string(&key).unwrap(), "new");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 2, "nothing else is left");
        assert!(!Exchange::Server.put_in_place(folder).unwrap());
    }
}
