//! Redacted crops as objects, `<day>/<sighting id>.jpg`: a day is deleted by its prefix. They lie in a folder, or on
//! S3-compatible storage, which many servers share.

mod fault;
mod s3;

use std::{fs, io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as Key};
use types::{Day, SightingId};

pub use fault::CropFault;
pub(crate) use s3::is_this_machine;
pub use s3::{PlaceFault, S3Credentials, S3Place};

use crate::CatalogueError;

const SUFFIX: &str = ".jpg";
const BESIDE: &str = ".new.jpg";
/// Written and deleted to see that the store takes us; no day's.
const PROBE: &str = ".probe";

/// Where the crops of a catalogue lie.
#[derive(Debug, Clone)]
pub enum Crops {
    /// A folder; made if missing.
    Folder(PathBuf),
    /// A bucket, which must be there, or a part of one.
    S3(S3Place, S3Credentials),
}

impl From<PathBuf> for Crops {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

#[derive(Debug)]
pub(crate) struct CropStore {
    store: Arc<dyn ObjectStore>,
    place: StoreKind,
}

#[derive(Debug)]
enum StoreKind {
    Folder(PathBuf),
    /// Its name, without credentials.
    S3(String),
}

impl CropStore {
    /// Opens the store and makes sure that it can be written to.
    pub(crate) async fn open(crops: &Crops) -> Result<Self, CatalogueError> {
        match crops {
            Crops::Folder(root) => Self::folder(root.to_owned()),
            Crops::S3(place, credentials) => {
                let store = Self { store: s3::connect(place, credentials)?, place: StoreKind::S3(place.to_string()) };
                store.probe().await?;
                Ok(store)
            }
        }
    }

    fn folder(root: PathBuf) -> Result<Self, CatalogueError> {
        fs::create_dir_all(&root).map_err(|source| CatalogueError::Io {
            action: "create the crop folder",
            path: root.clone(),
            source,
        })?;
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|e| CatalogueError::crops("open the crop folder", e))?
            // A crop is on disk before its row commits.
            .with_fsync(true);
        Ok(Self { store: Arc::new(store), place: StoreKind::Folder(root) })
    }

    /// Whoever can't write and delete should hear of it at the start, and a bucket that keeps old versions deletes nothing.
    async fn probe(&self) -> Result<(), CatalogueError> {
        let key = Key::from(PROBE);
        let put = self.store.put(&key, Bytes::from_static(b"sightline").into()).await;
        let version = put.map_err(|e| self.fault("write to the crop store", e))?.version;
        self.delete_all(vec![key]).await?;
        match version {
            Some(version) if version != "null" => Err(CatalogueError::CropStore {
                action: "open the crop store",
                store: self.describe(),
                fault: CropFault::KeepsVersions,
                source: format!("a new object got version {version}").into(),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn describe(&self) -> String {
        match &self.place {
            StoreKind::Folder(root) => root.display().to_string(),
            StoreKind::S3(name) => name.clone(),
        }
    }

    /// `beside`: the crop that is there counts until [`Self::take_beside`].
    pub(crate) async fn put(&self, day: Day, id: SightingId, jpeg: Vec<u8>, beside: bool) -> Result<(), CatalogueError> {
        let key = if beside { key_beside(day, id) } else { key(day, id) };
        let put = self.store.put(&key, Bytes::from(jpeg).into()).await;
        put.map_err(|e| self.fault("write a crop", e))?;
        Ok(())
    }

    /// The crop beside takes the place of the one that is there. No error where there is none.
    pub(crate) async fn take_beside(&self, day: Day, id: SightingId) -> Result<(), CatalogueError> {
        if let StoreKind::S3(_) = &self.place {
            // A bucket knows no rename, and not every server of S3's protocol copies objects by itself.
            let Some(jpeg) = self.get_beside(day, id).await? else { return Ok(()) };
            self.put(day, id, jpeg.into(), false).await?;
            return self.delete_all(vec![key_beside(day, id)]).await;
        }
        match self.store.rename(&key_beside(day, id), &key(day, id)).await {
            Ok(()) => Ok(()),
            Err(e) if matches!(e, object_store::Error::NotFound { .. }) && !s3::no_bucket(&e) => Ok(()),
            Err(e) => Err(self.fault("replace a crop", e)),
        }
    }

    pub(crate) async fn get_beside(&self, day: Day, id: SightingId) -> Result<Option<Bytes>, CatalogueError> {
        self.read(&key_beside(day, id)).await
    }

    pub(crate) async fn get(&self, day: Day, id: SightingId) -> Result<Option<Bytes>, CatalogueError> {
        self.read(&key(day, id)).await
    }

    async fn read(&self, key: &Key) -> Result<Option<Bytes>, CatalogueError> {
        match self.store.get(key).await {
            Ok(found) => found.bytes().await.map(Some).map_err(|e| self.fault("read a crop", e)),
            // No bucket is not the same as no crop.
            Err(e) if matches!(e, object_store::Error::NotFound { .. }) && !s3::no_bucket(&e) => Ok(None),
            Err(e) => Err(self.fault("read a crop", e)),
        }
    }

    /// No error where there is none.
    pub(crate) async fn delete(&self, day: Day, id: SightingId) -> Result<(), CatalogueError> {
        self.delete_all(vec![key(day, id)]).await
    }

    /// Many with one request, where the store can. No error where there are none.
    pub(crate) async fn delete_all(&self, keys: Vec<Key>) -> Result<(), CatalogueError> {
        let mut gone = self.store.delete_stream(stream::iter(keys.into_iter().map(Ok)).boxed());
        while let Some(gone) = gone.next().await {
            match gone {
                Ok(_) => {}
                Err(e) if matches!(e, object_store::Error::NotFound { .. }) && !s3::no_bucket(&e) => {}
                Err(e) => return Err(self.fault("delete a crop", e)),
            }
        }
        Ok(())
    }

    /// Removes the folder of a day in which nothing is left; a bucket has no folders.
    pub(crate) fn remove_folder(&self, day: Day) -> Result<(), CatalogueError> {
        let StoreKind::Folder(root) = &self.place else { return Ok(()) };
        match fs::remove_dir(root.join(day.to_string())) {
            Ok(()) => Ok(()),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
            Err(source) => {
                Err(CatalogueError::Io { action: "delete the crop folder of", path: root.join(day.to_string()), source })
            }
        }
    }

    /// The days that there are crops of.
    pub(crate) async fn days(&self) -> Result<Vec<Day>, CatalogueError> {
        let listed = self.store.list_with_delimiter(None).await.map_err(|e| self.fault("list the crops", e))?;
        Ok(listed.common_prefixes.iter().filter_map(|p| p.filename()?.parse().ok()).collect())
    }

    /// What there is of a day: the sightings there are crops of, and what is none of ours.
    pub(crate) async fn list(&self, day: Day) -> Result<(Vec<SightingId>, Vec<Key>), CatalogueError> {
        let (mut ids, mut others) = (Vec::new(), Vec::new());
        let mut listed = self.store.list(Some(&Key::from(day.to_string())));
        while let Some(object) = listed.try_next().await.map_err(|e| self.fault("list the crops", e))? {
            match object.location.filename().and_then(|name| name.strip_suffix(SUFFIX)?.parse::<SightingId>().ok()) {
                Some(id) if key(day, id) == object.location => ids.push(id),
                _ => others.push(object.location),
            }
        }
        Ok((ids, others))
    }

    /// Deletes what a killed process was still writing: into a folder `object_store` writes `<name>#<n>`, renames, and never
    /// lists such files. Nobody may be writing meanwhile. A bucket has an object whole or not at all.
    pub(crate) fn sweep_unfinished(&self) -> Result<u64, CatalogueError> {
        let StoreKind::Folder(root) = &self.place else { return Ok(0) };
        let mut swept = 0;
        let mut sweep = || -> io::Result<()> {
            for day in fs::read_dir(root)? {
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
        sweep().map_err(|source| CatalogueError::Io { action: "sweep the crop folder", path: root.clone(), source })?;
        Ok(swept)
    }

    fn fault(&self, action: &'static str, error: object_store::Error) -> CatalogueError {
        match &self.place {
            StoreKind::Folder(_) => CatalogueError::crops(action, error),
            StoreKind::S3(store) => {
                let (fault, said) = s3::explain(&error);
                CatalogueError::CropStore { action, store: store.clone(), fault, source: said.into() }
            }
        }
    }
}

pub(crate) fn key(day: Day, id: SightingId) -> Key {
    Key::from(format!("{day}/{id}{SUFFIX}"))
}

/// Of a crop whose row is not committed yet, while another one is the sighting's.
fn key_beside(day: Day, id: SightingId) -> Key {
    Key::from(format!("{day}/{id}{BESIDE}"))
}

/// Whose crop that is, where it is one beside another.
pub(crate) fn beside_of(day: Day, key: &Key) -> Option<SightingId> {
    let id = key.filename()?.strip_suffix(BESIDE)?.parse().ok()?;
    (key_beside(day, id) == *key).then_some(id)
}
