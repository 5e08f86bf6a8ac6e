//! Both loopback addresses or none.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tonic::transport::Channel;

use crate::{Local, door::Door};

/// A browser opens six; more is somebody else's doing.
const CONNECTIONS: usize = 64;
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Ports that the system chooses may be taken on the other address.
const TRIES: usize = 16;
/// What Linux says where there is no IPv6: nobody can hold that address then.
const NO_IPV6: [i32; 2] = [97, 99];

/// Why there is no console.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address is taken, or not of this machine.
    #[error("could not listen on {address}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// The console, listening and not yet answering.
#[derive(Debug)]
pub struct Console {
    listeners: Vec<TcpListener>,
    door: Arc<Door>,
}

/// Makes links to a console.
#[derive(Debug, Clone)]
pub struct Links(Arc<Door>);

impl Links {
    /// A new link, good for one page; the one before is good for none any more.
    pub fn make(&self) -> String {
        self.0.link()
    }
}

impl Console {
    /// Listens on `127.0.0.1` and `[::1]`, both: whoever else held one of them would be shown the link's secret by a browser that
    /// asks there. `port` 0: one that is free on both.
    ///
    /// # Errors
    /// One of the two is taken.
    pub async fn bind(port: u16, channel: Channel, local: Arc<dyn Local>) -> Result<Self, ConsoleError> {
        let mut tries = if port == 0 { TRIES } else { 1 };
        let listeners = loop {
            tries -= 1;
            match listen(port).await {
                Ok(listeners) => break listeners,
                Err(_) if tries > 0 => {}
                Err(error) => return Err(error),
            }
        };
        let port = listeners.first().and_then(|l| l.local_addr().ok()).map_or(port, |a| a.port());
        Ok(Self { listeners, door: Arc::new(Door::new(port, channel, local)) })
    }

    /// Makes the links that people open.
    pub fn links(&self) -> Links {
        Links(Arc::clone(&self.door))
    }

    /// Answers until it is dropped.
    pub async fn serve(self) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut tasks = tokio::task::JoinSet::new();
        for listener in self.listeners {
            tasks.spawn(accept(listener, Arc::clone(&self.door), Arc::clone(&room)));
        }
        while tasks.join_next().await.is_some() {}
    }
}

async fn listen(port: u16) -> Result<Vec<TcpListener>, ConsoleError> {
    let bind =
        async |address: SocketAddr| TcpListener::bind(address).await.map_err(|source| ConsoleError::Listen { address, source });
    let first = bind((Ipv4Addr::LOCALHOST, port).into()).await?;
    let port = first.local_addr().map_or(port, |a| a.port());
    match bind((Ipv6Addr::LOCALHOST, port).into()).await {
        Ok(second) => Ok(vec![first, second]),
        Err(ConsoleError::Listen { source, .. }) if source.raw_os_error().is_some_and(|e| NO_IPV6.contains(&e)) => {
            Ok(vec![first])
        }
        Err(error) => Err(error),
    }
}

async fn accept(listener: TcpListener, door: Arc<Door>, room: Arc<Semaphore>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let door = Arc::clone(&door);
                connections.spawn(async move {
                    connection(stream, door).await;
                    drop(place);
                });
            }
            // Out of descriptors, say: what is open goes on, and some of it ends.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, door: Arc<Door>) {
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request| {
        let door = Arc::clone(&door);
        async move { Ok::<_, std::convert::Infallible>(door.answer(request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the console ended");
    }
}
