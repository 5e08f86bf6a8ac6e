//! Questions to one device, with what it wants to be shown: a digest over HTTP, or a token in the message, never both at once.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use contact::{Asked, Login, Pin};

use crate::{
    Call, DeviceHost, OnvifError,
    http::{self, Answer, Question},
    password::Password,
    soap::{self, Inside},
    xml::Node,
};

pub(crate) struct Session<'a> {
    pub(crate) host: DeviceHost,
    /// Its address, which was checked.
    pub(crate) at: IpAddr,
    pub(crate) trust: Option<Pin>,
    pub(crate) password: Option<&'a Password>,
    /// How far its clock is ahead of ours, where it is known.
    pub(crate) ahead: Option<TimeDelta>,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Http(Login),
    Token,
}

/// One question is asked anew at most so often: with what the device wants to be shown, with a fresh number, with a token.
const MOST_TRIES: usize = 4;

impl<'a> Session<'a> {
    pub(crate) fn new(host: DeviceHost, at: IpAddr, trust: Option<Pin>, password: Option<&'a Password>) -> Self {
        Self { host, at, trust, password, ahead: None, shown: Shown::Nothing }
    }

    fn device(&self) -> String {
        self.host.authority()
    }

    /// What was shown in the end.
    pub(crate) fn shown(&self) -> &'static str {
        match self.shown {
            Shown::Nothing => "nothing",
            Shown::Http(Login::Basic) => "basic",
            Shown::Http(Login::Digest { .. }) => "digest",
            Shown::Token => "token",
        }
    }

    /// Without a password, whatever comes.
    pub(crate) async fn ask_openly(&self, call: &Call) -> Result<Answer, OnvifError> {
        self.send(&self.host, call, "", None).await
    }

    async fn send(&self, to: &DeviceHost, call: &Call, token: &str, authorization: Option<&str>) -> Result<Answer, OnvifError> {
        let question = Question { call: call.name(), action: call.action(), body: soap::envelope(call, token), authorization };
        let answer = http::ask(to, self.at, self.trust, question).await?;
        if (300..400).contains(&answer.status) {
            return Err(OnvifError::Redirect { device: self.device() });
        }
        Ok(answer)
    }

    pub(crate) fn read(&self, answer: &Answer, call: &Call) -> Result<Inside, OnvifError> {
        match soap::inside(&answer.body, call) {
            // What stands in the answer counts more than the status: some send faults with 200, or answers with 500.
            Ok(Inside::Fault(_)) if answer.status == 401 => Ok(Inside::NotAuthorized),
            Ok(inside) => Ok(inside),
            Err(_) if matches!(answer.status, 401 | 403) => Ok(Inside::NotAuthorized),
            Err(_) if answer.status == 404 || answer.status == 405 => {
                Err(OnvifError::NoAnswer { device: self.device(), what: format!("its web server says {}", answer.status) })
            }
            Err(what) => Err(OnvifError::NotRead { device: self.device(), call: call.name(), what: what.to_string() }),
        }
    }

    /// The response, at the device's own address or at that of one of its services.
    pub(crate) async fn ask(&mut self, to: &DeviceHost, call: &Call) -> Result<Node, OnvifError> {
        let (mut by_http, mut by_token) = (false, false);
        // Why there is nothing left to try.
        let mut fault = OnvifError::NoPassword { device: self.device() };
        for _ in 0..MOST_TRIES {
            let (token, authorization) = self.show(to);
            let answer = self.send(to, call, &token, authorization.as_deref()).await?;
            match self.read(&answer, call)? {
                Inside::Response(node) => return Ok(node),
                Inside::Fault(reason) => {
                    return Err(OnvifError::Fault { device: self.device(), call: call.name(), reason });
                }
                Inside::NotAuthorized => {}
            }
            if self.password.is_none() {
                return Err(fault);
            }
            let shown_http = matches!(self.shown, Shown::Http(_));
            let shown_token = matches!(self.shown, Shown::Token);
            let mut next = None;
            if !answer.challenges.is_empty() {
                match Login::asked(answer.challenges.iter().map(String::as_str), to.is_tls()) {
                    Asked::Login { login, stale } if !by_http || (stale && shown_http) => next = Some(Shown::Http(login)),
                    Asked::Login { .. } => fault = OnvifError::Refused { device: self.device() },
                    Asked::BasicInClear => fault = OnvifError::BasicInClear { device: self.device() },
                    Asked::Unknown(offered) if !offered.is_empty() => {
                        fault = OnvifError::UnknownLogin { device: self.device(), offered: offered.join(", ") };
                    }
                    Asked::Unknown(_) => {}
                }
            }
            if shown_token {
                by_token = true;
                // It said with what else it wants to be asked; a clock that nobody knows may be why it took no token.
                if !matches!(fault, OnvifError::BasicInClear { .. } | OnvifError::UnknownLogin { .. }) {
                    let device = self.device();
                    fault =
                        if self.ahead.is_some() { OnvifError::Refused { device } } else { OnvifError::RefusedOrClock { device } };
                }
            } else if shown_http && next.is_none() {
                fault = OnvifError::Refused { device: self.device() };
            }
            match next {
                Some(login) => {
                    by_http = true;
                    self.shown = login;
                }
                None if !by_token && !shown_token => self.shown = Shown::Token,
                None => return Err(fault),
            }
        }
        Err(fault)
    }

    /// The header of the message, and the one of HTTP.
    fn show(&mut self, to: &DeviceHost) -> (String, Option<String>) {
        let Some(password) = self.password else { return (String::new(), None) };
        match &mut self.shown {
            Shown::Nothing => (String::new(), None),
            Shown::Http(login) => {
                (String::new(), Some(login.authorization("POST", to.path(), &password.user, &password.password)))
            }
            Shown::Token => {
                let at = its_time(Utc::now(), self.ahead);
                (soap::token(&password.user, &password.password, at), None)
            }
        }
    }
}

fn its_time(now: DateTime<Utc>, ahead: Option<TimeDelta>) -> DateTime<Utc> {
    ahead.and_then(|ahead| now.checked_add_signed(ahead)).unwrap_or(now)
}
