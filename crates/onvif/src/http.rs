//! One question and its answer over HTTP, to one address. There is nothing here that could go anywhere else.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use contact::{NoTls, Pin, secure};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{DeviceHost, OnvifError};

/// Of an answer.
pub(crate) const LARGEST: usize = 1 << 20;
/// From the first packet of a question to the last of its answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

pub(crate) struct Question<'a> {
    pub(crate) call: &'static str,
    pub(crate) action: String,
    pub(crate) body: String,
    pub(crate) authorization: Option<&'a str>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What it wants to be shown.
    pub(crate) challenges: Vec<String>,
    /// What its web server says of the time.
    pub(crate) date: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// To this address of the device, whatever it answers.
pub(crate) async fn ask(to: &DeviceHost, at: IpAddr, trust: Option<Pin>, question: Question<'_>) -> Result<Answer, OnvifError> {
    let deadline = Instant::now() + PATIENCE;
    let device = to.authority();
    let silent = |what: String| OnvifError::NoAnswer { device: device.clone(), what };
    let connected = timeout_at(deadline, TcpStream::connect(SocketAddr::new(at, to.port()))).await;
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(silent(error.kind().to_string())),
        Err(_) => return Err(silent("nothing at all".into())),
    };
    let _ = stream.set_nodelay(true);
    let slow = || OnvifError::Slow { device: device.clone(), call: question.call, seconds: PATIENCE.as_secs() };
    if !to.is_tls() {
        return timeout_at(deadline, exchange(to, stream, &question)).await.map_err(|_| slow())?;
    }
    let secured = timeout_at(deadline, secure(&to.host(), stream, trust)).await.map_err(|_| slow())?;
    let secured = secured.map_err(|error| match error {
        NoTls::Untrusted(pin) => OnvifError::Untrusted { device: device.clone(), pin: pin.to_string() },
        NoTls::Another(pin) => OnvifError::OtherCertificate { device: device.clone(), pin: pin.to_string() },
        NoTls::Failed(error) => silent(format!("no TLS: {error}")),
    })?;
    timeout_at(deadline, exchange(to, secured, &question)).await.map_err(|_| slow())?
}

async fn exchange<S>(to: &DeviceHost, stream: S, question: &Question<'_>) -> Result<Answer, OnvifError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let device = to.authority();
    let failed = |error: hyper::Error| OnvifError::NoAnswer { device: device.clone(), what: plainly(&error) };
    let mut lenient = http1::Builder::new();
    lenient
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .max_buf_size(64 << 10);
    let (mut sender, connection) = lenient.handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.map_err(failed)?;
    let mut request = Request::post(to.path())
        .header(header::HOST, to.in_address_with_port())
        .header(header::CONTENT_TYPE, format!("application/soap+xml; charset=utf-8; action=\"{}\"", question.action))
        .header(header::USER_AGENT, "Sightline")
        .header(header::CONNECTION, "close");
    if let Some(authorization) = question.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let not_sent =
        |_| OnvifError::NotRead { device: device.clone(), call: question.call, what: "its path can't be asked".into() };
    let request = request.body(Full::new(Bytes::from(question.body.clone()))).map_err(not_sent)?;
    let reading = async {
        let answer = sender.send_request(request).await.map_err(failed)?;
        let (head, body) = answer.into_parts();
        let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let status = head.status.as_u16();
        let challenges = head.headers.get_all(header::WWW_AUTHENTICATE).iter().map(text).collect();
        let date = head.headers.get(header::DATE).map(text);
        let body = Limited::new(body, LARGEST).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                OnvifError::Large { device: device.clone(), call: question.call, limit: LARGEST }
            } else {
                OnvifError::NotRead { device: device.clone(), call: question.call, what: "it is cut off".into() }
            }
        })?;
        Ok(Answer { status, challenges, date, body: body.to_bytes().to_vec() })
    };
    let mut connection = std::pin::pin!(connection);
    let mut reading = std::pin::pin!(reading);
    let mut open = true;
    loop {
        tokio::select! {
            answer = &mut reading => return answer,
            // What was read before it closed may be all of it.
            _ = &mut connection, if open => open = false,
        }
    }
}

fn plainly(error: &hyper::Error) -> String {
    if error.is_parse() || error.is_parse_too_large() {
        "what it answers is no HTTP".into()
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "it ended the connection".into()
    } else {
        "the connection failed".into()
    }
}
