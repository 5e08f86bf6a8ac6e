//! What a catalogue says to deployments that move to it.

use catalogue::{Catalogue, CatalogueError, MoveState};

use crate::support::*;

#[tokio::test]
async fn a_finished_move_says_that_it_is_done_to_its_own_source_and_refuses_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let target = Catalogue::open(&config(dir.path())).await.unwrap();
    let refuses_another = async || {
        let error = target.begin_migration("another").await.unwrap_err();
        assert!(matches!(error, CatalogueError::NotEmpty { .. }), "{error:?}");
    };
    assert_eq!(target.begin_migration("this").await.unwrap(), MoveState::UnderWay);
    // Cut off, and begun again.
    assert_eq!(target.begin_migration("this").await.unwrap(), MoveState::UnderWay);
    refuses_another().await;
    assert_eq!(target.unfinished_migration().await.unwrap().as_deref(), Some("this"));
    target.finish_migration("this").await.unwrap();
    // Killed before it could say so.
    assert_eq!(target.begin_migration("this").await.unwrap(), MoveState::Finished);
    assert_eq!(target.unfinished_migration().await.unwrap(), None);
    refuses_another().await;
}

#[tokio::test]
async fn a_catalogue_in_use_is_no_target() {
    let f = fixture().await;
    let error = f.catalogue.begin_migration("this").await.unwrap_err();
    assert!(matches!(error, CatalogueError::NotEmpty { .. }), "{error:?}");
}
