//! Lists of the server's, page after page.

use clap::Args;
use tonic::Status;

use crate::{context::Context, failure::Outcome};

/// Rows asked for at once.
const PAGE: u32 = 1000;

/// How much of a list to show.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Shown {
    /// At most so many; 0: all of them
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: u32,
}

/// As far as it was asked for.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) more: bool,
}

/// Asks for page after page, `page` by its size and its token, until there are `limit` rows or there are no more; 0: until there
/// are no more.
pub(crate) async fn read<T>(
    limit: u32,
    mut page: impl AsyncFnMut(u32, String) -> Result<(Vec<T>, String), Status>,
) -> Outcome<Listed<T>> {
    let (mut rows, mut token) = (Vec::new(), String::new());
    loop {
        let left = (limit as usize).saturating_sub(rows.len());
        let size = if limit == 0 { PAGE } else { PAGE.min(u32::try_from(left).unwrap_or(PAGE)) };
        let (mut some, next) = page(size, token).await?;
        rows.append(&mut some);
        if next.is_empty() || (limit > 0 && rows.len() >= limit as usize) {
            return Ok(Listed { more: !next.is_empty(), rows });
        }
        token = next;
    }
}

impl<T> Listed<T> {
    pub(crate) fn into<U: From<T>>(self) -> Listed<U> {
        Listed { rows: self.rows.into_iter().map(U::from).collect(), more: self.more }
    }

    /// Says that there are more, and how to see them.
    pub(crate) fn note(&self, ctx: &Context) {
        if self.more {
            let shown = self.rows.len();
            ctx.printer.note(&format!(
                "these are the first {shown}; there are more: --limit {} shows them, --limit 0 all",
                2 * shown.max(1)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server with so many numbers, whose pages hold as many as they like.
    async fn listed(limit: u32, there: usize, most: usize) -> (Vec<usize>, bool) {
        let listed = read(limit, async |size, token: String| {
            let from = token.parse::<usize>().unwrap_or(0);
            let to = (from + most.min(size as usize)).min(there);
            Ok(((from..to).collect(), if to < there { to.to_string() } else { String::new() }))
        });
        let listed = listed.await.unwrap();
        (listed.rows, listed.more)
    }

    #[tokio::test]
    async fn pages_are_followed_until_there_are_enough_or_no_more() {
        for most in [1, 3, 1000] {
            assert_eq!(listed(0, 10, most).await, ((0..10).collect(), false));
            assert_eq!(listed(4, 10, most).await, ((0..4).collect(), true));
            assert_eq!(listed(10, 10, most).await, ((0..10).collect(), false));
            assert_eq!(listed(5, 0, most).await, (Vec::new(), false));
        }
    }
}
