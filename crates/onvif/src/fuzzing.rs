//! What fuzzers do with this crate's readers of outside bytes; see `fuzz/`. No build but theirs and that of the tests has it.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{
    Call, DeviceHost, Subnet, choose,
    discover::answer,
    soap::{Inside, inside},
    survey::{of_device, profiles, stream, utc},
};

/// A name and what reads the bytes.
type Target = (&'static str, fn(&[u8]));

/// A target by its name.
pub const TARGETS: &[Target] = &[("onvif_answer", onvif_answer), ("onvif_host", onvif_host)];

/// An envelope that a device sends, whatever was asked: what is read of it names no host but the one that was given.
fn onvif_answer(bytes: &[u8]) {
    let Ok(host) = "cam.example:8080".parse::<DeviceHost>() else { return };
    let profile = String::from("main");
    for call in [
        Call::GetSystemDateAndTime,
        Call::GetServices,
        Call::GetCapabilities,
        Call::GetDeviceInformation,
        Call::GetProfiles1,
        Call::GetProfiles2,
        Call::GetStreamUri1 { profile: profile.clone() },
        Call::GetStreamUri2 { profile },
    ] {
        match inside(bytes, &call) {
            Ok(Inside::Response(node)) => {
                let _ = utc(&node);
                let information = of_device(&node);
                assert!(!information.model.chars().any(char::is_control));
                let _ = choose(&profiles(&node), None);
                for told in node.value("Uri").into_iter().chain(node.value("XAddr")) {
                    at_this_host(told, &host);
                }
            }
            Ok(Inside::Fault(text)) => assert!(!text.chars().any(char::is_control) && text.chars().count() <= 200),
            Ok(Inside::NotAuthorized) => {}
            Err(error) => drop(error.to_string()),
        }
    }
    let from = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 3702));
    if let Some(found) = answer(bytes, from, &|_| true) {
        assert!(found.address == from.ip() && found.host.contains("192.0.2.7"), "{}", found.host);
        assert!(found.host.parse::<DeviceHost>().is_ok_and(|host| host.host() == "192.0.2.7"), "{}", found.host);
        assert!(!found.name.chars().chain(found.hardware.chars()).any(char::is_control));
    }
}

fn at_this_host(told: &str, host: &DeviceHost) {
    if let Some(url) = stream(told, host) {
        assert_eq!((url.host(), url.login()), (host.host(), None));
    }
    if let Some(service) = host.service(told, None) {
        assert_eq!(service.host(), host.host());
        assert!(service.port() != 0 && service.is_tls() == host.is_tls());
    }
}

/// What people and tables give as a device's host, and what devices name as addresses of theirs.
fn onvif_host(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = text.parse::<Subnet>();
    let (host, told) = text.split_once('\n').unwrap_or((text, text));
    let Ok(host) = host.parse::<DeviceHost>() else { return };
    assert!(!host.host().is_empty() && host.port() != 0 && !host.authority().contains('@'));
    at_this_host(told, &host);
}

#[cfg(test)]
#[path = "../../../fuzz/corpora.rs"]
mod corpora;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        let seed = |target, name, text: &str| (target, name, text.as_bytes().to_vec());
        let envelope =
            |inside: &str| format!("<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"x\"><s:Body>{inside}</s:Body></s:Envelope>");
        super::corpora::hold(
            TARGETS,
            &[
                seed(
                    "onvif_answer",
                    "clock",
                    &envelope(
                        "<t:GetSystemDateAndTimeResponse><UTCDateTime><Time><Hour>8</Hour><Minute>30</Minute><Second>60</Second></Time><Date><Year>2026</Year><Month>3</Month><Day>1</Day></Date></UTCDateTime></t:GetSystemDateAndTimeResponse>",
                    ),
                ),
                seed(
                    "onvif_answer",
                    "services",
                    &envelope(
                        "<GetServicesResponse><Service><Namespace>http://www.onvif.org/ver20/media/wsdl</Namespace><XAddr>http://10.0.0.1/onvif/media2 http://cam.example:8080/m?x=1</XAddr></Service></GetServicesResponse>",
                    ),
                ),
                seed(
                    "onvif_answer",
                    "device",
                    &envelope(
                        "<GetDeviceInformationResponse><Manufacturer>M&amp;M</Manufacturer><Model><![CDATA[X 1]]></Model></GetDeviceInformationResponse>",
                    ),
                ),
                seed(
                    "onvif_answer",
                    "profiles",
                    &envelope(
                        "<tr2:GetProfilesResponse><tr2:Profiles token='main' fixed=\"true\"><Name>Main</Name><Configurations><VideoSource><SourceToken>1</SourceToken></VideoSource><VideoEncoder><Encoding>H265</Encoding><Resolution><Width>1920</Width><Height>1080</Height></Resolution><RateControl><FrameRateLimit>15</FrameRateLimit></RateControl></VideoEncoder></Configurations></tr2:Profiles></tr2:GetProfilesResponse>",
                    ),
                ),
                seed(
                    "onvif_answer",
                    "stream",
                    &envelope(
                        "<GetStreamUriResponse><MediaUri><Uri>rtsp://admin:secret@[fe80::1]:8554/live?a=1&amp;amp;b=2#x</Uri></MediaUri></GetStreamUriResponse>",
                    ),
                ),
                seed(
                    "onvif_answer",
                    "fault",
                    &envelope(
                        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code><s:Reason><s:Text>no</s:Text></s:Reason></s:Fault>",
                    ),
                ),
                seed(
                    "onvif_answer",
                    "probe-match",
                    &envelope(
                        "<d:ProbeMatches><d:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/North%20Gate onvif://www.onvif.org/hardware/X+1</d:Scopes><d:XAddrs>http://10.0.0.1/onvif https://192.0.2.7:8000/onvif</d:XAddrs></d:ProbeMatch></d:ProbeMatches>",
                    ),
                ),
                seed("onvif_answer", "entities", "<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>"),
                seed("onvif_host", "plain", "192.0.2.7:8000"),
                seed(
                    "onvif_host",
                    "tls",
                    "https://camera.example/onvif/other\nhttps://10.0.0.1:1/x?y https://camera.example:444/z",
                ),
                seed("onvif_host", "v6", "2001:db8::1\nhttp://[2001:db8::1]:81/a"),
                seed("onvif_host", "subnet", "192.0.2.0/24"),
            ],
        );
    }
}
