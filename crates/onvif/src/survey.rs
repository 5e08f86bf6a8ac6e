//! Everything that is asked of one device.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contact::Pin;
use tokio::time::timeout;
use types::StreamUrl;

use crate::{
    Call, Choice, DeviceHost, NoChoice, OnvifError,
    call::{MEDIA1, MEDIA2},
    choose,
    password::Password,
    profile::{Codec, Profile},
    session::Session,
    soap::Inside,
    xml::Node,
};

/// How a device is asked.
pub struct Surveying<'a> {
    /// `None`: it is asked without.
    pub password: Option<&'a Password>,
    /// The TLS certificate that is trusted, whoever made it.
    pub trust: Option<Pin>,
    /// The profile to watch; one is chosen where nobody says.
    pub profile: Option<&'a str>,
    /// Whether a camera may be at this address.
    pub allowed: &'a (dyn Fn(IpAddr) -> bool + Sync),
}

impl fmt::Debug for Surveying<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Surveying({:?})", self.profile)
    }
}

/// What a device's clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// How far it is ahead of ours.
    pub ahead: TimeDelta,
    /// How far off that may be: it tells whole seconds.
    pub uncertainty: TimeDelta,
    /// Whether it is set by NTP, where it says.
    pub by_ntp: Option<bool>,
    /// By its web server alone: it did not answer when it was asked.
    pub by_http: bool,
}

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Information {
    /// Empty: it does not say.
    pub manufacturer: String,
    /// Empty: it does not say.
    pub model: String,
    /// Its version; empty: it does not say.
    pub firmware: String,
    /// Empty: it does not say.
    pub serial: String,
}

/// What is known of a device: as much as it told.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// Host and port.
    pub device: String,
    /// `None`: it did not say.
    pub clock: Option<Clock>,
    /// What it was shown: "nothing", "digest", "token" or "basic".
    pub login: &'static str,
    /// `None`: it did not say.
    pub information: Option<Information>,
    /// "Media2" or "Media1".
    pub media: Option<&'static str>,
    /// In the order in which it names them.
    pub profiles: Vec<Profile>,
    /// The profile that is watched.
    pub choice: Option<Choice>,
    /// Why no profile is watched, though it has some.
    pub no_choice: Option<NoChoice>,
    /// Of the chosen profile, on the host that was given, without user and password.
    pub stream: Option<StreamUrl>,
    /// What ended the questions early.
    pub fault: Option<OnvifError>,
}

/// All questions together.
const PATIENCE: Duration = Duration::from_secs(40);
const NAME: Duration = Duration::from_secs(5);
const MOST_PROFILES: usize = 256;

/// Asks a device everything, one question after the other, and changes nothing in it.
pub async fn survey(host: &DeviceHost, how: &Surveying<'_>) -> Survey {
    let mut told = Survey {
        device: host.authority(),
        clock: None,
        login: "nothing",
        information: None,
        media: None,
        profiles: Vec::new(),
        choice: None,
        no_choice: None,
        stream: None,
        fault: None,
    };
    let asked = timeout(PATIENCE, ask(host, how, &mut told)).await;
    let slow = || OnvifError::Slow { device: host.authority(), call: "all of it", seconds: PATIENCE.as_secs() };
    told.fault = asked.unwrap_or_else(|_| Err(slow())).err();
    told
}

async fn ask(host: &DeviceHost, how: &Surveying<'_>, told: &mut Survey) -> Result<(), OnvifError> {
    let (mut session, clock) = begin(host, how).await?;
    told.clock = clock;
    let asked = rest(&mut session, how, told).await;
    told.login = session.shown();
    asked
}

/// A session that knows how far the device's clock is off.
pub(crate) async fn begin<'a>(host: &DeviceHost, how: &'a Surveying<'_>) -> Result<(Session<'a>, Option<Clock>), OnvifError> {
    let at = address(host, how).await?;
    let mut session = Session::new(host.clone(), at, how.trust, how.password);
    let clock = clock(&session).await?;
    session.ahead = clock.map(|clock| clock.ahead);
    Ok((session, clock))
}

/// The one address that everything goes to.
async fn address(host: &DeviceHost, how: &Surveying<'_>) -> Result<IpAddr, OnvifError> {
    let device = host.authority();
    let found = timeout(NAME, tokio::net::lookup_host((host.host(), host.port()))).await;
    let found: Vec<SocketAddr> = found.ok().and_then(Result::ok).map(Iterator::collect).unwrap_or_default();
    if found.is_empty() {
        return Err(OnvifError::NoHost { device });
    }
    found.iter().map(SocketAddr::ip).find(|ip| (how.allowed)(*ip)).ok_or(OnvifError::Outside { device })
}

/// Before anything with a password in it, since a token is made of the time.
async fn clock(session: &Session<'_>) -> Result<Option<Clock>, OnvifError> {
    let call = Call::GetSystemDateAndTime;
    let before = Utc::now();
    let answer = session.ask_openly(&call).await?;
    let after = Utc::now();
    let half = (after - before) / 2;
    let reading = |at: DateTime<Utc>, by_ntp, by_http| Clock {
        ahead: at - (before + half),
        uncertainty: TimeDelta::seconds(1) + half,
        by_ntp,
        by_http,
    };
    if let Inside::Response(node) = session.read(&answer, &call)?
        && let Some(at) = utc(&node)
    {
        let by_ntp = node.value("DateTimeType").map(|kind| kind.eq_ignore_ascii_case("NTP"));
        return Ok(Some(reading(at, by_ntp, false)));
    }
    let date = answer.date.and_then(|date| DateTime::parse_from_rfc2822(&date).ok());
    Ok(date.map(|at| reading(at.to_utc(), None, true)))
}

pub(crate) fn utc(node: &Node) -> Option<DateTime<Utc>> {
    let of = |node: &Node| {
        let number = |name: &str| node.value(name)?.parse::<u32>().ok();
        let year = node.value("Year")?.parse().ok()?;
        let day = NaiveDate::from_ymd_opt(year, number("Month")?, number("Day")?)?;
        // A leap second counts as the one before.
        let time = day.and_hms_opt(number("Hour")?, number("Minute")?, number("Second")?.min(59))?;
        Some(time.and_utc())
    };
    if let Some(at) = node.find("UTCDateTime").and_then(of) {
        return Some(at);
    }
    // Local time alone says something only where the zone is UTC itself.
    let zone = node.at(&["TimeZone", "TZ"]).map(Node::text).unwrap_or_default().to_ascii_uppercase();
    let is_utc = ["", "UTC", "UTC0", "GMT", "GMT0", "Z"].contains(&zone.as_str());
    node.find("LocalDateTime").filter(|_| is_utc).and_then(of)
}

async fn rest(session: &mut Session<'_>, how: &Surveying<'_>, told: &mut Survey) -> Result<(), OnvifError> {
    let host = session.host.clone();
    told.information = information(session).await?;
    let [media2, media1] = services(session, [(MEDIA2, "Media2"), (MEDIA1, "Media")]).await?;
    let mut fault = OnvifError::NoMedia { device: host.authority() };
    // H.265 is named by Media2 alone.
    for (service, is_2) in [(media2, true), (media1, false)] {
        let Some(service) = service else { continue };
        let call = if is_2 { Call::GetProfiles2 } else { Call::GetProfiles1 };
        match session.ask(&service, &call).await {
            Ok(node) => told.profiles = profiles(&node),
            Err(error @ (OnvifError::Fault { .. } | OnvifError::NotRead { .. } | OnvifError::NoAnswer { .. })) => {
                fault = error;
                continue;
            }
            Err(error) => return Err(error),
        }
        if told.profiles.is_empty() {
            continue;
        }
        told.media = Some(if is_2 { "Media2" } else { "Media1" });
        let choice = match choose(&told.profiles, how.profile) {
            Ok(choice) => told.choice.insert(choice).clone(),
            Err(none) => {
                told.no_choice = Some(none);
                return Ok(());
            }
        };
        let profile = choice.token.clone();
        let call = if is_2 { Call::GetStreamUri2 { profile } } else { Call::GetStreamUri1 { profile } };
        let uri = session.ask(&service, &call).await?;
        let stream = uri.value("Uri").and_then(|uri| stream(uri, &host));
        told.stream = Some(stream.ok_or(OnvifError::NoStream { device: host.authority(), profile: choice.token })?);
        return Ok(());
    }
    if told.profiles.is_empty() && matches!(fault, OnvifError::NoMedia { .. }) {
        told.no_choice = Some(NoChoice::None);
    }
    Err(fault)
}

/// What it is, if it tells.
pub(crate) async fn information(session: &mut Session<'_>) -> Result<Option<Information>, OnvifError> {
    let host = session.host.clone();
    match session.ask(&host, &Call::GetDeviceInformation).await {
        Ok(node) => Ok(Some(of_device(&node))),
        // Some know no such call, or want more rights for it than for the streams.
        Err(OnvifError::Fault { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where two services are, each if it is there: by its namespace, or by the name that older devices have for it.
pub(crate) async fn services(
    session: &mut Session<'_>,
    wanted: [(&str, &str); 2],
) -> Result<[Option<DeviceHost>; 2], OnvifError> {
    let (host, also) = (session.host.clone(), Some(session.at));
    match session.ask(&host, &Call::GetServices).await {
        Ok(node) => {
            let of = |namespace: &str| {
                let service = node.all("Service").into_iter().find(|service| {
                    service.value("Namespace").is_some_and(|name| name.trim_end_matches('/').eq_ignore_ascii_case(namespace))
                });
                service.and_then(|service| host.service(service.value("XAddr")?, also))
            };
            let found = wanted.map(|(namespace, _)| of(namespace));
            if found.iter().any(Option::is_some) {
                return Ok(found);
            }
        }
        Err(OnvifError::Fault { .. } | OnvifError::NotRead { .. }) => {}
        Err(error) => return Err(error),
    }
    let node = match session.ask(&host, &Call::GetCapabilities).await {
        Ok(node) => node,
        Err(OnvifError::Fault { .. }) => return Ok([None, None]),
        Err(error) => return Err(error),
    };
    let of = |name: &str| host.service(node.find(name)?.value("XAddr")?, also);
    Ok(wanted.map(|(_, name)| of(name)))
}

pub(crate) fn of_device(node: &Node) -> Information {
    let value = |name: &str| node.value(name).unwrap_or_default().chars().filter(|c| !c.is_control()).take(100).collect();
    Information {
        manufacturer: value("Manufacturer"),
        model: value("Model"),
        firmware: value("FirmwareVersion"),
        serial: value("SerialNumber"),
    }
}

/// Of both kinds of Media: they differ in names alone.
pub(crate) fn profiles(node: &Node) -> Vec<Profile> {
    let profile = |node: &Node| {
        let token = node.attribute("token")?.to_owned();
        let source = ["VideoSource", "VideoSourceConfiguration"].iter().find_map(|name| node.find(name)?.value("SourceToken"));
        let encoder = node.find("VideoEncoder").or_else(|| node.find("VideoEncoderConfiguration"));
        let codec = encoder.map_or(Codec::None, |e| Codec::named(e.value("Encoding").unwrap_or("not named")));
        let number = |path: &[&str]| encoder?.at(path)?.text().parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
        let size = number(&["Resolution", "Width"]).zip(number(&["Resolution", "Height"]));
        Some(Profile {
            token,
            name: node.value("Name").unwrap_or_default().chars().filter(|c| !c.is_control()).take(100).collect(),
            source: source.map(str::to_owned),
            codec,
            size: size.map(|(width, height)| (width as u32, height as u32)),
            fps: number(&["RateControl", "FrameRateLimit"]),
        })
    };
    // Devices that call each "Profile" exist.
    let found = ["Profiles", "Profile"].iter().map(|name| node.all(name)).find(|found| !found.is_empty()).unwrap_or_default();
    found.into_iter().take(MOST_PROFILES).filter_map(profile).collect()
}

/// The address of a stream on the host that was given, whatever host, user or password stand in it.
pub(crate) fn stream(told: &str, host: &DeviceHost) -> Option<StreamUrl> {
    let told = told.split_whitespace().find(|part| part.contains("://"))?;
    // Some escape twice.
    let told = told.replace("&amp;", "&");
    let (scheme, rest) = told.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let port = authority.rsplit(']').next().unwrap_or_default().rsplit_once(':').map(|(_, port)| port);
    let port = port.and_then(|port| port.parse::<u16>().ok()).filter(|port| *port != 0);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    // What would be taken for a user's end, or for a part that is not sent.
    let path = path.replace('@', "%40").replace('#', "%23");
    StreamUrl::parse(&format!("{scheme}://{}{port}{path}", host.in_address())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streams_address_is_on_the_host_that_was_given_and_without_a_password() {
        let host: DeviceHost = "cam.example:8080".parse().unwrap();
        for (told, want) in [
            ("rtsp://192.0.2.7:554/Streaming/101?a=1&amp;b=2", "rtsp://cam.example:554/Streaming/101?a=1&b=2"),
            ("rtsp://admin:s3cret@10.0.0.1/live", "rtsp://cam.example/live"),
            ("\n rtsp://[fe80::1]:8554/x\n rtsp://10.0.0.1/y", "rtsp://cam.example:8554/x"),
            ("rtsps://10.0.0.1:322/live", "rtsps://cam.example:322/live"),
        ] {
            let url = stream(told, &host).unwrap();
            let whole = format!("{}://{}{}", url.scheme().as_str(), url.authority(), url.path_and_query());
            assert_eq!((whole.as_str(), url.login()), (want, None), "{told}");
        }
        for bad in ["", "http://10.0.0.1/x.jpg", "file:///etc/passwd", "live"] {
            assert_eq!(stream(bad, &host), None, "{bad}");
        }
    }

    #[test]
    fn a_clock_is_read_where_it_says_what_it_means() {
        let at = |inside: &str| utc(&crate::xml::read(format!("<x>{inside}</x>").as_bytes()).unwrap()).map(|t| t.to_rfc3339());
        let time = "<Time><Hour>8</Hour><Minute>30</Minute><Second>60</Second></Time><Date><Year>2026</Year><Month>3</Month><Day>1</Day></Date>";
        let want = Some("2026-03-01T08:30:59+00:00".to_owned());
        assert_eq!(at(&format!("<t:UTCDateTime>{time}</t:UTCDateTime>")), want);
        assert_eq!(at(&format!("<TimeZone><TZ>GMT0</TZ></TimeZone><LocalDateTime>{time}</LocalDateTime>")), want);
        assert_eq!(at(&format!("<TimeZone><TZ>CET-1</TZ></TimeZone><LocalDateTime>{time}</LocalDateTime>")), None);
        assert_eq!(at(&format!("<UTCDateTime>{}</UTCDateTime>", time.replace(">3<", ">13<"))), None);
    }
}
