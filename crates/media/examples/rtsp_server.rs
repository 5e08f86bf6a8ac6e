//! A camera to try things with: serves an H.264 file (MP4) in real time as `rtsp://127.0.0.1:PORT/live`, from its start for
//! every client. `rtsp_server FILE [PORT [USER:PASSWORD]]`; prints the port, runs until it is killed.

use std::error::Error;

use gstreamer as gst;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::prelude::*;

#[expect(clippy::print_stdout, reason = "an example talks")]
fn main() -> Result<(), Box<dyn Error>> {
    gst::init()?;
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name an MP4 file with H.264")?;
    let server = rtsp::RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&arguments.next().unwrap_or_else(|| "0".to_owned()));
    let factory = rtsp::RTSPMediaFactory::new();
    factory
        .set_launch(&format!("( filesrc location={file} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )"));
    if let Some((user, password)) = arguments.next().as_deref().and_then(|a| a.split_once(':')) {
        let auth = rtsp::RTSPAuth::new();
        let token = rtsp::RTSPToken::builder().field("media.factory.role", user).build();
        // As cameras have it: over a line without TLS the password itself is not sent.
        auth.set_supported_methods(rtsp::gst_rtsp::RTSPAuthMethod::Digest);
        auth.add_digest(user, password, &token);
        let access = gst::Structure::builder(user).field("media.factory.access", true).field("media.factory.construct", true);
        factory.add_role_from_structure(&access.build());
        server.set_auth(Some(&auth));
    }
    server.mount_points().ok_or("no mount points")?.add_factory("/live", factory);
    let main = gst::glib::MainLoop::new(None, false);
    let _source = server.attach(None)?;
    println!("{}", server.bound_port());
    main.run();
    Ok(())
}
