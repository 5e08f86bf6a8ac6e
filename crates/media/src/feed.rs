//! Pictures of a transport or program stream on their way into a pipeline.

use std::{fmt, fs::File, io, sync::Arc, thread};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::{
    Footage, MediaError,
    element::broken,
    shared::Shared,
    transport::{self, Codec, Coded, Event, Pictures, Survey},
};

/// Pictures of one codec, from here on.
pub(crate) struct Section {
    pictures: Box<dyn Pictures + Send>,
    codec: Codec,
    /// Of the container, for people.
    pub(crate) container: &'static str,
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Section({:?})", self.codec)
    }
}

/// What waits for the decoder at most.
const WAITING: u64 = 4 << 20;

impl Section {
    /// The first of a file; `None` if it is no such stream, or none whose pictures are taken apart here.
    pub(crate) fn first(footage: &Footage) -> io::Result<Option<Self>> {
        let mut file = File::open(footage.name())?;
        let Some(container) = transport::name(&mut file)? else { return Ok(None) };
        let Some(mut pictures) = transport::open(file)? else { return Ok(None) };
        while let Some(event) = pictures.next()? {
            if let Event::Codec(codec) = event {
                return Ok(Some(Self { pictures, codec, container }));
            }
        }
        Ok(None)
    }

    fn caps(&self) -> gst::Caps {
        let mpeg = |version: i32| gst::Caps::builder("video/mpeg").field("mpegversion", version).field("systemstream", false);
        match self.codec {
            Codec::Mpeg12 => mpeg(2).build(),
            Codec::Mpeg4 => mpeg(4).build(),
            Codec::H264 => gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream").build(),
            Codec::H265 => gst::Caps::builder("video/x-h265").field("stream-format", "byte-stream").build(),
        }
    }

    /// What brings it into a pipeline.
    pub(crate) fn source(&self) -> gst_app::AppSrc {
        let source = gst_app::AppSrc::builder().caps(&self.caps()).format(gst::Format::Time).build();
        source.set_max_bytes(WAITING);
        source.set_property("block", true);
        source
    }

    /// Feeds it from a thread of its own, which ends with it, with the pipeline or with a codec that changes: then there is a
    /// next one.
    pub(crate) fn feed(self, source: gst_app::AppSrc, shared: Arc<Shared>) -> Result<Feed, MediaError> {
        let name = thread::Builder::new().name("transport".to_owned());
        Ok(Feed(Some(name.spawn(move || self.run(&source, &shared)).map_err(broken)?)))
    }

    fn run(mut self, source: &gst_app::AppSrc, shared: &Shared) -> Option<Self> {
        let next = loop {
            match self.pictures.next() {
                Ok(Some(Event::Coded(coded))) => {
                    // The pipeline wants no more.
                    if coded.data.is_empty() || source.push_buffer(buffer(coded, shared)).is_ok() {
                        continue;
                    }
                    return None;
                }
                Ok(Some(Event::Codec(codec))) => break Some(codec),
                Ok(None) => break None,
                Err(error) => {
                    shared.found().unreadable = Some(error.kind().to_string());
                    break None;
                }
            }
        };
        // Where nobody listens any more it need not be said.
        let _ = source.end_of_stream();
        self.codec = next?;
        Some(self)
    }
}

fn buffer(coded: Coded, shared: &Shared) -> gst::Buffer {
    let time = |ticks: i64| gst::ClockTime::from_nseconds(u64::try_from(ticks).unwrap_or_default() * 100_000 / 9);
    let pts = coded.pts.map(time);
    if let Some(pts) = pts {
        shared.feed(pts);
        if coded.damaged || coded.gap {
            shared.lose(pts, coded.gap);
        }
        if coded.restart {
            shared.doubt(pts.into());
        }
    }
    let mut buffer = gst::Buffer::from_mut_slice(coded.data);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(pts);
        buffer.set_dts(coded.dts.map(time));
    }
    buffer
}

/// The thread that feeds a pipeline. It ends once the pipeline is stopped.
#[derive(Debug)]
pub(crate) struct Feed(Option<thread::JoinHandle<Option<Section>>>);

impl Feed {
    /// Waits for its end. What comes next, if anything does.
    pub(crate) fn end(&mut self) -> Option<Section> {
        self.0.take()?.join().ok()?
    }
}

/// What a file says without its pictures; nothing if it is not taken apart here.
pub(crate) fn survey(footage: &Footage) -> io::Result<Survey> {
    transport::survey(File::open(footage.name())?)
}
