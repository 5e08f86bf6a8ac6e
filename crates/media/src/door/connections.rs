//! The connections of a decoder, made for it. Wherever it asks to be connected to, what it gets is a connection to its own door.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, OwnedFd},
};

use tokio::io::unix::AsyncFd;

use crate::cell::sys;

/// As long as the decoder lives.
pub(super) async fn serve(calls: OwnedFd, door: SocketAddr) {
    let Ok(calls) = sys::watched(calls) else { return };
    loop {
        let Ok(mut ready) = calls.readable().await else { return };
        loop {
            match sys::call_waits(calls.as_fd()) {
                Ok(true) => {
                    if connect(&calls, door).is_err() {
                        // The call was given up meanwhile.
                        continue;
                    }
                }
                Ok(false) => break,
                Err(_) => return,
            }
        }
        ready.clear_ready();
    }
}

/// The address that was asked for is not looked at: there is nothing to be deceived about.
fn connect(calls: &AsyncFd<OwnedFd>, door: SocketAddr) -> io::Result<()> {
    let call = sys::waiting(calls.as_fd())?;
    // On this machine, to a listener of this process: it waits for nobody.
    let connected = TcpStream::connect(door).and_then(|stream| {
        // As GLib has all its sockets.
        stream.set_nonblocking(true)?;
        Ok(stream)
    });
    match connected {
        Ok(stream) => sys::put(calls.as_fd(), call, stream),
        Err(_) => sys::answer(calls.as_fd(), call, REFUSED),
    }
}

/// `ECONNREFUSED`.
const REFUSED: i32 = 111;
