//! How a camera is shown that we know its password: Digest (RFC 7616), or Basic (RFC 7617) where that may be.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::message::Message;
use crate::Credentials;

/// What a camera asked for and is shown from then on.
#[derive(Clone)]
pub(super) enum Login {
    Basic,
    Digest {
        realm: String,
        nonce: String,
        opaque: Option<String>,
        algorithm: Algorithm,
        named: Option<String>,
        qop: bool,
        count: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
}

/// What a 401 leaves to do.
pub(super) enum Asked {
    Login {
        login: Login,
        stale: bool,
    },
    /// Nothing but the password itself, in the clear.
    BasicInClear,
    /// Nothing that is known here.
    Unknown,
}

impl Login {
    /// The best of what the answer offers: the password itself only where nothing else is offered.
    pub(super) fn asked(answer: &Message, basic: bool) -> Asked {
        let challenges: Vec<_> = answer.all("WWW-Authenticate").flat_map(challenges).collect();
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
            false => Asked::Unknown,
        }
    }

    /// Sets the request's `Authorization`.
    pub(super) fn sign(&mut self, request: &mut Message, credentials: &Credentials) {
        let value = match self {
            Self::Basic => format!("Basic {}", STANDARD.encode(format!("{}:{}", credentials.user, credentials.password))),
            Self::Digest { realm, nonce, opaque, algorithm, named, qop, count } => {
                *count += 1;
                let hash = |text: String| match algorithm {
                    Algorithm::Md5 => hex::encode(Md5::digest(text)),
                    Algorithm::Sha256 => hex::encode(Sha256::digest(text)),
                };
                let uri = request.address();
                let who = hash(format!("{}:{realm}:{}", credentials.user, credentials.password));
                let what = hash(format!("{}:{uri}", request.method()));
                let cnonce = format!("{:016x}", rand::random::<u64>());
                let response = if *qop {
                    hash(format!("{who}:{nonce}:{count:08x}:{cnonce}:auth:{what}"))
                } else {
                    hash(format!("{who}:{nonce}:{what}"))
                };
                let user = quoted(&credentials.user);
                let mut value = format!(
                    "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\""
                );
                if let Some(named) = named {
                    value = format!("{value}, algorithm={named}");
                }
                if *qop {
                    value = format!("{value}, qop=auth, nc={count:08x}, cnonce=\"{cnonce}\"");
                }
                if let Some(opaque) = opaque {
                    value = format!("{value}, opaque=\"{opaque}\"");
                }
                value
            }
        };
        request.set("Authorization", value);
    }
}

fn digest(challenge: &Challenge) -> Option<(Login, bool)> {
    if !challenge.scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let named = challenge.parameter("algorithm");
    let algorithm = match named.as_deref() {
        None => Algorithm::Md5,
        Some(name) if name.eq_ignore_ascii_case("MD5") => Algorithm::Md5,
        Some(name) if name.eq_ignore_ascii_case("SHA-256") => Algorithm::Sha256,
        Some(_) => return None,
    };
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

    fn answer(challenges: &[&str]) -> Message {
        let headers = challenges.iter().map(|c| ("www-authenticate".to_owned(), (*c).to_owned())).collect();
        Message { start: "RTSP/1.0 401 Unauthorized".into(), headers, body: vec![] }
    }

    fn shown(challenges: &[&str], basic: bool) -> Result<String, &'static str> {
        let mut request = Message { start: "DESCRIBE rtsp://cam/live RTSP/1.0".into(), headers: vec![], body: vec![] };
        match Login::asked(&answer(challenges), basic) {
            Asked::Login { mut login, .. } => {
                login.sign(&mut request, &Credentials { user: "op\"er".into(), password: "pass".into() });
                Ok(request.header("Authorization").unwrap().to_owned())
            }
            Asked::BasicInClear => Err("basic in clear"),
            Asked::Unknown => Err("unknown"),
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
            (&["Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\""], true, Err("unknown")),
            (&["Bearer"], true, Err("unknown")),
            (&[], true, Err("unknown")),
        ] {
            let got = shown(offered, basic);
            match (got, want) {
                (Ok(got), Ok(want)) => assert!(got.starts_with(want), "{offered:?}: {got}"),
                (got, want) => assert_eq!(got.as_deref(), want.as_deref(), "{offered:?}"),
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
        let mut request = Message { start: "GET /dir/index.html RTSP/1.0".into(), headers: vec![], body: vec![] };
        let challenge = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let Asked::Login { mut login, .. } = Login::asked(&answer(&[challenge]), false) else { panic!("nothing is asked") };
        login.sign(&mut request, &Credentials { user: "Mufasa".into(), password: "Circle Of Life".into() });
        assert!(request.header("Authorization").unwrap().contains("response=\"670fd8c2df070c60b045671b8b24ff02\""));
    }
}
