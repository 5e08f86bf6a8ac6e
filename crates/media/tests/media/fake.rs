//! A camera that says what a test wants, and remembers what it was told.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// What it answers: everything after the status line's version, such as "200 OK\r\nPublic: DESCRIBE\r\n". `CSeq` is added.
pub(crate) type Answer = dyn Fn(&str) -> String + Send + Sync;

pub(crate) struct Fake {
    pub(crate) port: u16,
    told: Arc<Mutex<Vec<String>>>,
    came: Arc<AtomicUsize>,
}

impl Fake {
    pub(crate) fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub(crate) fn on(listener: TcpListener, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::behind(listener, answer, |stream| stream)
    }

    /// Over TLS, with this certificate and its key in PKCS #8.
    pub(crate) fn over_tls(
        certificate: CertificateDer<'static>,
        key: Vec<u8>,
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key)))
            .unwrap();
        let config = Arc::new(config);
        Self::behind(TcpListener::bind("127.0.0.1:0").unwrap(), answer, move |stream| {
            rustls::StreamOwned::new(rustls::ServerConnection::new(config.clone()).unwrap(), stream)
        })
    }

    fn behind<S: Read + Write + Send + 'static>(
        listener: TcpListener,
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> S + Send + 'static,
    ) -> Self {
        let (told, came, port) = (Arc::default(), Arc::<AtomicUsize>::default(), listener.local_addr().unwrap().port());
        let (answer, log, count): (Arc<Answer>, Arc<Mutex<Vec<String>>>, _) = (Arc::new(answer), Arc::clone(&told), came.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let (answer, log, stream) = (answer.clone(), log.clone(), wrap(stream.unwrap()));
                std::thread::spawn(move || speak(stream, &*answer, &log));
            }
        });
        Self { port, told, came }
    }

    /// Every request so far, headers and all.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    /// Connections so far.
    pub(crate) fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("rtsp://operator:horse@127.0.0.1:{}/live", self.port)
    }
}

/// Until the other side ends.
fn speak(mut stream: impl Read + Write, answer: &Answer, log: &Mutex<Vec<String>>) {
    let (mut read, mut block) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let request = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
            log.lock().unwrap().push(request.clone());
            let said = answer(&request);
            if said.is_empty() {
                return;
            }
            let (status, rest) = said.split_once("\r\n").unwrap();
            let cseq = header(&request, "CSeq").unwrap_or_default();
            if write!(stream, "RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n{rest}").is_err() {
                return;
            }
            if !rest.contains("\r\n\r\n") && write!(stream, "\r\n").is_err() {
                return;
            }
            continue;
        }
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return,
            Ok(n) => read.extend(&block[..n]),
        }
    }
}

pub(crate) fn header(message: &str, name: &str) -> Option<String> {
    let lines = message.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

pub(crate) fn method(request: &str) -> &str {
    request.split(' ').next().unwrap()
}

/// What DESCRIBE is answered, of one H.264 stream.
pub(crate) fn sdp(headers: &str, session: &str, media: &str) -> String {
    let body = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n{session}m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n{media}"
    );
    format!("200 OK\r\nContent-Type: application/sdp\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}
