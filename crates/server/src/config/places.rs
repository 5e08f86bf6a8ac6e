//! Where a deployment keeps rows and crops, with the secrets that reach them.

use std::path::Path;

use catalogue::{CatalogueConfig, CatalogueError, Crops, Database, S3Credentials};

use super::{Config, CropsConfig, DatabaseConfig};

impl Config {
    /// Where rows and crops lie. Paths that are not absolute are taken from the home folder.
    pub(crate) fn catalogue(&self, home: &Path) -> Result<CatalogueConfig, CatalogueError> {
        let mut places = CatalogueConfig::in_folder(&home.join(&self.data));
        if let Some(DatabaseConfig { url, password }) = &self.database {
            let url = match password {
                Some(file) => url.clone().with_password(&read_password(&home.join(file))?),
                None => url.clone(),
            };
            places.database = Database::Postgres(url);
        }
        match &self.crops {
            Some(CropsConfig::Folder(folder)) => places.crops = Crops::Folder(folder.clone()),
            Some(CropsConfig::Bucket { place, credentials }) => {
                let credentials = match credentials {
                    Some(file) => S3Credentials::from_file(&home.join(file))?,
                    None => S3Credentials::from_env()?,
                };
                places.crops = Crops::S3(place.clone(), credentials);
            }
            None => {}
        }
        Ok(places)
    }
}

fn read_password(file: &Path) -> Result<String, CatalogueError> {
    let text = std::fs::read_to_string(file).map_err(|source| CatalogueError::Io {
        action: "read the database's password",
        path: file.to_owned(),
        source,
    })?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
