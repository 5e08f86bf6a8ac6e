//! Pieces of SQL that both databases understand, in few lengths so that their statements are cached.

use sqlx::Any;

use crate::CatalogueError;

/// A number that only grows, by its name.
pub(crate) async fn sequence<'e>(
    from: impl sqlx::Executor<'e, Database = Any>,
    name: &'static str,
) -> Result<i64, CatalogueError> {
    Ok(sqlx::query_scalar("SELECT value FROM sequence WHERE name = $1").bind(name).fetch_one(from).await?)
}

/// `$first, $first+1, ..`: a list to bind one by one.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// `($1, $2), ($3, $4), ..`: rows to insert together.
pub(crate) fn rows(columns: usize, count: usize) -> String {
    (0..count).map(|n| format!("({})", placeholders(1 + n * columns, columns))).collect::<Vec<_>>().join(", ")
}

/// Splits rows into batches of a power of two, at most 64, so that only seven INSERT texts exist and their statements are cached.
pub(crate) fn insert_batches<T>(mut all: &[T]) -> impl Iterator<Item = &[T]> {
    const MOST: usize = 64;
    std::iter::from_fn(move || {
        let count = 1 << all.len().min(MOST).checked_ilog2()?;
        let (some, rest) = all.split_at(count);
        all = rest;
        Some(some)
    })
}

/// How many ids one query asks for: few lengths, so that the database has seen most of the texts before.
const WIDTHS: [usize; 4] = [1, 16, 64, 256];

/// Placeholders from `$first` on with the ids to bind to them, for as many queries as it takes. What a list has more than there
/// are ids asks for the first one again.
pub(crate) fn in_lists<T>(ids: &[T], first: usize) -> impl Iterator<Item = (String, impl Iterator<Item = &T>)> {
    ids.chunks(WIDTHS[WIDTHS.len() - 1]).map(move |some| {
        let width = WIDTHS.into_iter().find(|width| some.len() <= *width).unwrap_or(some.len());
        (placeholders(first, width), some.iter().chain(std::iter::repeat(&some[0])).take(width))
    })
}
