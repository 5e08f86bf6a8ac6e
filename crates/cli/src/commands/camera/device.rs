//! Cameras asked by ONVIF, from the machine this runs on: who is there, what each is, and where its stream is. Nothing is changed in
//! them.

use std::{net::Ipv4Addr, time::Duration};

use clap::Args;
use media::{Networks, Pin};
use onvif::{DeviceHost, Password, Probing, Subnet, Survey, Surveying};
use pipeline::Device;
use serde_json::json;
use types::StreamUrl;

use crate::{
    context::Context,
    failure::{Failure, Outcome, library},
    output::table,
    times::parse_duration,
};

/// Find the cameras that answer to ONVIF; shows no password to anybody
#[derive(Debug, Args)]
pub(crate) struct Discover {
    /// An address of this machine to ask from; repeat for more [default: the system's choice]
    #[arg(long = "interface", value_name = "ADDRESS")]
    interfaces: Vec<Ipv4Addr>,
    /// Ask each address of a subnet, which the multicast does not reach: 192.168.7.0/24; repeat for more
    #[arg(long = "subnet", value_name = "SUBNET")]
    subnets: Vec<Subnet>,
    /// Ask the addresses of --subnet alone
    #[arg(long, requires = "subnets")]
    no_multicast: bool,
    /// How long to wait for answers
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "4s")]
    wait: Duration,
    /// Where cameras listen
    #[arg(long, value_name = "PORT", default_value_t = Probing::PORT, hide = true)]
    port: u16,
}

impl Discover {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let networks = networks(ctx)?;
        let allowed = |ip| networks.allow(ip);
        let how = Probing {
            interfaces: self.interfaces,
            subnets: self.subnets,
            port: self.port,
            multicast: !self.no_multicast,
            wait: self.wait,
            allowed: &allowed,
        };
        let found = onvif::discover(&how).await.map_err(|e| {
            Failure::because("discover", "ask who is there", &e)
                .hint("name an address of this machine with --interface, or a subnet of cameras with --subnet")
        })?;
        let rows: Vec<_> = found
            .iter()
            .map(|f| {
                json!({ "host": f.host, "address": f.address.to_string(), "name": f.name, "hardware": f.hardware, "allowed": f.allowed })
            })
            .collect();
        ctx.printer.answer(&json!({ "cameras": rows }), || {
            if found.is_empty() {
                return "no camera answered; multicast does not leave its own network: give --subnet, or ask one camera with \
                        `sightline camera probe HOST`"
                    .to_owned();
            }
            let place = |allowed| if allowed { "" } else { "outside of [live] networks" }.to_owned();
            let rows: Vec<_> =
                found.iter().map(|f| [f.host.clone(), f.name.clone(), f.hardware.clone(), place(f.allowed)]).collect();
            format!(
                "{}\nnext: sightline camera probe HOST --user USER --password-stdin",
                table(["HOST", "NAME", "HARDWARE", ""], &rows)
            )
        });
        Ok(())
    }
}

/// How a camera is asked.
#[derive(Debug, Args, Default)]
pub(crate) struct Login {
    /// A user of the camera's, best one of its own for this; read alone is enough
    #[arg(long)]
    user: Option<String>,
    /// Read the user's password from the first line of standard input, where no process list shows it
    #[arg(long, requires = "user")]
    password_stdin: bool,
    /// The profile to watch, by its token or name [default: chosen, and the reason told]
    #[arg(long, value_name = "TOKEN")]
    profile: Option<String>,
}

impl Login {
    pub(crate) fn is_given(&self) -> bool {
        self.user.is_some() || self.profile.is_some()
    }

    /// Who is asked again where an address stops working.
    pub(crate) fn device(&self, host: &DeviceHost) -> Device {
        Device { host: host.clone(), profile: self.profile.clone().filter(|profile| Device::can_be_profile(profile)) }
    }

    pub(crate) fn password(&self) -> Outcome<Option<Password>> {
        let Some(user) = self.user.clone() else { return Ok(None) };
        if !self.password_stdin {
            return Err(
                Failure::usage("a user without a password").hint("give --password-stdin and its password on standard input")
            );
        }
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(|e| {
            Failure::because("stdin", "read the password from standard input", &e).hint("give it there on one line")
        })?;
        Ok(Some(Password { user, password: line.trim_end_matches(['\r', '\n']).to_owned() }))
    }
}

/// Ask a camera what it is, what its clock says and where its streams are; changes nothing
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// 192.0.2.7, 192.0.2.7:8000 or `https://camera.example`
    #[arg(value_name = "HOST")]
    host: DeviceHost,
    #[command(flatten)]
    login: Login,
    /// The TLS certificate that the camera has, by its SHA-256
    #[arg(long, value_name = "SHA256")]
    trust: Option<Pin>,
}

impl Probe {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let password = self.login.password()?;
        let told = ask(ctx, &self.host, &self.login, password.as_ref(), self.trust).await?;
        ctx.printer.answer(&json_of(&told), || text_of(&told));
        match failure(&told) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

/// As requests have it.
pub(super) fn told(device: Option<Device>) -> (String, String) {
    device.map_or_else(Default::default, |device| (device.host.to_string(), device.profile.unwrap_or_default()))
}

/// Where cameras may be, as the configuration of this machine's home folder says.
pub(crate) fn networks(ctx: &Context) -> Outcome<Networks> {
    let file = ctx.home.layout().config();
    if !file.exists() {
        return Ok(Networks::default());
    }
    let config = server::Config::load(&file).map_err(|e| library("configuration", &e).hint(e.hint()))?;
    Ok(config.live_networks)
}

async fn ask(
    ctx: &Context,
    host: &DeviceHost,
    login: &Login,
    password: Option<&Password>,
    trust: Option<Pin>,
) -> Outcome<Survey> {
    let networks = networks(ctx)?;
    Ok(survey(&networks, host, login.profile.as_deref(), password, trust).await)
}

pub(super) async fn survey(
    networks: &Networks,
    host: &DeviceHost,
    profile: Option<&str>,
    password: Option<&Password>,
    trust: Option<Pin>,
) -> Survey {
    let allowed = |ip| networks.allow(ip);
    onvif::survey(host, &Surveying { password, trust, profile, allowed: &allowed }).await
}

/// The address of the camera's stream with what it takes to watch it, and what to say of the choice.
pub(crate) async fn stream(ctx: &Context, host: &DeviceHost, login: &Login, trust: Option<Pin>) -> Outcome<(String, String)> {
    let password = login.password()?;
    let told = ask(ctx, host, login, password.as_ref(), trust).await?;
    let url = chosen(&told, password.as_ref())?;
    let choice = told.choice.as_ref().map_or_else(String::new, |choice| format!("profile {}: {}", choice.token, choice.why));
    Ok((url, choice))
}

/// The address of the chosen stream with user and password in it, or why there is none.
pub(super) fn chosen(told: &Survey, password: Option<&Password>) -> Outcome<String> {
    if let Some(failure) = failure(told) {
        return Err(failure);
    }
    let stream = told.stream.as_ref().ok_or_else(|| Failure::new("no_stream", format!("{}: no stream is known", told.device)))?;
    Ok(with_login(stream, password.map(|p| (p.user.as_str(), p.password.as_str()))))
}

/// The address with these in it, written so that nothing of them is taken for another part.
pub(super) fn with_login(stream: &StreamUrl, login: Option<(&str, &str)>) -> String {
    let escaped = |text: &str| {
        text.bytes().fold(String::new(), |mut all, byte| {
            if byte.is_ascii_alphanumeric() {
                all.push(byte.into());
            } else {
                all.push_str(&format!("%{byte:02X}"));
            }
            all
        })
    };
    let who = login.map_or_else(String::new, |(user, password)| format!("{}:{}@", escaped(user), escaped(password)));
    format!("{}://{who}{}{}", stream.scheme().as_str(), stream.authority(), stream.path_and_query())
}

fn failure(told: &Survey) -> Option<Failure> {
    if let Some(fault) = &told.fault {
        return Some(library(fault.reason(), fault).hint(fault.hint()));
    }
    let none = told.no_choice.as_ref()?;
    Some(
        Failure::new("no_choice", format!("{}: {none}", told.device))
            .hint("`sightline camera probe` lists the profiles; --profile TOKEN takes one"),
    )
}

fn seconds(delta: chrono::TimeDelta) -> f64 {
    delta.num_milliseconds() as f64 / 1000.0
}

/// The offset is worth a word where it is more than cannot be known.
fn is_off(clock: &onvif::Clock) -> bool {
    clock.ahead.abs() > clock.uncertainty + chrono::TimeDelta::seconds(1)
}

fn json_of(told: &Survey) -> serde_json::Value {
    let chosen = told.choice.as_ref().map(|c| c.token.as_str());
    let profiles: Vec<_> = told
        .profiles
        .iter()
        .map(|p| {
            json!({
                "token": p.token, "name": p.name, "source": p.source, "codec": p.codec.as_str(), "width": p.size.map(|s| s.0),
                "height": p.size.map(|s| s.1), "fps": p.fps, "decoded": p.codec.is_decoded(), "chosen": chosen == Some(p.token.as_str()),
            })
        })
        .collect();
    json!({
        "device": told.device,
        "clock": told.clock.map(|c| json!({
            "ahead_s": seconds(c.ahead), "uncertainty_s": seconds(c.uncertainty), "ntp": c.by_ntp, "off": is_off(&c),
            "by": if c.by_http { "http" } else { "onvif" },
        })),
        "login": told.login,
        "manufacturer": told.information.as_ref().map(|i| &i.manufacturer),
        "model": told.information.as_ref().map(|i| &i.model),
        "firmware": told.information.as_ref().map(|i| &i.firmware),
        "serial": told.information.as_ref().map(|i| &i.serial),
        "media": told.media,
        "profiles": profiles,
        "choice": told.choice.as_ref().map(|c| json!({ "profile": c.token, "why": c.why })),
        "stream": told.stream.as_ref().map(StreamUrl::shown),
    })
}

fn text_of(told: &Survey) -> String {
    let mut lines = Vec::new();
    if let Some(i) = &told.information {
        lines.push(format!("{} {}, firmware {}, serial {}", i.manufacturer, i.model, i.firmware, i.serial));
    }
    match &told.clock {
        None => lines.push("clock: not known; it tells it nobody".into()),
        Some(clock) => {
            let (off, by) = (seconds(clock.ahead), seconds(clock.uncertainty));
            let how = match clock.by_ntp {
                Some(true) => ", set by NTP",
                Some(false) => ", set by hand",
                None => "",
            };
            let word = if off < 0.0 { "behind" } else { "ahead" };
            lines.push(format!("clock: {:.1} s {word} (within {by:.1} s){how}", off.abs()));
            if is_off(clock) {
                lines.push("  wrong: set NTP in the camera; until then its recordings are named by a wrong time".into());
            }
        }
    }
    if !told.profiles.is_empty() {
        let chosen = told.choice.as_ref().map(|c| c.token.as_str());
        let row = |p: &onvif::Profile| {
            let size = p.size.map_or_else(|| "?".to_owned(), |(w, h)| format!("{w}x{h}"));
            let fps = p.fps.map_or_else(|| "?".to_owned(), |fps| format!("{fps}"));
            let note = if chosen == Some(p.token.as_str()) {
                "chosen"
            } else if !p.codec.is_decoded() {
                "not decoded here"
            } else {
                ""
            };
            [
                p.token.clone(),
                p.name.clone(),
                p.source.clone().unwrap_or_default(),
                p.codec.as_str().to_owned(),
                size,
                fps,
                note.to_owned(),
            ]
        };
        lines.push(table(
            ["PROFILE", "NAME", "SOURCE", "CODEC", "SIZE", "FPS", ""],
            &told.profiles.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    if let Some(choice) = &told.choice {
        lines.push(format!("chosen: {}, {}", choice.token, choice.why));
    }
    if let Some(stream) = &told.stream {
        lines.push(format!("stream: {}", stream.shown()));
        lines.push(format!("next: sightline camera add ID --agency AGENCY --onvif {} --user USER --password-stdin", told.device));
    }
    if lines.is_empty() { String::new() } else { format!("{}\n{}", told.device, lines.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_a_user_or_a_password_comes_out_of_the_address_again() {
        let stream = StreamUrl::parse("rtsp://192.0.2.7:554/live?a=1").unwrap();
        for (user, password) in [("operator", "horse"), ("a@b", "p/?# @:%41&ü\"'"), ("u", "")] {
            let url = with_login(&stream, Some((user, password)));
            let back = StreamUrl::parse(&url).unwrap();
            assert_eq!(back.login(), Some((user, password)), "{url}");
            assert_eq!((back.host(), back.path_and_query()), (stream.host(), stream.path_and_query()));
        }
        assert_eq!(with_login(&stream, None), "rtsp://192.0.2.7:554/live?a=1");
    }
}
