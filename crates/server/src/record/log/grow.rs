//! The log's files catch up with the catalogue.

use access::log::{TreeHead, append};
use audit_log::FileTiles;
use catalogue::Catalogue;

use super::record_fault::RecordFault;

/// Entries added to the tree at once.
const BATCH: u32 = 4096;

/// Adds to the tiles what the catalogue has more than `head`.
pub(crate) async fn grow(catalogue: &Catalogue, tiles: &FileTiles, mut head: TreeHead) -> Result<TreeHead, RecordFault> {
    loop {
        let rows = catalogue.audit_bytes_since(head.size, BATCH).await?;
        if rows.is_empty() {
            return Ok(head);
        }
        let mut tiles = tiles.clone();
        let grown =
            tokio::task::spawn_blocking(move || append(&mut tiles, &head, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        head = grown.await.map_err(|_| RecordFault::Thread)??;
    }
}
