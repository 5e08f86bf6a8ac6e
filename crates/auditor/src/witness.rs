use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use access::log::KeyKind;
use audit_log::{Witness as Service, make_key, read_signer};
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    failure::{Failure, Outcome},
    keys::{fault, read_key},
    output::Printer,
};

/// Signs that a log only ever grew (C2SP tlog-witness), until SIGINT. Plain HTTP: what it signs can't be forged, so
/// it needs no secrecy; put a proxy with TLS in front where it is reached from elsewhere. Keep it apart from the server.
#[derive(Debug, Args)]
pub struct Witness {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7446")]
    listen: SocketAddr,
    /// Its private key; made, with NAME.pub beside it, where there is none
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What a new key is called, such as witness.example
    #[arg(long, value_name = "NAME", default_value = "witness")]
    name: String,
    /// The key of a log it vouches for, or a file that holds it; repeat for more
    #[arg(long = "log-key", value_name = "KEY", required = true)]
    logs: Vec<String>,
    /// Where it keeps what it has signed; losing it means vouching for nothing that was before [default: beside the key]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Witness {
    /// Answers until SIGINT.
    ///
    /// # Errors
    /// A key can't be read or made, or the address is not to be had.
    pub async fn run(self, printer: Printer) -> Outcome {
        let logs = self.logs.iter().map(|k| read_key(k)).collect::<Outcome<Vec<_>>>()?;
        let signer = if self.key.exists() { read_signer(&self.key) } else { make_key(&self.name, KeyKind::Witness, &self.key) };
        let state = self.state.unwrap_or_else(|| self.key.with_extension("state"));
        let service = signer.and_then(|signer| Service::new(signer, logs, state)).map_err(|e| fault(&e))?;
        let failed = |e: std::io::Error| {
            Failure::because("listen", format!("listen on {}", self.listen), &e).hint("choose another address: `--listen ADDR`")
        };
        let listener = TcpListener::bind(self.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let key = service.key().to_string();
        let answer = serde_json::json!({ "listening": address.to_string(), "key": key });
        printer.answer(&answer, || format!("witness {key}\nlistening on http://{address}"));
        let stop = CancellationToken::new();
        let serving = tasks::spawn("witness", Arc::new(service).serve(listener, stop.clone()));
        let _ = tokio::signal::ctrl_c().await;
        stop.cancel();
        let _ = serving.await;
        Ok(())
    }
}
