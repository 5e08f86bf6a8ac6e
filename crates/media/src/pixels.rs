//! A GStreamer sample as pixels that borrow its buffer.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer_video as gst_video;
use types::{ColourMatrix, PixelFormat, PixelSource, Plane, Size};

/// Keeps the decoder's buffer mapped, and out of its pool, as long as a frame needs it.
struct Mapped(gst::MappedBuffer<gst::buffer::Readable>);

impl PixelSource for Mapped {
    fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// The formats the chain may deliver, for its last caps filter.
pub(crate) const FORMATS: [gst_video::VideoFormat; 3] =
    [gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12, gst_video::VideoFormat::Gray8];

/// What a [`types::Frame`] is made of.
pub(crate) struct Pixels {
    pub(crate) source: Arc<dyn PixelSource>,
    pub(crate) size: Size,
    pub(crate) format: PixelFormat,
    pub(crate) matrix: ColourMatrix,
    pub(crate) planes: [Plane; 3],
}

pub(crate) fn of(sample: &gst::Sample) -> Result<Pixels, String> {
    let caps = sample.caps().ok_or("a picture without a format")?;
    let info = gst_video::VideoInfo::from_caps(caps).map_err(|_| format!("a picture in the unknown format {caps}"))?;
    let format = match info.format() {
        gst_video::VideoFormat::I420 => PixelFormat::I420,
        gst_video::VideoFormat::Nv12 => PixelFormat::Nv12,
        gst_video::VideoFormat::Gray8 => PixelFormat::Gray8,
        other => return Err(format!("a picture in {other}, which was not asked for")),
    };
    let buffer = sample.buffer_owned().ok_or("a picture without pixels")?;
    // The decoder's strides and offsets differ from the caps' defaults; the meta has the true ones.
    let layout = |offsets: &[usize], strides: &[i32]| {
        let at = |plane: usize| (offsets.get(plane).copied().unwrap_or(0), strides.get(plane).copied().unwrap_or(0));
        [at(0), at(1), at(2)]
    };
    let (size, layout) = match buffer.meta::<gst_video::VideoMeta>() {
        Some(meta) => ((meta.width().min(info.width()), meta.height().min(info.height())), layout(meta.offset(), meta.stride())),
        None => ((info.width(), info.height()), layout(info.offset(), info.stride())),
    };
    let mut planes = [Plane { offset: 0, stride: 0 }; 3];
    for (plane, (offset, stride)) in planes.iter_mut().zip(layout) {
        *plane = Plane { offset, stride: usize::try_from(stride).map_err(|_| "a picture stored upside down")? };
    }
    let colorimetry = info.colorimetry();
    let matrix = ColourMatrix {
        bt709: match colorimetry.matrix() {
            gst_video::VideoColorMatrix::Bt709 => true,
            gst_video::VideoColorMatrix::Unknown => size.0.min(size.1) >= 720,
            _ => false,
        },
        full_range: colorimetry.range() == gst_video::VideoColorRange::Range0_255,
    };
    let mapped = buffer.into_mapped_buffer_readable().map_err(|_| "pixels that can't be read")?;
    let size = Size { width: size.0, height: size.1 };
    Ok(Pixels { source: Arc::new(Mapped(mapped)), size, format, matrix, planes })
}
