use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use onvif::{DeviceHost, OnvifError, Password, Survey, Surveying, survey};

use crate::device::{Device, Odd, PASSWORD, Quirks, USER, Wants};

fn here(ip: std::net::IpAddr) -> bool {
    ip.is_loopback()
}

fn right() -> Password {
    Password { user: USER.into(), password: PASSWORD.into() }
}

async fn ask_with(device: &Device, password: Option<&Password>, profile: Option<&str>) -> Survey {
    let host: DeviceHost = device.host().parse().unwrap();
    survey(&host, &Surveying { password, trust: None, profile, allowed: &here }).await
}

async fn ask(quirks: Quirks) -> (Device, Survey) {
    let device = Device::start(quirks);
    let told = ask_with(&device, Some(&right()), None).await;
    (device, told)
}

fn stream(told: &Survey) -> String {
    let url = told.stream.as_ref().unwrap_or_else(|| panic!("no stream: {told:?}"));
    assert_eq!(url.login(), None);
    format!("{}://{}{}", url.scheme().as_str(), url.authority(), url.path_and_query())
}

#[tokio::test]
async fn every_way_to_show_a_password_that_devices_have_is_found_and_a_wrong_clock_does_not_matter() {
    for (wants, login) in [
        (Wants::Nothing, "nothing"),
        (Wants::Md5, "digest"),
        (Wants::Sha256, "digest"),
        (Wants::Token, "token"),
        (Wants::BasicOrToken, "token"),
    ] {
        for ahead in [TimeDelta::zero(), TimeDelta::hours(1), TimeDelta::days(-9000)] {
            let (device, told) = ask(Quirks { wants, ahead, ..Quirks::default() }).await;
            assert_eq!((told.fault.as_ref(), told.login), (None, login), "{wants:?} {ahead}");
            assert_eq!(stream(&told), "rtsp://127.0.0.1:554/Streaming?a=1&b=2");
            assert_eq!(device.wrong(), Vec::<String>::new(), "{wants:?}");
            let clock = told.clock.unwrap();
            assert!((clock.ahead - ahead).abs() <= clock.uncertainty, "{clock:?}");
            assert_eq!((clock.by_ntp, clock.by_http), (Some(false), false));
        }
    }
}

#[tokio::test]
async fn the_smaller_stream_is_chosen_by_media2_and_by_media1_and_old_and_sloppy_devices_are_understood() {
    for quirks in [
        Quirks::default(),
        Quirks { media2: false, ..Quirks::default() },
        Quirks { old: true, media2: false, ..Quirks::default() },
        Quirks { prefixes: false, ..Quirks::default() },
        Quirks { odd: Some(("GetDeviceInformation", Odd::Fault("no such call"))), ..Quirks::default() },
    ] {
        let (_device, told) = ask(quirks.clone()).await;
        assert_eq!(told.fault, None, "{quirks:?}");
        let choice = told.choice.as_ref().unwrap();
        assert_eq!(choice.token, "sub0");
        assert!(choice.why.contains("smallest"), "{}", choice.why);
        assert_eq!(told.media, Some(if quirks.media2 { "Media2" } else { "Media1" }));
        let codecs: Vec<_> = told.profiles.iter().map(|p| p.codec.as_str()).collect();
        let codec = if quirks.media2 { "H.265" } else { "H.264" };
        assert_eq!(codecs, [codec, codec, "MPEG4"]);
        assert_eq!(told.profiles[1].name, "sub & 0");
    }
    let device = Device::start(Quirks { sources: 2, ..Quirks::default() });
    let several = ask_with(&device, Some(&right()), None).await;
    assert!(several.no_choice.unwrap().to_string().contains("source0, source1"));
    let told = ask_with(&device, Some(&right()), Some("sub1")).await;
    assert_eq!(told.choice.unwrap().token, "sub1");
}

#[tokio::test]
async fn no_other_host_is_ever_connected_to_whatever_the_device_says() {
    let other = TcpListener::bind("127.0.0.2:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let elsewhere = other.local_addr().unwrap();
    for quirks in [
        Quirks { xaddr: format!("http://{elsewhere}"), ..Quirks::default() },
        Quirks { xaddr: format!("http://{elsewhere} http://127.0.0.1:{{port}}"), ..Quirks::default() },
        Quirks { xaddr: format!("https://{elsewhere}"), wants: Wants::Token, ..Quirks::default() },
        Quirks { stream: format!("rtsp://admin:x@{elsewhere}/live"), ..Quirks::default() },
        Quirks { xaddr: format!("http://localhost:{}", elsewhere.port()), old: true, media2: false, ..Quirks::default() },
    ] {
        let (_device, told) = ask(quirks.clone()).await;
        assert_eq!(told.fault, None, "{quirks:?}");
        assert!(stream(&told).starts_with("rtsp://127.0.0.1:"), "{}", stream(&told));
    }
    for call in ["GetSystemDateAndTime", "GetServices", "GetProfiles", "GetStreamUri"] {
        let odd = Some((call, Odd::Redirect(format!("http://{elsewhere}/onvif"))));
        let (_device, told) = ask(Quirks { odd, ..Quirks::default() }).await;
        assert!(matches!(told.fault, Some(OnvifError::Redirect { .. })), "{call}: {told:?}");
    }
    let came = other.accept().map(|(_, from)| from);
    assert_eq!(came.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn an_answer_that_is_too_large_too_deep_or_never_ends_is_an_error_in_time_that_names_it() {
    let odd = [Odd::Huge, Odd::Deep, Odd::Doctype, Odd::Html, Odd::Silent, Odd::Trickle, Odd::Cut];
    let all = odd.into_iter().flat_map(|odd| ["GetSystemDateAndTime", "GetServices"].map(|call| (call, odd.clone())));
    let asked = all.map(|(call, odd)| {
        tokio::spawn(async move {
            let began = Instant::now();
            let (_device, told) = ask(Quirks { odd: Some((call, odd.clone())), ..Quirks::default() }).await;
            (call, odd, told, began.elapsed())
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        let (call, odd, told, took) = asked.await.unwrap();
        // A page where the list of services should be: the older call is asked, and answers.
        let older = call == "GetServices" && matches!(odd, Odd::Html | Odd::Deep | Odd::Doctype | Odd::Cut);
        let readable = odd == Odd::Html && call == "GetSystemDateAndTime";
        if !older && !readable {
            let fault = told.fault.unwrap_or_else(|| panic!("{call} {odd:?}: no fault"));
            let want = match odd {
                Odd::Huge => "larger than 1048576 bytes",
                Odd::Deep => "nested more than 64 deep",
                Odd::Doctype => "document type",
                Odd::Silent | Odd::Trickle => "did not come within 8 s",
                _ => "",
            };
            assert!(fault.to_string().contains(want) && !fault.hint().is_empty(), "{call} {odd:?}: {fault}");
        }
        assert!(took < Duration::from_secs(20), "{call} {odd:?}: {took:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_shown_twice_at_most_and_a_wrong_clock_is_never_told_as_one() {
    let wrong = Password { user: USER.into(), password: "wrong".into() };
    for wants in [Wants::Md5, Wants::Sha256, Wants::Token] {
        for ahead in [TimeDelta::zero(), TimeDelta::hours(-7)] {
            let device = Device::start(Quirks { wants, ahead, ..Quirks::default() });
            let told = ask_with(&device, Some(&wrong), None).await;
            assert!(matches!(told.fault, Some(OnvifError::Refused { .. })), "{wants:?}: {:?}", told.fault);
            assert!((1..=2).contains(&device.wrong().len()), "{wants:?}: {:?}", device.wrong());
            assert!(told.clock.is_some());
        }
    }
    // It tells nobody its clock, which is an hour off: then it may be that.
    let (_device, told) =
        ask(Quirks { wants: Wants::Token, secret_clock: true, ahead: TimeDelta::hours(1), ..Quirks::default() }).await;
    let fault = told.fault.unwrap();
    assert!(matches!(fault, OnvifError::RefusedOrClock { .. }), "{fault:?}");
    assert!(fault.hint().contains("clock"), "{}", fault.hint());
    // Where the clock is right, its being secret does not matter.
    let (_device, told) = ask(Quirks { wants: Wants::Token, secret_clock: true, ..Quirks::default() }).await;
    assert_eq!(told.fault, None);
}

#[tokio::test]
async fn what_can_not_be_asked_says_why_and_what_to_do() {
    let none = ask_with(&Device::start(Quirks::default()), None, None).await;
    assert!(matches!(none.fault, Some(OnvifError::NoPassword { .. })), "{:?}", none.fault);
    let (device, basic) = ask(Quirks { wants: Wants::Basic, ..Quirks::default() }).await;
    assert!(matches!(basic.fault, Some(OnvifError::BasicInClear { .. })), "{:?}", basic.fault);
    assert!(device.asked().iter().all(|asked| !asked.to_ascii_lowercase().contains("authorization: basic")));
    let (_device, other) = ask(Quirks { wants: Wants::Unknown, ..Quirks::default() }).await;
    assert!(other.fault.unwrap().to_string().contains("Bearer"));
    let (_device, fault) = ask(Quirks { odd: Some(("GetStreamUri", Odd::Fault("no stream now"))), ..Quirks::default() }).await;
    assert!(fault.fault.unwrap().to_string().contains("it refuses GetStreamUri: no stream now"));
    let (_device, missing) = ask(Quirks { odd: Some(("GetSystemDateAndTime", Odd::Status(404))), ..Quirks::default() }).await;
    assert!(matches!(missing.fault, Some(OnvifError::NoAnswer { .. })), "{:?}", missing.fault);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let host: DeviceHost = closed.to_string().parse().unwrap();
    let told = survey(&host, &Surveying { password: None, trust: None, profile: None, allowed: &here }).await;
    assert!(matches!(told.fault, Some(OnvifError::NoAnswer { .. })), "{:?}", told.fault);
    // Outside of what is allowed nothing is even connected to.
    let device = Device::start(Quirks::default());
    let host: DeviceHost = device.host().parse().unwrap();
    let told = survey(&host, &Surveying { password: None, trust: None, profile: None, allowed: &|_| false }).await;
    assert!(matches!(told.fault, Some(OnvifError::Outside { .. })), "{:?}", told.fault);
    assert_eq!(device.asked().len(), 0);
}

#[tokio::test]
async fn nothing_that_changes_a_device_is_ever_asked_and_the_password_is_in_no_message() {
    let (device, told) = ask(Quirks { wants: Wants::Token, ..Quirks::default() }).await;
    assert_eq!(told.fault, None);
    let asked = device.asked();
    let first = &asked[0];
    assert!(first.contains("GetSystemDateAndTime") && !first.contains("UsernameToken"), "the clock comes first, and openly");
    for asked in &asked {
        assert!(!asked.contains("horse"), "{asked}");
        assert!(asked.contains("<c:Get"), "{asked}");
    }
    assert!(!format!("{told:?} {:?}", right()).contains("horse"));
}
