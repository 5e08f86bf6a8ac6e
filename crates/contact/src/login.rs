//! How a camera is shown that we know its password, over RTSP and over HTTP alike: Digest (RFC 7616), or Basic (RFC 7617) where
//! that may be. Opens no connection.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};

/// What a camera asked for and is shown from then on.
#[derive(Clone)]
pub enum Login {
    /// RFC 7617: the password itself, so only under TLS.
    Basic,
    /// RFC 7616: a hash of the password and what the camera sent.
    Digest {
        /// What the camera calls the space that the password is for.
        realm: String,
        /// The camera's random text, hashed with every request.
        nonce: String,
        /// Given back as it came.
        opaque: Option<String>,
        /// What is hashed with.
        algorithm: Algorithm,
        /// The hash of the password is mixed with the numbers of the first request.
        session: bool,
        /// The name of the algorithm, as the camera wrote it; `None`: it named none.
        named: Option<String>,
        /// Whether requests are counted (`qop=auth`).
        qop: bool,
        /// Requests made with this nonce.
        count: u32,
    },
}

/// What Digest hashes with; the later the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`, which most cameras ask for.
    Md5,
    /// `SHA-256`.
    Sha256,
    /// `SHA-512-256`.
    Sha512_256,
}

impl Algorithm {
    /// By its name, and whether it is the variant of a session.
    fn named(name: &str) -> Option<(Self, bool)> {
        let name = name.to_ascii_uppercase();
        let (name, session) = name.strip_suffix("-SESS").map_or((name.as_str(), false), |name| (name, true));
        let algorithm = match name {
            "MD5" => Self::Md5,
            "SHA-256" => Self::Sha256,
            "SHA-512-256" => Self::Sha512_256,
            _ => return None,
        };
        Some((algorithm, session))
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex::encode(Md5::digest(text)),
            Self::Sha256 => hex::encode(Sha256::digest(text)),
            Self::Sha512_256 => hex::encode(Sha512_256::digest(text)),
        }
    }
}

/// What a 401 leaves to do.
#[derive(Debug)]
pub enum Asked {
    /// It asks for a login that we know.
    Login {
        /// What it is shown from now on.
        login: Login,
        /// The password was right and only the nonce too old.
        stale: bool,
    },
    /// Nothing but the password itself, in the clear.
    BasicInClear,
    /// Nothing that is known here, but these: "Digest with the algorithm NEW", "Bearer". Empty: it names none at all.
    Unknown(Vec<String>),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Basic => "Basic",
            Self::Digest { .. } => "Digest(..)",
        })
    }
}

impl Login {
    /// The best of what the headers `WWW-Authenticate` of an answer offer: the password itself only where nothing else is offered.
    pub fn asked<'a>(offered: impl IntoIterator<Item = &'a str>, basic: bool) -> Asked {
        let challenges: Vec<_> = offered.into_iter().flat_map(challenges).collect();
        let digests = challenges.iter().filter_map(digest);
        let best = digests.max_by_key(|(login, _)| match login {
            Self::Digest { algorithm, .. } => Some(*algorithm),
            Self::Basic => None,
        });
        if let Some((login, stale)) = best {
            return Asked::Login { login, stale };
        }
        match challenges.iter().any(|c| c.scheme.eq_ignore_ascii_case("Basic")) {
            true if basic => Asked::Login { login: Self::Basic, stale: false },
            true => Asked::BasicInClear,
            false => Asked::Unknown(challenges.iter().map(Challenge::shown).collect()),
        }
    }

    /// The value of the header `Authorization` for a request of this method to this address.
    pub fn authorization(&mut self, method: &str, uri: &str, user: &str, password: &str) -> String {
        match self {
            Self::Basic => format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
            Self::Digest { realm, nonce, opaque, algorithm, session, named, qop, count } => {
                *count += 1;
                let hash = |text: String| algorithm.hash(&text);
                let cnonce = format!("{:016x}", rand::random::<u64>());
                let mut who = hash(format!("{user}:{realm}:{password}"));
                if *session {
                    who = hash(format!("{who}:{nonce}:{cnonce}"));
                }
                let what = hash(format!("{method}:{uri}"));
                let response = if *qop {
                    hash(format!("{who}:{nonce}:{count:08x}:{cnonce}:auth:{what}"))
                } else {
                    hash(format!("{who}:{nonce}:{what}"))
                };
                let user = quoted(user);
                let mut value = format!(
                    "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\""
                );
                if let Some(named) = named {
                    value = format!("{value}, algorithm={named}");
                }
                if *qop {
                    value = format!("{value}, qop=auth, nc={count:08x}, cnonce=\"{cnonce}\"");
                } else if *session {
                    value = format!("{value}, cnonce=\"{cnonce}\"");
                }
                if let Some(opaque) = opaque {
                    value = format!("{value}, opaque=\"{opaque}\"");
                }
                value
            }
        }
    }
}

fn digest(challenge: &Challenge) -> Option<(Login, bool)> {
    if !challenge.scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let named = challenge.parameter("algorithm");
    let (algorithm, session) = Algorithm::named(named.as_deref().unwrap_or("MD5"))?;
    let qop = challenge.parameter("qop");
    let auth = qop.as_ref().is_some_and(|qop| qop.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
    if qop.is_some() && !auth {
        return None;
    }
    let stale = challenge.parameter("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
    let login = Login::Digest {
        realm: challenge.parameter("realm").unwrap_or_default(),
        nonce: challenge.parameter("nonce")?,
        opaque: challenge.parameter("opaque"),
        algorithm,
        session,
        named,
        qop: auth,
        count: 0,
    };
    Some((login, stale))
}

fn quoted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).flat_map(|c| ['\\', c].into_iter().skip(usize::from(!"\"\\".contains(c)))).collect()
}

struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// For people who have to find out what a camera wants.
    fn shown(&self) -> String {
        let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(40).collect::<String>();
        let (algorithm, qop) = (self.parameter("algorithm"), self.parameter("qop"));
        match (algorithm.filter(|name| Algorithm::named(name).is_none()), qop) {
            (Some(name), _) => format!("{} with the algorithm {}", plain(&self.scheme), plain(&name)),
            (None, Some(qop)) => format!("{} with qop={}", plain(&self.scheme), plain(&qop)),
            (None, None) => plain(&self.scheme),
        }
    }

    /// As it stood between its quotes.
    fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }
}

/// Those of one header: `Digest realm="a, b", nonce=c, Basic realm="d"`.
fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    for part in parts(header) {
        let (key, value) =
            part.split_once('=').map_or((part.as_str(), None), |(key, value)| (key.trim_end(), Some(value.trim())));
        // A scheme stands before its first parameter, with a space between.
        let (scheme, key) = match key.rsplit_once(char::is_whitespace) {
            Some((scheme, key)) => (Some(scheme.trim()), key),
            None if value.is_none() => (Some(key), ""),
            None => (None, key),
        };
        if let Some(scheme) = scheme {
            found.push(Challenge { scheme: scheme.to_owned(), parameters: Vec::new() });
        }
        if let (Some(challenge), Some(value)) = (found.last_mut(), value) {
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
            challenge.parameters.push((key.to_owned(), value.to_owned()));
        }
    }
    found
}

/// Split at commas outside of quotes.
fn parts(header: &str) -> Vec<String> {
    let (mut parts, mut part, mut inside, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in header.chars() {
        match c {
            ',' if !inside => parts.push(std::mem::take(&mut part)),
            _ => {
                inside ^= c == '"' && !escaped;
                part.push(c);
            }
        }
        escaped = c == '\\' && inside && !escaped;
    }
    parts.push(part);
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(challenges: &[&str], basic: bool) -> Result<String, String> {
        match Login::asked(challenges.iter().copied(), basic) {
            Asked::Login { mut login, .. } => Ok(login.authorization("DESCRIBE", "rtsp://cam/live", "op\"er", "pass")),
            Asked::BasicInClear => Err("basic in clear".into()),
            Asked::Unknown(offered) => Err(offered.join(", ")),
        }
    }

    #[test]
    fn the_password_itself_is_sent_only_where_it_may_be_and_nothing_better_is_offered() {
        for (offered, basic, want) in [
            (&["Basic realm=\"x\""][..], true, Ok("Basic ")),
            (&["Basic realm=\"x\""], false, Err("basic in clear")),
            (&["Basic"], false, Err("basic in clear")),
            (&["Basic realm=\"x\", Digest realm=\"x\", nonce=\"n\""], true, Ok("Digest ")),
            (&["Basic realm=\"x\"", "Digest realm=\"x\", nonce=\"n\""], true, Ok("Digest ")),
            (&["Basic realm=\"x\"", "Digest realm=\"x\", nonce=\"n\", algorithm=NEW"], false, Err("basic in clear")),
            (&["Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\""], true, Err("Digest with qop=auth-int")),
            (&["Digest realm=\"x\", nonce=\"n\", algorithm=NEW"], true, Err("Digest with the algorithm NEW")),
            (&["Bearer"], true, Err("Bearer")),
            (&[], true, Err("")),
        ] {
            let got = shown(offered, basic);
            match (got, want) {
                (Ok(got), Ok(want)) => assert!(got.starts_with(want), "{offered:?}: {got}"),
                (got, want) => assert_eq!(got.as_deref().map_err(String::as_str), want, "{offered:?}"),
            }
        }
    }

    #[test]
    fn digest_is_what_the_rfcs_compute() {
        let got = shown(&["Digest realm=\"a, b\", nonce=\"dcd9\", stale=FALSE, algorithm=\"MD5\""], false).unwrap();
        // md5(md5("op\"er:a, b:pass") : dcd9 : md5("DESCRIBE:rtsp://cam/live"))
        let hash = |text: &str| hex::encode(Md5::digest(text));
        let want = hash(&format!("{}:dcd9:{}", hash("op\"er:a, b:pass"), hash("DESCRIBE:rtsp://cam/live")));
        assert!(got.contains(&format!("response=\"{want}\"")) && got.contains("username=\"op\\\"er\""), "{got}");
        let both = [
            "Digest realm=\"x\", nonce=\"n\"",
            "Digest realm=\"x\", nonce=\"n\", algorithm=SHA-256, qop=\"auth,auth-int\", opaque=\"o\"",
        ];
        let got = shown(&both, false).unwrap();
        for part in ["algorithm=SHA-256", "qop=auth", "nc=00000001", "opaque=\"o\""] {
            assert!(got.contains(part), "{got}");
        }
        assert_eq!(got.split("response=\"").nth(1).unwrap().find('"'), Some(64));
    }

    /// The example of RFC 7616, section 3.9.1, with its client's own nonce left out of our hands: without `qop`, RFC 2069's.
    #[test]
    fn a_known_answer_comes_out() {
        let challenge = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let Asked::Login { mut login, .. } = Login::asked([challenge], false) else { panic!("nothing is asked") };
        let shown = login.authorization("GET", "/dir/index.html", "Mufasa", "Circle Of Life");
        assert!(shown.contains("response=\"670fd8c2df070c60b045671b8b24ff02\""));
    }

    #[test]
    fn of_several_algorithms_the_best_is_taken_and_a_session_mixes_its_numbers_in() {
        let offered = |algorithm: &str| format!("Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm={algorithm}");
        let all = ["MD5", "SHA-512-256", "SHA-256"].map(offered);
        let got = shown(&all.each_ref().map(String::as_str), false).unwrap();
        assert!(got.contains("algorithm=SHA-512-256"), "{got}");
        let got = shown(&[&offered("MD5-sess")], false).unwrap();
        let value = |key: &str| got.split(&format!("{key}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let hash = |text: &str| hex::encode(Md5::digest(text));
        let who = hash(&format!("{}:n:{}", hash("op\"er:r:pass"), value("cnonce")));
        let what = hash("DESCRIBE:rtsp://cam/live");
        assert_eq!(value("response"), hash(&format!("{who}:n:00000001:{}:auth:{what}", value("cnonce"))));
    }
}
