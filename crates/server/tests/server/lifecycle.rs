//! Starting, stopping, and what is left.

use deployment::Home;
use server::{Config, ServeError, Server, Store, StoreError};

use crate::harness::Deployed;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_one_home_is_refused_until_the_first_has_stopped() {
    let mut deployed = Deployed::with_cameras().await;
    let config = Config::load(&deployed.home.config()).unwrap();
    let error = Store::open(&deployed.home, &config).await.unwrap_err();
    assert!(matches!(error, StoreError::Lock(_)) && error.to_string().contains("pid"), "{error}");
    deployed.stop().await;

    // What was stored is there again, without a server too.
    let store = Store::open(&deployed.home, &config).await.unwrap();
    assert!(store.check(false).await.unwrap().clean);
    assert_eq!(store.rebuild_index().await.unwrap().vectors, 0);
    store.close().await.unwrap();
    deployed.again().await;
    assert!(deployed.check().await.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_no_deployment_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path());
    let error = Config::load(&home.config()).unwrap_err();
    assert!(error.hint().contains("sightline init"), "{error}");
    let config = Config::parse("", &home.config()).unwrap();
    let error = Server::start(&home, config).await.unwrap_err();
    assert!(matches!(error, ServeError::Tls(_)) && error.hint().contains("sightline init"), "{error}");
}
