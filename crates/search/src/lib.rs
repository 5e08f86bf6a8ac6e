//! A permit and a question in, possible sightings out, the best first.
//!
//! A question is a description, examples ("more like these, not like those"), or both; see [`mod@score`] for how they are weighed
//! and [`learned`] for what is made of examples. An
//! answer is a *possible* sighting: what was asked fits what was seen so far, nothing more.
//!
//! What it refuses: to look at anything without an [`access::CasePermit`], or outside it. The permit bounds the index's
//! filter, and every sighting is held against it again before it is handed out, so a wrong row in the derived index can
//! widen nothing. What the catalogue no longer has is dropped, whatever the index says. Search is exact: it looks as deep
//! as it takes to be sure that nothing better was left behind, and says so where it could not.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod error;
pub mod group;
mod hit;
pub mod learned;
mod looking;
mod page_end;
mod rank;
pub mod reach;
pub mod score;
mod searcher;

pub use error::SearchError;
pub use hit::{Found, Hit, Matched, More, SearchQuery, by_camera};
pub use looking::Looking;
pub use page_end::PageEnd;
pub use reach::{ReachQuery, Reached, Travel};
pub use searcher::{MOST_COUNTED, Searcher};
