use access::Denial;
use catalogue::CatalogueError;
use index::IndexError;

/// Why a search was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// No word, class or example was named.
    #[error("there is nothing to look for; name a class, a part of a description, or an example")]
    Nothing,
    /// The question goes beyond the permit it came with, or its example does.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// A class alone would be answered with more than is counted.
    #[error("more than {most} sightings are of that class; name what was worn or carried, or a shorter window")]
    TooMany {
        /// [`crate::MOST_COUNTED`].
        most: usize,
    },
    /// See [`IndexError::is_away`].
    #[error("search the index")]
    Index(#[from] IndexError),
    /// See [`CatalogueError::may_pass`].
    #[error("read the catalogue")]
    Catalogue(#[from] CatalogueError),
    /// Trying again, perhaps with another server, may help.
    #[error("the search was cut off because the server is shutting down")]
    Stopped,
}
