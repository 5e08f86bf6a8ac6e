//! How a camera is met, over RTSP and over HTTP alike: how we show it that we know its password, and how we know it by its TLS
//! certificate. What connects is somebody else's.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod login;
mod tls;

pub use login::{Algorithm, Asked, Login};
pub use tls::{BadPin, NoTls, Pin, Secured, secure};
