//! Cameras as a table in a file, as people and other systems have them.

use std::{borrow::Cow, collections::BTreeMap, io::Read, path::PathBuf, time::Duration};

use clap::Args;
use futures::StreamExt as _;
use onvif::{DeviceHost, Password};
use pipeline::Device;
use proto::v1;
use serde_json::json;
use types::{AgencyId, CameraId, StreamUrl};

use super::{
    device::{chosen, networks, survey, told, with_login},
    given::{parse_hours, parse_place},
    spreadsheet::{LARGEST, Lines, Table, as_meant, as_text, characters},
};
use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    output::count,
    pages,
    times::parse_duration,
    view::purpose_word,
};

/// Add many cameras from a table, all of them or none; the same table again changes nothing
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A file in CSV, its columns named in the first line, or - for standard input. Columns: id, agency, title, address or onvif,
    /// user, password, lat, lon, zone, retention, purposes, hours, sensitive, profile, trust. Milestone's names are understood.
    /// Passwords go into the secrets folder alone
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// The agency of rows that name none
    #[arg(long)]
    agency: Option<AgencyId>,
    /// Check all of it, ask the cameras, and say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Write the cameras as a table that can be imported, without passwords
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Only those of this agency
    #[arg(long)]
    agency: Option<AgencyId>,
}

/// What a column may be called, in small letters, the first being ours. Milestone's are among them.
const COLUMNS: [(&str, &[&str]); 16] = [
    ("id", &["camera"]),
    ("agency", &[]),
    ("title", &["name", "place", "hardwarename", "cameraname", "devicename"]),
    ("address", &["url", "source", "stream"]),
    ("onvif", &["host", "ip", "ipaddress", "hardwareaddress"]),
    ("user", &["username", "hardwareusername"]),
    ("password", &["hardwarepassword"]),
    ("lat", &["latitude"]),
    ("lon", &["longitude", "lng"]),
    ("zone", &["timezone"]),
    ("retention", &[]),
    ("purposes", &["purpose"]),
    ("hours", &[]),
    ("sensitive", &[]),
    ("profile", &[]),
    ("trust", &[]),
];

/// Cameras asked at once.
const AT_ONCE: usize = 16;
/// Faults that are told; who has more of them has one fault many times.
const TOLD: usize = 20;

/// A row as it is written, before any camera is asked.
struct Row {
    line: u64,
    camera: v1::CameraRow,
    onvif: Option<(DeviceHost, Option<String>)>,
    login: Option<Password>,
}

impl Import {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let text = self.read()?;
        let rows = rows(&text, self.agency.as_ref())?;
        let networks = networks(ctx)?;
        let asked = futures::stream::iter(rows).map(|mut row| {
            let networks = &networks;
            async move {
                let Some((host, profile)) = row.onvif.take() else { return Ok(row) };
                let trust = row.camera.trust.parse().ok();
                let found = survey(networks, &host, profile.as_deref(), row.login.as_ref(), trust).await;
                let url = chosen(&found, row.login.as_ref()).map_err(|failure| (row.line, failure.into_inner().message))?;
                row.camera.url = url;
                (row.camera.onvif, row.camera.onvif_profile) = told(Some(Device { host, profile }));
                Ok(row)
            }
        });
        let asked: Vec<Result<Row, (u64, String)>> = asked.buffered(AT_ONCE).collect().await;
        let (mut rows, mut faults) = (Vec::new(), Vec::new());
        for row in asked {
            match row {
                Ok(row) => rows.push(row),
                Err(fault) => faults.push(fault),
            }
        }
        none_of(&faults)?;
        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        let cameras = rows.into_iter().map(|row| row.camera).collect();
        let mut service = ctx.connect(Caller::Operator).await?.cameras();
        let told = service.import_cameras(v1::ImportCamerasRequest { cameras, dry_run: self.dry_run }).await;
        let told = told.map_err(|status| in_lines(status.into(), &lines))?.into_inner();
        let json = json!({
            "added": told.added_ids, "changed": told.changed_ids, "unchanged": told.unchanged, "dry_run": self.dry_run,
        });
        ctx.printer.answer(&json, || {
            let would = if self.dry_run { "would be " } else { "" };
            let cameras = |n: usize| count(n as u64, "camera");
            format!(
                "{} {would}added, {} {would}changed, {} as they are",
                cameras(told.added_ids.len()),
                cameras(told.changed_ids.len()),
                told.unchanged
            )
        });
        Ok(())
    }

    fn read(&self) -> Outcome<String> {
        let failed = |e: &std::io::Error| {
            Failure::because("import", format!("read {}", self.file.display()), e)
                .hint("give a file in CSV, or - for standard input")
        };
        let mut bytes = Vec::new();
        let source: Box<dyn Read> = if self.file.as_os_str() == "-" {
            Box::new(std::io::stdin())
        } else {
            Box::new(std::fs::File::open(&self.file).map_err(|e| failed(&e))?)
        };
        source.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
        if bytes.len() as u64 > LARGEST {
            return Err(Failure::new("import", format!("{} is larger than a table of cameras", self.file.display()))
                .hint("give a table in CSV of at most 16 MiB"));
        }
        characters(bytes).ok_or_else(|| {
            Failure::new("import", format!("{} is not text in UTF-8", self.file.display()))
                .hint("save it as \"CSV UTF-8\"; a file of the spreadsheet itself is no table")
        })
    }
}

/// The server counts rows; people look for lines.
fn in_lines(mut failure: Failure, lines: &[u64]) -> Failure {
    let row = failure.message.strip_prefix("row ").and_then(|rest| rest.split_once(' '));
    if let Some((n, rest)) = row
        && let Some(line) = n.parse::<usize>().ok().and_then(|n| lines.get(n.checked_sub(1)?))
    {
        failure.message = format!("line {line} {rest}; nothing was imported");
    }
    failure
}

fn none_of(faults: &[(u64, String)]) -> Outcome {
    if faults.is_empty() {
        return Ok(());
    }
    let told = faults.iter().take(TOLD).map(|(line, fault)| format!("line {line}: {fault}"));
    let mut failure = Failure::new("rows", format!("{} can't be imported; nothing was", count(faults.len() as u64, "row")))
        .hint("correct them and import the file again; --dry-run changes nothing");
    failure.causes = told.collect();
    if faults.len() > TOLD {
        failure.causes.push(format!("and {} more", faults.len() - TOLD));
    }
    Err(failure)
}

fn rows(text: &str, agency: Option<&AgencyId>) -> Outcome<Vec<Row>> {
    let table = Table::of(text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(table.delimiter)
        .trim(csv::Trim::Headers)
        .flexible(true)
        .from_reader(table.text.as_bytes());
    let not_csv = |e: &csv::Error| {
        Failure::because("import", "read the table", e).hint("the first line names the columns: id,agency,title,address")
    };
    let names = reader.headers().map_err(|e| not_csv(&e))?.clone();
    let known = columns(&names)?;
    let (mut rows, mut faults, mut lines) = (Vec::new(), Vec::new(), Lines::of(&table));
    for record in reader.records() {
        let record = record.map_err(|e| not_csv(&e))?;
        // Its own count of lines is one behind where they end in two characters.
        let line = lines.at(record.position().map_or(0, csv::Position::byte) as usize);
        let value = |name: &str| known.get(name).and_then(|n| record.get(*n)).unwrap_or_default();
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let row = if record.iter().skip(names.len()).any(|cell| !cell.trim().is_empty()) {
            Err("it has more cells than the first line names".into())
        } else if known.keys().any(|name| value(name).chars().any(char::is_control)) {
            Err("a cell goes over several lines or has a control character in it: is a quotation mark left open?".into())
        } else {
            row(line, &value, agency)
        };
        match row {
            Ok(row) => rows.push(row),
            Err(fault) => faults.push((line, fault)),
        }
    }
    none_of(&faults)?;
    if rows.is_empty() {
        return Err(
            Failure::new("rows", "the table has no rows").hint("the first line names the columns, each further one is a camera")
        );
    }
    Ok(rows)
}

/// Where each of our columns stands.
fn columns(names: &csv::StringRecord) -> Outcome<BTreeMap<&'static str, usize>> {
    let plain = |name: &str| name.trim().to_ascii_lowercase().replace([' ', '_', '-'], "");
    let theirs = names.iter().any(|name| plain(name) == "hardwareaddress");
    let mut known = BTreeMap::new();
    for (n, name) in names.iter().enumerate() {
        let plain = plain(name);
        let ours = COLUMNS.iter().find(|(ours, others)| *ours == plain || others.contains(&plain.as_str()));
        match ours {
            Some((ours, _)) => {
                if known.insert(*ours, n).is_some() {
                    return Err(Failure::new("columns", format!("two columns are {ours:?}")).hint("take one of them out"));
                }
            }
            // Of a system that has more to say than is asked here.
            None if theirs || plain.is_empty() => {}
            None => {
                let names = COLUMNS.map(|(ours, _)| ours).join(", ");
                return Err(
                    Failure::new("columns", format!("there is no column {name:?}")).hint(format!("the columns are {names}"))
                );
            }
        }
    }
    if !known.contains_key("id") && !known.contains_key("onvif") && !known.contains_key("title") {
        return Err(
            Failure::new("columns", "the first line does not name the columns").hint("write id,agency,title,address in it")
        );
    }
    Ok(known)
}

fn row<'a>(line: u64, value: &dyn Fn(&str) -> &'a str, agency: Option<&AgencyId>) -> Result<Row, String> {
    // Spaces may belong to a password.
    let cell = |name: &str| value(name).trim();
    let title = as_meant(cell("title"));
    let agency = match (cell("agency"), agency) {
        ("", Some(usual)) => usual.to_string(),
        ("", None) => return Err("it names no agency: fill that column, or give --agency".into()),
        (named, _) => AgencyId::new(named).map_err(|e| e.to_string())?.to_string(),
    };
    let onvif: Option<DeviceHost> = Some(cell("onvif"))
        .filter(|host| !host.is_empty())
        .map(str::parse)
        .transpose()
        .map_err(|e: onvif::BadHost| e.to_string())?;
    let id = match cell("id") {
        "" => made_id(title, onvif.as_ref())?,
        id => id.to_owned(),
    };
    let id = CameraId::new(&id).map_err(|e| e.to_string())?;
    let login = match (cell("user"), value("password")) {
        ("", "") => None,
        ("", _) => return Err("it has a password and no user".into()),
        (user, password) => Some(Password { user: user.to_owned(), password: password.to_owned() }),
    };
    if login.is_some() && onvif.is_none() && cell("address").is_empty() {
        return Err("it has a user and a password, and no address to show them at".into());
    }
    let url = match cell("address") {
        "" => String::new(),
        _ if onvif.is_some() => return Err("it has an address and an ONVIF host: give one of them".into()),
        text => {
            // One that was exported may leave out what is secret; whether the camera has it, the server knows.
            let parsed = StreamUrl::parse(text);
            match (&login, parsed) {
                (Some(_), Ok(url)) if url.login().is_some() => {
                    return Err("it has a user, and another in its address: give one of them".into());
                }
                (Some(login), Ok(url)) => {
                    let url = with_login(&url, Some((&login.user, &login.password)));
                    // Not every user and password can stand in an address.
                    StreamUrl::parse(&url).map_err(|e| e.to_string())?;
                    url
                }
                (Some(_), Err(error)) => return Err(error.to_string()),
                (None, Ok(_)) => text.to_owned(),
                (None, Err(_)) if text.contains('…') => text.to_owned(),
                (None, Err(error)) => return Err(error.to_string()),
            }
        }
    };
    let trust = match cell("trust") {
        "" => String::new(),
        text => text.parse::<media::Pin>().map_err(|e| e.to_string())?.to_string(),
    };
    // Half of the world writes 51,5.
    let [lat, lon] = ["lat", "lon"].map(|name| cell(name).replace(',', "."));
    let position = match (lat.as_str(), lon.as_str()) {
        ("", "") => None,
        (lat, lon) => Some(parse_place(&format!("{lat},{lon}")).map_err(|e| e.message)?),
    };
    let camera = v1::CameraRow {
        id: id.to_string(),
        agency_id: agency,
        title: title.to_owned(),
        policy: policy(&cell)?,
        position,
        zone: cell("zone").to_owned(),
        url,
        basic_without_tls: false,
        trust,
        ..v1::CameraRow::default()
    };
    let profile = Some(cell("profile")).filter(|p| !p.is_empty()).map(str::to_owned);
    Ok(Row { line, camera, onvif: onvif.map(|host| (host, profile)), login })
}

/// Absent where no column says anything.
fn policy<'a>(cell: &dyn Fn(&str) -> &'a str) -> Result<Option<v1::CameraPolicy>, String> {
    let all = ["purposes", "retention", "hours", "sensitive"].map(cell);
    if all.iter().all(|text| text.is_empty()) {
        return Ok(None);
    }
    let [purposes, retention, hours, sensitive] = all;
    let purpose = |word: &str| {
        let found = [v1::Purpose::MissingPerson, v1::Purpose::SeriousIncident, v1::Purpose::Disaster].into_iter().map(i32::from);
        let word = word.replace('_', "-");
        found
            .into_iter()
            .find(|p| purpose_word(*p).replace('_', "-") == word)
            .ok_or_else(|| format!("{word:?} is no purpose: missing-person, serious-incident or disaster"))
    };
    let words = purposes.split([',', ';', '|', ' ']).filter(|word| !word.is_empty());
    let retention: Option<Duration> =
        if retention.is_empty() { None } else { Some(parse_duration(retention).map_err(|e| e.message)?) };
    Ok(Some(v1::CameraPolicy {
        purposes: words.map(purpose).collect::<Result<_, _>>()?,
        retention: retention.map(proto::duration),
        hours: if hours.is_empty() { None } else { Some(parse_hours(hours).map_err(|e| e.message)?) },
        sensitive: match sensitive.to_ascii_lowercase().as_str() {
            "" | "no" | "false" | "0" => false,
            "yes" | "true" | "1" => true,
            other => return Err(format!("{other:?} for sensitive is neither yes nor no")),
        },
        ..v1::CameraPolicy::default()
    }))
}

/// Of a title or a host, where a table has no ids of ours: the same each time.
fn made_id(title: &str, host: Option<&DeviceHost>) -> Result<String, String> {
    let from = if title.is_empty() { host.map(|h| format!("cam-{}", h.host())).unwrap_or_default() } else { title.to_owned() };
    let mut id = String::new();
    for c in from.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    let id: String = id.chars().take(63).collect();
    let id = id.trim_end_matches('-').to_owned();
    if id.is_empty() { Err("it has no id, and nothing that one could be made of".into()) } else { Ok(id) }
}

const WRITTEN: [&str; 12] =
    ["id", "agency", "title", "address", "user", "password", "lat", "lon", "zone", "retention", "purposes", "hours"];

impl Export {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let mut service = ctx.connect(Caller::Operator).await?.cameras();
        let agency_id = self.agency.map_or_else(String::new, |a| a.to_string());
        let cameras = pages::read(0, async |page_size, page_token| {
            let request = v1::ExportCamerasRequest { agency_id: agency_id.clone(), page_size, page_token };
            let page = service.export_cameras(request).await?.into_inner();
            Ok((page.cameras, page.next_page_token))
        });
        let rows: Vec<BTreeMap<&str, String>> = cameras.await?.rows.into_iter().map(written).collect();
        let failed = |e: &csv::Error| Failure::because("export", "write the table", e).hint("try again");
        let mut writer = csv::Writer::from_writer(Vec::new());
        let names = WRITTEN.iter().chain(&["sensitive"]);
        writer.write_record(names.clone()).map_err(|e| failed(&e))?;
        for row in &rows {
            let cells = names.clone().map(|name| row.get(name).map_or_else(String::new, |cell| as_cell(name, cell).into_owned()));
            writer.write_record(cells).map_err(|e| failed(&e))?;
        }
        let bytes = writer.into_inner().map_err(|e| Failure::because("export", "write the table", &e).hint("try again"))?;
        ctx.printer.answer(&json!({ "cameras": rows }), || String::from_utf8_lossy(&bytes).into_owned());
        Ok(())
    }
}

/// A title is free text of whoever added the camera, and somebody else opens the table.
fn as_cell<'a>(name: &str, cell: &'a str) -> Cow<'a, str> {
    if name == "title" { as_text(cell) } else { cell.into() }
}

fn written(camera: v1::CameraRow) -> BTreeMap<&'static str, String> {
    let policy = camera.policy.unwrap_or_default();
    let clock = |m: u32| format!("{:02}:{:02}", m / 60, m % 60);
    let place = camera.position.as_ref();
    let purposes: Vec<_> = policy.purposes.iter().map(|p| purpose_word(*p)).collect();
    let retention = policy.retention.map(|d| d.seconds);
    BTreeMap::from([
        ("id", camera.id),
        ("agency", camera.agency_id),
        ("title", camera.title),
        ("address", camera.url),
        ("user", String::new()),
        ("password", String::new()),
        ("lat", place.map(|p| p.latitude.to_string()).unwrap_or_default()),
        ("lon", place.map(|p| p.longitude.to_string()).unwrap_or_default()),
        ("zone", camera.zone),
        (
            "retention",
            retention.map(|s| if s % 86_400 == 0 { format!("{}d", s / 86_400) } else { format!("{s}s") }).unwrap_or_default(),
        ),
        ("purposes", purposes.join(" ")),
        ("hours", policy.hours.map(|h| format!("{}-{}", clock(h.from_minute), clock(h.to_minute))).unwrap_or_default()),
        ("sensitive", if policy.sensitive { "yes" } else { "" }.to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpora::Target;

    fn read(text: &str) -> Outcome<Vec<Row>> {
        rows(text, Some(&AgencyId::new("harbour").unwrap()))
    }

    const TARGETS: &[Target] = &[("camera_table", camera_table)];

    /// A table as somebody gives it: each of its rows can be sent, or it is told what to do.
    fn camera_table(bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        match read(text) {
            Ok(rows) => {
                for row in rows {
                    assert!(row.camera.id.parse::<CameraId>().is_ok() && row.camera.agency_id.parse::<AgencyId>().is_ok());
                    assert!(
                        row.camera.url.is_empty() || row.camera.url.contains('…') || StreamUrl::parse(&row.camera.url).is_ok()
                    );
                }
            }
            Err(failure) => assert!(failure.hint.is_some(), "{}", failure.message),
        }
    }

    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        let seed = |name, text: &str| ("camera_table", name, text.as_bytes().to_vec());
        crate::corpora::hold(
            TARGETS,
            &[
                seed(
                    "ours",
                    "id,agency,title,address,user,password,lat,lon,zone,retention,purposes,hours,sensitive\nquay-2,port,quay 2,rtsp://192.0.2.7/live?x=1,op,Pa55word,51.5,-0.1,Europe/London,30d,disaster missing-person,06:00-22:00,yes\n",
                ),
                seed(
                    "milestones",
                    "HardwareName,HardwareAddress,HardwareUsername,HardwarePassword,HardwareDriverID\nFront Door (2),http://192.0.2.9:8080/,root,Pa55word,421\n",
                ),
                seed(
                    "semicolons",
                    "\u{feff}id;onvif;user;password;profile;trust\nyard;192.0.2.9;op;\"Pa55word;x\";main;\n;;;;;\n",
                ),
                seed(
                    "wrong-rows",
                    "id,address,user,password\nUP!,rtsp://u:Pa55word@192.0.2.1/x,op,Pa55word\na,,,Pa55word\na,b,c,Pa55word,e\n",
                ),
            ],
        );
    }

    #[test]
    fn a_table_of_ours_and_one_of_milestones_are_read() {
        let ours = read(
            "\u{feff}id;agency;title;address;user;password;lat;lon;zone;retention;purposes;hours\n\
             quay-2;port;quay 2;rtsp://192.0.2.7/live?x=1;op;\"p;a ss\";51.5;-0.1;Europe/London;30d;disaster missing-person;06:00-22:00\n\
             \n;;;;;;;;;;;\nyard;;;;;;;;;;;\n",
        )
        .unwrap();
        assert_eq!(ours.len(), 2);
        let first = &ours[0].camera;
        assert_eq!((first.id.as_str(), first.agency_id.as_str(), first.zone.as_str()), ("quay-2", "port", "Europe/London"));
        assert_eq!(StreamUrl::parse(&first.url).unwrap().login(), Some(("op", "p;a ss")));
        assert_eq!(first.policy.as_ref().unwrap().purposes.len(), 2);
        assert_eq!((ours[1].line, ours[1].camera.agency_id.as_str(), ours[1].camera.policy.is_none()), (5, "harbour", true));
        let theirs = read(
            "HardwareName,HardwareAddress,HardwareUsername,HardwarePassword,HardwareDriverID\n\
             Front Door (2),http://192.0.2.9:8080/,root,pass,421\n,192.0.2.10,root,pass,421\n",
        )
        .unwrap();
        assert_eq!([&theirs[0].camera.id, &theirs[1].camera.id], ["front-door-2", "cam-192-0-2-10"]);
        assert_eq!(theirs[0].onvif.as_ref().unwrap().0.authority(), "192.0.2.9:8080");
        assert_eq!(theirs[0].login.as_ref().unwrap().user, "root");
    }

    #[test]
    fn a_table_is_read_as_spreadsheets_of_any_country_and_other_makers_write_it() {
        let german = "sep=;\r\nName;IP Address;User Name;Password;Lat;Lon;\r\nHof Süd;192.0.2.9;op;\"a;b\";51,5;-0,1;\r\n'=Tor;192.0.2.10;;;;;;;\r\n";
        let rows = read(german).unwrap();
        let place = rows[0].camera.position.as_ref().unwrap();
        assert_eq!((place.latitude, place.longitude, rows[0].line), (51.5, -0.1, 3));
        assert_eq!([&rows[0].camera.title, &rows[1].camera.title], ["Hof Süd", "=Tor"]);
        assert_eq!(rows[0].login.as_ref().unwrap().password, "a;b");
        let old = read("id,password,user,address\ra,x;y,op,rtsp://192.0.2.7/live\rb,,,\r").unwrap();
        assert_eq!((old.len(), old[1].camera.id.as_str()), (2, "b"));
    }

    #[test]
    fn what_is_wrong_with_a_row_is_told_with_its_line_and_without_its_password() {
        for (text, want) in [
            ("id,agency,colour\na,b,c\n", "no column"),
            ("a,b,c\n1,2,3\n", "no column"),
            ("", "does not name the columns"),
            ("id,agency\n", "no rows"),
            ("id,id\na,b\n", "two columns"),
        ] {
            assert!(read(text).err().unwrap().message.contains(want), "{text}");
        }
        for (row, want) in [
            ("UP!,,,", "camera id"),
            ("a,rtsp://u:s3cret@192.0.2.1/x,op,s3cret", "another in its address"),
            ("a,rtsp://u:s3?cret@192.0.2.1/x,,", "? as %3F"),
            ("a,rtsp://192.0.2.1/x,,s3cret", "no user"),
            ("a,http://192.0.2.1/s3cret,,", "another scheme"),
            ("a,,op,s3cret", "no address to show them at"),
            ("a,b,c,d,e", "more cells"),
            // All that follows would be its password.
            ("a,rtsp://192.0.2.1/x,op,\"s3cret\nb,rtsp://192.0.2.2/x,op,s3cret", "left open"),
            ("a,rtsp://192.0.2.1/x,op,s3cret\0", "control character"),
        ] {
            let failure = read(&format!("id,address,user,password\n{row}\n")).err().unwrap();
            let told = failure.causes.join("\n");
            assert!(told.starts_with("line 2: ") && told.contains(want) && !told.contains("s3cret"), "{row}: {told}");
        }
    }
}
