//! The pages of a search's answer. Each is a search of its own; its token says after which hit it begins.

use prost::Message as _;
use proto::v1;
use search::{Hit, More, PageEnd};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use types::{CaptureTime, SightingId};
use uuid::Uuid;

use crate::edge::{paging::Page, status::Fault};

/// Where a page of hits ended, as its token has it. Whoever makes one up gets what a search may find from there on, and no more.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct At {
    /// The bits of a score.
    score: u32,
    first: i64,
    id: Uuid,
    rank: u32,
}

/// One page of an answer, asked for.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    page: Page<At>,
    after: Option<PageEnd>,
}

impl Pages {
    /// Everything but a page's size, and what is sent along with a hit, is the question that its token belongs to: what orders the
    /// answer, the model included, is the same for all of its pages.
    pub(super) fn of(request: &v1::SearchRequest, model: &str) -> Result<Self, Fault> {
        let question = v1::SearchRequest { limit: 0, include_crops: false, page_token: String::new(), ..request.clone() };
        let digest = hex::encode(Sha256::digest(question.encode_to_vec()));
        let page = Page::<At>::of("hits", (digest, model), 0, 0, &request.page_token)?;
        let after = page.after.as_ref().map(end).transpose()?;
        Ok(Self { page, after })
    }

    /// Where the page before ended; `None`: this is the first.
    pub(super) fn after(&self) -> Option<PageEnd> {
        self.after
    }

    /// Hits of the pages before.
    pub(super) fn before(&self) -> u32 {
        self.after.map_or(0, |after| after.rank)
    }

    /// For what comes after these; empty: there is nothing.
    pub(super) fn next(&self, hits: &[Hit], more: More) -> String {
        let rank = self.before().saturating_add(u32::try_from(hits.len()).unwrap_or(u32::MAX));
        let last = hits.last().filter(|_| more.is_any()).map(|last| PageEnd::after(last, rank));
        let at = last.map(|PageEnd { score, first, id, rank }| At {
            score: score.to_bits(),
            first: first.as_micros(),
            id: id.0,
            rank,
        });
        at.map(|at| self.page.token_after(&at)).unwrap_or_default()
    }
}

fn end(at: &At) -> Result<PageEnd, Fault> {
    let hint = "ask for the first page again, without a page token";
    let first = CaptureTime::from_micros(at.first).map_err(|e| Fault::invalid("page_token", e.to_string(), hint))?;
    Ok(PageEnd { score: f32::from_bits(at.score), first, id: SightingId(at.id), rank: at.rank })
}
