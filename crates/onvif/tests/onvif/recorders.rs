use std::net::TcpListener;

use chrono::{DateTime, TimeDelta, Utc};
use onvif::{Coverage, DeviceHost, OnvifError, Password, Surveying, coverage, recorder, replay_address};

use crate::device::{Device, Held, Odd, PASSWORD, Quirks, USER, Wants};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000 + seconds, 0).unwrap()
}

fn held(token: &str) -> Held {
    Held {
        token: token.into(),
        from: at(0),
        to: at(1200),
        gaps: vec![(at(100), at(160)), (at(500), at(620)), (at(900), at(905))],
    }
}

fn with(quirks: Quirks) -> Quirks {
    Quirks { recordings: vec![held("rec-1"), held("rec-2")], ..quirks }
}

fn here(ip: std::net::IpAddr) -> bool {
    ip.is_loopback()
}

macro_rules! ask {
    ($device:expr, |$host:ident, $how:ident| $asked:expr) => {{
        let password = Password { user: USER.into(), password: PASSWORD.into() };
        let $host: DeviceHost = $device.host().parse().unwrap();
        let $how = Surveying { password: Some(&password), trust: None, profile: None, allowed: &here };
        $asked.await
    }};
}

#[tokio::test]
async fn a_recorder_tells_what_it_has_and_where_the_gaps_are_whatever_it_wants_to_be_shown_and_however_wrong_its_clock_is() {
    for quirks in [
        Quirks::default(),
        Quirks { wants: Wants::Token, ahead: TimeDelta::hours(1), ..Quirks::default() },
        Quirks { old: true, media2: false, prefixes: false, ..Quirks::default() },
        Quirks { odd: Some(("GetRecordingSummary", Odd::Fault("no such call"))), ..Quirks::default() },
        Quirks { odd: Some(("GetRecordingInformation", Odd::Fault("no such call"))), ..Quirks::default() },
    ] {
        let ahead = quirks.ahead;
        let device = Device::start(with(quirks.clone()));
        let told = ask!(device, |host, how| recorder(&host, &how)).unwrap();
        assert!(told.clock.is_some_and(|clock| (clock.ahead - ahead).abs() <= clock.uncertainty), "{quirks:?}");
        assert_eq!(told.recordings.iter().map(|r| r.token.as_str()).collect::<Vec<_>>(), ["rec-1", "rec-2"]);
        let first = told.recordings.iter().find(|r| r.token == "rec-1").unwrap();
        assert_eq!((first.from, first.to, first.video.as_deref()), (Some(at(0)), Some(at(1200)), Some("VIDEO001")));
        assert_eq!(first.title, "Quay rec-1, East & West");
        let gaps = ask!(device, |host, how| coverage(&host, &how, "rec-1", at(-60), at(1300))).unwrap();
        let mut want = vec![(at(-60), at(0))];
        want.extend(held("rec-1").gaps);
        want.push((at(1200), at(1300)));
        assert_eq!(gaps, Coverage::Gaps(want), "{quirks:?}");
        let url = ask!(device, |host, how| replay_address(&host, &how, "rec-1")).unwrap();
        assert_eq!((url.authority().as_str(), url.path_and_query().as_str()), ("127.0.0.1:554", "/replay/rec-1"));
        assert_eq!(device.wrong(), Vec::<String>::new());
        for asked in device.asked() {
            assert!(asked.contains("<c:Get") || asked.contains("<c:Find"), "{asked}");
            assert!(!asked.contains("horse"), "{asked}");
        }
    }
}

#[tokio::test]
async fn what_a_recorder_can_not_do_says_why_and_what_to_do() {
    let camera = Device::start(Quirks::default());
    let none = ask!(camera, |host, how| recorder(&host, &how)).unwrap_err();
    assert!(matches!(none, OnvifError::NoRecorder { .. }) && none.hint().contains("Profile G"), "{none:?}");
    let device = Device::start(with(Quirks::default()));
    let other = ask!(device, |host, how| coverage(&host, &how, "rec-9", at(0), at(9))).unwrap_err();
    assert!(matches!(other, OnvifError::NoRecording { .. }), "{other:?}");
    let device = Device::start(with(Quirks { odd: Some(("FindEvents", Odd::Fault("no such call"))), ..Quirks::default() }));
    assert_eq!(ask!(device, |host, how| coverage(&host, &how, "rec-1", at(0), at(9))).unwrap(), Coverage::Untold);
    let odd = Some(("GetRecordingSearchResults", Odd::Huge));
    let device = Device::start(with(Quirks { odd, ..Quirks::default() }));
    let huge = ask!(device, |host, how| recorder(&host, &how)).unwrap_err();
    assert!(matches!(huge, OnvifError::Large { .. }), "{huge:?}");
}

#[tokio::test]
async fn a_recorder_that_names_another_host_is_asked_and_played_where_it_was_given() {
    let other = TcpListener::bind("127.0.0.2:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let elsewhere = other.local_addr().unwrap();
    let device = Device::start(with(Quirks {
        xaddr: format!("http://{elsewhere}"),
        replay: format!("rtsp://admin:x@{elsewhere}/replay"),
        ..Quirks::default()
    }));
    let told = ask!(device, |host, how| recorder(&host, &how)).unwrap();
    assert_eq!(told.recordings.len(), 2);
    let url = ask!(device, |host, how| replay_address(&host, &how, "rec-1")).unwrap();
    assert_eq!((url.host().as_str(), url.login()), ("127.0.0.1", None));
    assert_eq!(other.accept().map(|(_, from)| from).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
