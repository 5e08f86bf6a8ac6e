use access::Denial;
use catalogue::CatalogueError;
use index::IndexError;

/// Why a search was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("there is nothing to look for; name a class, a part of a description, or an example")]
    Nothing,
    /// The question goes beyond the permit it came with, or its example does.
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error("more than {most} sightings are of that class; name what was worn or carried, or a shorter window")]
    TooMany { most: usize },
    #[error("search the index")]
    Index(#[from] IndexError),
    #[error("read the catalogue")]
    Catalogue(#[from] CatalogueError),
    #[error("the search was cut off because the server is shutting down")]
    Stopped,
}
