//! Devices of somebody else's are discovered and asked.

use std::time::Duration;

use onvif::{Codec, OnvifError, Password, Probing, Survey, Surveying, discover, survey};

use crate::partner::{PASSWORD, Partner, USER};

fn here(ip: std::net::IpAddr) -> bool {
    ip.is_loopback()
}

async fn found(partner: &Partner) {
    let how = Probing {
        interfaces: if partner.by_multicast { Vec::new() } else { vec!["127.0.0.1".parse().unwrap()] },
        subnets: vec!["127.0.0.1".parse().unwrap()],
        port: Probing::PORT,
        multicast: partner.by_multicast,
        wait: Duration::from_secs(3),
        allowed: &here,
    };
    let found = discover(&how).await.unwrap();
    // By whichever of the machine's addresses it answered.
    assert!(found.iter().any(|f| f.host.ends_with(&format!(":{}", partner.port))), "{found:?}");
}

async fn ask(partner: &Partner, password: &str) -> Survey {
    let password = Password { user: USER.into(), password: password.into() };
    let host = partner.host().parse().unwrap();
    survey(&host, &Surveying { password: Some(&password), trust: None, profile: None, allowed: &here }).await
}

/// Both take a token alone, and have H.264 by Media1.
async fn is_known(partner: Partner) {
    found(&partner).await;
    let told = ask(&partner, PASSWORD).await;
    assert_eq!((told.fault.as_ref(), told.login, told.media), (None, "token", Some("Media1")), "{told:?}");
    assert!(told.clock.is_some_and(|clock| clock.ahead.abs() <= clock.uncertainty), "{:?}", told.clock);
    assert!(told.profiles.iter().any(|p| p.codec == Codec::H264), "{:?}", told.profiles);
    assert_eq!(told.stream.as_ref().map(types::StreamUrl::host).as_deref(), Some("127.0.0.1"), "{told:?}");
    let told = ask(&partner, "wrong").await;
    assert!(matches!(told.fault, Some(OnvifError::Refused { .. })), "{:?}", told.fault);
}

#[tokio::test]
async fn ipycam_is_discovered_and_asked() {
    let Some(partner) = Partner::ipycam(554) else { return };
    is_known(partner).await;
}

#[tokio::test]
async fn onvif_server_is_discovered_and_asked() {
    let Some(partner) = Partner::onvif_server(554) else { return };
    is_known(partner).await;
}
