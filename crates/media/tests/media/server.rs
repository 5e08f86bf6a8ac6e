//! A real RTSP server on a free port, in its own thread.

use std::{path::Path, sync::mpsc, thread::JoinHandle};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::{gst_rtsp, prelude::*};

pub(crate) struct Server {
    pub(crate) port: u16,
    main: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
}

pub(crate) enum Guard {
    Open,
    /// User "operator", password "correct horse".
    Password(gst_rtsp::RTSPAuthMethod),
}

/// An H.264 file, in real time.
pub(crate) fn of_file(path: &Path) -> String {
    format!("( filesrc location={} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )", path.display())
}

impl Server {
    pub(crate) fn start(launch: &str, guard: Guard, configure: impl Fn(&rtsp::RTSPMedia) + Send + Sync + 'static) -> Self {
        Self::serve(launch, guard, false, configure)
    }

    /// One stream for all who come: the later ones come into the middle of it.
    pub(crate) fn shared(launch: &str, configure: impl Fn(&rtsp::RTSPMedia) + Send + Sync + 'static) -> Self {
        Self::serve(launch, Guard::Open, true, configure)
    }

    fn serve(launch: &str, guard: Guard, shared: bool, configure: impl Fn(&rtsp::RTSPMedia) + Send + Sync + 'static) -> Self {
        gst::init().unwrap();
        let (ready, port) = mpsc::channel();
        let launch = launch.to_owned();
        let thread = std::thread::spawn(move || {
            let context = glib::MainContext::new();
            context
                .with_thread_default(|| {
                    let server = rtsp::RTSPServer::new();
                    server.set_address("127.0.0.1");
                    server.set_service("0");
                    let factory = rtsp::RTSPMediaFactory::new();
                    factory.set_launch(&launch);
                    factory.set_shared(shared);
                    factory.connect_media_configure(move |_, media| configure(media));
                    if let Guard::Password(method) = guard {
                        guarded(&server, &factory, method);
                    }
                    server.mount_points().unwrap().add_factory("/live", factory);
                    let _source = server.attach(Some(&context)).unwrap();
                    let main = glib::MainLoop::new(Some(&context), false);
                    ready.send((server.bound_port() as u16, main.clone())).unwrap();
                    main.run();
                    server.client_filter(Some(&mut |_, client| {
                        client.close();
                        rtsp::RTSPFilterResult::Remove
                    }));
                })
                .unwrap();
        });
        let (port, main) = port.recv().unwrap();
        Self { port, main, thread: Some(thread) }
    }

    pub(crate) fn stop(&mut self) {
        self.main.quit();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn guarded(server: &rtsp::RTSPServer, factory: &rtsp::RTSPMediaFactory, method: gst_rtsp::RTSPAuthMethod) {
    let auth = rtsp::RTSPAuth::new();
    auth.set_supported_methods(method);
    let token = rtsp::RTSPToken::builder().field("media.factory.role", "operator").build();
    if method == gst_rtsp::RTSPAuthMethod::Basic {
        auth.add_basic(&rtsp::RTSPAuth::make_basic("operator", "correct horse"), &token);
    } else {
        auth.add_digest("operator", "correct horse", &token);
    }
    factory.add_role_from_structure(
        &gst::Structure::builder("operator").field("media.factory.access", true).field("media.factory.construct", true).build(),
    );
    server.set_auth(Some(&auth));
}
