//! Lists, page by page. A token says where a page ended and which question it belongs to; it lets nobody see more, since what a
//! caller may see is chosen anew for every page.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::edge::status::Fault;

/// Rows of a page at most, and where a caller does not say.
pub(crate) const MOST: u32 = 1000;
/// A page ends after so many bytes, with one row at least: every client takes messages of 4 MiB.
const BYTES: usize = 1 << 20;

/// One page of a list, asked for. `K` is a place in the list's order.
#[derive(Debug, Clone)]
pub(crate) struct Page<K> {
    question: String,
    limit: u32,
    pub(crate) after: Option<K>,
}

impl<K: Serialize + DeserializeOwned> Page<K> {
    /// `filter`: everything that chooses or orders rows, but for the caller.
    pub(crate) fn of(list: &str, filter: impl Serialize, size: u32, usual: u32, token: &str) -> Result<Self, Fault> {
        let foreign = || {
            let hint = "ask for the first page again, without a page token";
            Fault::invalid("page_token", "the page token is not of this list and this question", hint)
        };
        let asked = serde_json::to_vec(&(list, filter)).map_err(|_| foreign())?;
        let question = BASE64.encode(&Sha256::digest(asked)[..9]);
        let after = match token {
            "" => None,
            token => {
                let bytes = BASE64.decode(token).map_err(|_| foreign())?;
                let (of, after): (String, K) = serde_json::from_slice(&bytes).map_err(|_| foreign())?;
                if of != question {
                    return Err(foreign());
                }
                Some(after)
            }
        };
        Ok(Self { question, limit: if size == 0 { usual } else { size.min(MOST) }, after })
    }

    /// How many rows to read: one more than are shown, so that it is known whether there are more.
    pub(crate) fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// The page's messages, and the token of the next one. `None` of `message`: the row is passed over.
    pub(crate) fn cut<T, M: Message>(
        &self,
        rows: Vec<T>,
        place: impl Fn(&T) -> K,
        mut message: impl FnMut(T) -> Option<M>,
    ) -> (Vec<M>, String) {
        let (mut shown, mut bytes, mut last) = (Vec::new(), 0, None);
        let mut rows = rows.into_iter().take(self.rows() as usize).enumerate().peekable();
        while let Some((n, row)) = rows.next_if(|(n, _)| *n < self.limit as usize) {
            let at = place(&row);
            if let Some(message) = message(row) {
                bytes += message.encoded_len();
                if bytes > BYTES && !shown.is_empty() {
                    return (shown, self.token(last.as_ref()));
                }
                shown.push(message);
            }
            debug_assert!(n < self.limit as usize, "no more than were asked for");
            last = Some(at);
        }
        let next = if rows.peek().is_some() { self.token(last.as_ref()) } else { String::new() };
        (shown, next)
    }

    /// For a page that ends before its rows do: the token of the next one, after this place.
    pub(crate) fn token_after(&self, place: &K) -> String {
        self.token(Some(place))
    }

    fn token(&self, last: Option<&K>) -> String {
        // A place is numbers and text: it is written without fail.
        last.and_then(|last| serde_json::to_vec(&(&self.question, last)).ok()).map(|t| BASE64.encode(t)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(filter: &str, size: u32, token: &str) -> Result<Page<u64>, Fault> {
        Page::of("numbers", filter, size, 100, token)
    }

    fn text(n: u64, bytes: usize) -> proto::v1::Party {
        proto::v1::Party { name: format!("{n}{}", "x".repeat(bytes)), ..Default::default() }
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap_and_the_last_has_no_token() {
        for (size, bytes) in [(1, 0), (7, 0), (100, 0), (1000, 0), (50, 100_000), (3, 3_000_000)] {
            let (mut token, mut seen) = (String::new(), Vec::new());
            for round in 0.. {
                assert!(round < 200, "it never ends");
                let page = page("f", size, &token).unwrap();
                let from = page.after.map_or(0, |n| n + 1);
                let rows: Vec<u64> = (from..100).take(page.rows() as usize).collect();
                // Every fourth is not for the caller.
                let (shown, next) = page.cut(rows, |n| *n, |n| (n % 4 != 0).then(|| text(n, bytes)));
                assert!(shown.len() <= size as usize);
                assert!(shown.len() <= 1 || shown.iter().map(Message::encoded_len).sum::<usize>() <= BYTES);
                seen.extend(shown.into_iter().map(|p| p.name.trim_end_matches('x').parse::<u64>().unwrap()));
                token = next;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(seen, (0..100).filter(|n| n % 4 != 0).collect::<Vec<_>>(), "{size} of {bytes} bytes");
        }
    }

    #[test]
    fn a_token_of_another_list_or_question_is_refused() {
        let rows = vec![1_u64, 2];
        let (_, token) = page("f", 1, "").unwrap().cut(rows, |n| *n, |n| Some(text(n, 0)));
        assert_eq!(page("f", 9, &token).unwrap().after, Some(1));
        let foreign = [page("g", 1, &token), Page::of("others", "f", 1, 1, &token), page("f", 1, "%"), page("f", 1, "AAAA")];
        for refused in foreign {
            assert!(matches!(refused, Err(Fault::Caller { reason: "page_token", .. })), "{refused:?}");
        }
    }
}
