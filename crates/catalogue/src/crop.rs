//! Redacted crops as objects, `<day>/<sighting id>.jpg`: a day is deleted by its prefix.

use std::{fs, io, path::PathBuf};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as Key};
use types::{Day, SightingId};

use crate::CatalogueError;

const SUFFIX: &str = ".jpg";

/// Where the crops of a catalogue lie.
#[derive(Debug, Clone)]
pub enum Crops {
    /// A folder; made if missing.
    Folder(PathBuf),
}

impl From<PathBuf> for Crops {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

#[derive(Debug)]
pub(crate) struct CropStore {
    store: LocalFileSystem,
    root: PathBuf,
}

impl CropStore {
    pub(crate) fn open(crops: &Crops) -> Result<Self, CatalogueError> {
        let Crops::Folder(root) = crops;
        fs::create_dir_all(root).map_err(|source| CatalogueError::Io {
            action: "create the crop folder",
            path: root.to_owned(),
            source,
        })?;
        let store = LocalFileSystem::new_with_prefix(root)
            .map_err(|e| CatalogueError::crops("open the crop folder", e))?
            // A crop is on disk before its row commits.
            .with_fsync(true);
        Ok(Self { store, root: root.to_owned() })
    }

    pub(crate) fn describe(&self) -> String {
        self.root.display().to_string()
    }

    pub(crate) async fn put(&self, day: Day, id: SightingId, jpeg: Vec<u8>) -> Result<(), CatalogueError> {
        self.store.put(&key(day, id), Bytes::from(jpeg).into()).await.map_err(|e| CatalogueError::crops("write a crop", e))?;
        Ok(())
    }

    pub(crate) async fn get(&self, day: Day, id: SightingId) -> Result<Option<Bytes>, CatalogueError> {
        match self.store.get(&key(day, id)).await {
            Ok(found) => found.bytes().await.map(Some).map_err(|e| CatalogueError::crops("read a crop", e)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(CatalogueError::crops("read a crop", e)),
        }
    }

    pub(crate) async fn delete(&self, day: Day, id: SightingId) -> Result<(), CatalogueError> {
        self.delete_key(&key(day, id)).await
    }

    /// No error where there is none.
    pub(crate) async fn delete_key(&self, key: &Key) -> Result<(), CatalogueError> {
        match self.store.delete(key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(CatalogueError::crops("delete a crop", e)),
        }
    }

    /// Removes the folder of a day in which nothing is left.
    pub(crate) fn remove_folder(&self, day: Day) -> Result<(), CatalogueError> {
        match fs::remove_dir(self.root.join(day.to_string())) {
            Ok(()) => Ok(()),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
            Err(source) => {
                Err(CatalogueError::Io { action: "delete the crop folder of", path: self.root.join(day.to_string()), source })
            }
        }
    }

    /// The days that have a folder.
    pub(crate) async fn days(&self) -> Result<Vec<Day>, CatalogueError> {
        let listed = self.store.list_with_delimiter(None).await.map_err(|e| CatalogueError::crops("list the crops", e))?;
        Ok(listed.common_prefixes.iter().filter_map(|p| p.filename()?.parse().ok()).collect())
    }

    /// What lies in a day's folder: the sightings there are crops of, and what is none of ours.
    pub(crate) async fn list(&self, day: Day) -> Result<(Vec<SightingId>, Vec<Key>), CatalogueError> {
        let (mut ids, mut others) = (Vec::new(), Vec::new());
        let mut listed = self.store.list(Some(&Key::from(day.to_string())));
        while let Some(object) = listed.try_next().await.map_err(|e| CatalogueError::crops("list the crops", e))? {
            match object.location.filename().and_then(|name| name.strip_suffix(SUFFIX)?.parse::<SightingId>().ok()) {
                Some(id) if key(day, id) == object.location => ids.push(id),
                _ => others.push(object.location),
            }
        }
        Ok((ids, others))
    }

    /// Deletes what a killed process was still writing: `object_store` writes to `<name>#<n>`, renames, and never lists
    /// such files. Nobody may be writing meanwhile.
    pub(crate) fn sweep_unfinished(&self) -> Result<u64, CatalogueError> {
        let mut swept = 0;
        let mut sweep = || -> io::Result<()> {
            for day in fs::read_dir(&self.root)? {
                let day = day?;
                if !day.file_type()?.is_dir() {
                    continue;
                }
                for file in fs::read_dir(day.path())? {
                    let file = file?;
                    if file.file_name().to_str().is_some_and(|n| n.contains(".jpg#")) {
                        fs::remove_file(file.path())?;
                        swept += 1;
                    }
                }
            }
            Ok(())
        };
        sweep().map_err(|source| CatalogueError::Io { action: "sweep the crop folder", path: self.root.clone(), source })?;
        Ok(swept)
    }
}

fn key(day: Day, id: SightingId) -> Key {
    Key::from(format!("{day}/{id}{SUFFIX}"))
}
