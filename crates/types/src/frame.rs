//! Decoded pictures, in the decoder's own layout, without a copy: the planes borrow the decoder's buffer.

use std::{fmt, sync::Arc};

use crate::{MediaTime, Rect, Size, TimeStamp};

/// The layouts decoders deliver. All 8 bits a sample; deeper video is reduced by the decoder's converter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Planes Y, U, V; chroma at half width and height, rounded up.
    I420,
    /// Planes Y and interleaved UV; chroma at half width and height, rounded up.
    Nv12,
    /// Plane Y alone.
    Gray8,
}

/// How Y'CbCr maps to R'G'B'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColourMatrix {
    /// ITU-R BT.709 rather than BT.601.
    pub bt709: bool,
    /// 0..255 rather than 16..235.
    pub full_range: bool,
}

/// One plane within the buffer: `stride` bytes from row to row, starting at `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plane {
    /// Of the first byte of the first row.
    pub offset: usize,
    /// Bytes from the start of a row to the start of the next; at least a row long.
    pub stride: usize,
}

/// Bytes that live as long as a frame needs them: a mapped decoder buffer, or a vector in tests.
pub trait PixelSource: Send + Sync {
    /// All of them; the same slice for as long as this lives.
    fn bytes(&self) -> &[u8];
}

impl PixelSource for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A side is 0 or longer than 16,384 pixels.
    #[error("a frame of {width}x{height} pixels is outside 1x1 to 16384x16384")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A plane reaches over the end of the buffer, or its rows overlap.
    #[error("plane {plane} of a {width}x{height} frame needs {needs} bytes, the buffer has {has}")]
    Short {
        /// Which one, from 0.
        plane: usize,
        /// Of the frame, in pixels.
        width: u32,
        /// Of the frame, in pixels.
        height: u32,
        /// Bytes up to the end of its last row.
        needs: usize,
        /// Bytes of the buffer.
        has: usize,
    },
}

/// A decoded picture and when it was taken. Cloning shares the pixels. Neither serialisable nor printable.
#[derive(Clone)]
pub struct Frame {
    source: Arc<dyn PixelSource>,
    size: Size,
    format: PixelFormat,
    matrix: ColourMatrix,
    planes: [Plane; 3],
    /// Since the first frame of the file or stream session.
    pub at: MediaTime,
    /// When the light hit the sensor, as well as that is known.
    pub taken: TimeStamp,
    /// Counts the frames that were sampled, from 0.
    pub number: u64,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Frame(#{} {}x{} {:?} at {:?})",
            self.number,
            self.size.width,
            self.size.height,
            self.format,
            self.at.as_duration()
        )
    }
}

impl Frame {
    const MAX_SIDE: u32 = 16_384;

    /// Checks that every plane fits the buffer, so that no later access can leave it.
    ///
    /// # Errors
    /// [`FrameError::Size`] where a side is 0 or longer than 16,384 pixels, [`FrameError::Short`] where a plane does not fit the buffer.
    #[expect(clippy::too_many_arguments, reason = "a frame is made in two places, by name is clearer than a builder")]
    pub fn new(
        source: Arc<dyn PixelSource>,
        size: Size,
        format: PixelFormat,
        matrix: ColourMatrix,
        planes: [Plane; 3],
        at: MediaTime,
        taken: TimeStamp,
        number: u64,
    ) -> Result<Self, FrameError> {
        let Size { width, height } = size;
        if !(1..=Self::MAX_SIDE).contains(&width) || !(1..=Self::MAX_SIDE).contains(&height) {
            return Err(FrameError::Size { width, height });
        }
        let has = source.bytes().len();
        for (plane, Plane { offset, stride }) in planes.into_iter().take(Self::plane_count(format)).enumerate() {
            let (row, rows) = Self::plane_shape(size, format, plane);
            let needs = stride.checked_mul(rows - 1).and_then(|n| n.checked_add(offset)).and_then(|n| n.checked_add(row));
            match needs {
                Some(needs) if needs <= has && stride >= row => {}
                _ => return Err(FrameError::Short { plane, width, height, needs: needs.unwrap_or(usize::MAX), has }),
            }
        }
        Ok(Self { source, size, format, matrix, planes, at, taken, number })
    }

    /// A tightly packed I420 or grey picture from memory.
    ///
    /// # Errors
    /// [`FrameError`], as [`Self::new`].
    pub fn packed(
        bytes: Vec<u8>,
        size: Size,
        format: PixelFormat,
        matrix: ColourMatrix,
        at: MediaTime,
        taken: TimeStamp,
        number: u64,
    ) -> Result<Self, FrameError> {
        let mut offset = 0;
        let mut planes = [Plane { offset: 0, stride: 0 }; 3];
        if size.width == 0 || size.height == 0 {
            return Err(FrameError::Size { width: size.width, height: size.height });
        }
        for (number, plane) in planes.iter_mut().take(Self::plane_count(format)).enumerate() {
            let (row, rows) = Self::plane_shape(size, format, number);
            *plane = Plane { offset, stride: row };
            offset += row * rows;
        }
        Self::new(Arc::new(bytes), size, format, matrix, planes, at, taken, number)
    }

    /// Bytes a row and rows of a plane; nothing for a plane the format lacks.
    fn plane_shape(size: Size, format: PixelFormat, plane: usize) -> (usize, usize) {
        let (w, h) = (size.width as usize, size.height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        match (format, plane) {
            (_, 0) => (w, h),
            (PixelFormat::I420, 1 | 2) => (cw, ch),
            (PixelFormat::Nv12, 1) => (2 * cw, ch),
            _ => (0, 0),
        }
    }

    const fn plane_count(format: PixelFormat) -> usize {
        match format {
            PixelFormat::I420 => 3,
            PixelFormat::Nv12 => 2,
            PixelFormat::Gray8 => 1,
        }
    }

    /// In pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// How the pixels lie in the planes.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// How luma and chroma become colours.
    pub fn matrix(&self) -> ColourMatrix {
        self.matrix
    }

    /// Bytes the frame keeps alive, for queues bounded by bytes.
    pub fn byte_len(&self) -> usize {
        self.source.bytes().len()
    }

    /// Row `y` of a plane, exactly as wide as the picture needs. Panics past the last row, like a slice.
    pub fn row(&self, plane: usize, y: usize) -> &[u8] {
        let (row, rows) = Self::plane_shape(self.size, self.format, plane);
        assert!(y < rows, "row {y} of {rows}");
        let Plane { offset, stride } = self.planes[plane];
        let start = offset + y * stride;
        &self.source.bytes()[start..start + row]
    }

    /// The chroma of luma row `y`: U samples, V samples and the step from one sample to the next. `None` in grey.
    pub fn chroma_row(&self, y: usize) -> Option<(&[u8], &[u8], usize)> {
        match self.format {
            PixelFormat::I420 => Some((self.row(1, y / 2), self.row(2, y / 2), 1)),
            PixelFormat::Nv12 => {
                let uv = self.row(1, y / 2);
                Some((uv, &uv[1..], 2))
            }
            PixelFormat::Gray8 => None,
        }
    }

    /// The pixels of a box as RGB, nothing else of the frame being converted. The box is clipped and rounded outwards to
    /// whole pixels; `None` if nothing of it lies inside the frame.
    pub fn crop(&self, bbox: &Rect) -> Option<RawCrop> {
        let (columns, rows) = bbox.pixels(self.size)?;
        let convert = Converter::new(self.matrix);
        let mut rgb = Vec::with_capacity(columns.len() * rows.len() * 3);
        for y in rows.clone() {
            let luma = self.row(0, y);
            match self.chroma_row(y) {
                Some((u, v, step)) => {
                    rgb.extend(columns.clone().flat_map(|x| convert.rgb(luma[x], u[x / 2 * step], v[x / 2 * step])))
                }
                None => rgb.extend(columns.clone().flat_map(|x| convert.rgb(luma[x], 128, 128))),
            }
        }
        let size = Size { width: columns.len() as u32, height: rows.len() as u32 };
        Some(RawCrop { size, origin: (columns.start as u32, rows.start as u32), rgb })
    }
}

/// Y'CbCr to R'G'B' in 16.16 fixed point.
struct Converter {
    y_offset: i32,
    y: i32,
    rv: i32,
    gu: i32,
    gv: i32,
    bu: i32,
}

impl Converter {
    fn new(matrix: ColourMatrix) -> Self {
        let (kr, kb) = if matrix.bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let kg = 1.0 - kr - kb;
        let (y_scale, c_scale) = if matrix.full_range { (1.0, 1.0) } else { (255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |v: f64| (v * 65536.0).round() as i32;
        Self {
            y_offset: if matrix.full_range { 0 } else { 16 },
            y: fixed(y_scale),
            rv: fixed(2.0 * (1.0 - kr) * c_scale),
            gu: fixed(2.0 * (1.0 - kb) * kb / kg * c_scale),
            gv: fixed(2.0 * (1.0 - kr) * kr / kg * c_scale),
            bu: fixed(2.0 * (1.0 - kb) * c_scale),
        }
    }

    #[inline]
    fn rgb(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let luma = (i32::from(y) - self.y_offset) * self.y + 32768;
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let clamp = |x: i32| (x >> 16).clamp(0, 255) as u8;
        [clamp(luma + self.rv * v), clamp(luma - self.gu * u - self.gv * v), clamp(luma + self.bu * u)]
    }
}

/// The pixels of one box before redaction: RGB, 8 bits, rows without padding. Only the `redact` crate can turn it into
/// something that may be embedded or stored. Neither serialisable nor printable.
#[derive(Clone)]
pub struct RawCrop {
    size: Size,
    origin: (u32, u32),
    rgb: Vec<u8>,
}

impl RawCrop {
    /// `rgb` holds `width * height * 3` bytes; `origin` is the crop's upper left pixel in its frame.
    pub fn new(rgb: Vec<u8>, size: Size, origin: (u32, u32)) -> Option<Self> {
        let needs = (size.width as usize).checked_mul(size.height as usize)?.checked_mul(3)?;
        (needs > 0 && rgb.len() == needs).then_some(Self { size, origin, rgb })
    }

    /// In pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Column and row of the upper left pixel in its frame.
    pub fn origin(&self) -> (u32, u32) {
        self.origin
    }

    /// Red, green and blue of each pixel, row by row: `width * height * 3` bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// As [`Self::rgb`], without a copy.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}

impl fmt::Debug for RawCrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawCrop({}x{})", self.size.width, self.size.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CaptureTime, ClockUncertainty, TimeSource};

    const MATRIX: ColourMatrix = ColourMatrix { bt709: false, full_range: false };

    fn stamp() -> TimeStamp {
        TimeStamp {
            time: CaptureTime::from_micros(0).unwrap(),
            uncertainty: ClockUncertainty::default(),
            source: TimeSource::Given,
        }
    }

    fn frame(bytes: Vec<u8>, width: u32, height: u32, format: PixelFormat) -> Result<Frame, FrameError> {
        Frame::packed(bytes, Size { width, height }, format, MATRIX, MediaTime::default(), stamp(), 0)
    }

    #[test]
    fn a_buffer_too_small_for_its_planes_is_refused() {
        assert!(frame(vec![0; 3 * 3 + 2 * 4], 3, 3, PixelFormat::I420).is_ok());
        assert!(matches!(frame(vec![0; 3 * 3 + 2 * 4 - 1], 3, 3, PixelFormat::I420), Err(FrameError::Short { plane: 2, .. })));
        assert!(matches!(frame(vec![], 0, 3, PixelFormat::Gray8), Err(FrameError::Size { .. })));
    }

    #[test]
    fn planar_and_interleaved_chroma_give_the_same_pixels() {
        let (y, u, v) = ((0..15u8).map(|i| i * 16), [10u8, 90, 200, 30, 60, 250], [240u8, 20, 128, 99, 7, 180]);
        let i420 = frame(y.clone().chain(u).chain(v).collect(), 5, 3, PixelFormat::I420).unwrap();
        let nv12 = frame(y.chain(u.iter().zip(&v).flat_map(|(a, b)| [*a, *b])).collect(), 5, 3, PixelFormat::Nv12).unwrap();
        let all = Rect::new(-5.0, -5.0, 100.0, 100.0);
        assert_eq!(i420.crop(&all).unwrap().rgb(), nv12.crop(&all).unwrap().rgb());
    }

    #[test]
    fn known_colours_convert_as_the_standard_says() {
        // BT.601 limited range: white, black, pure red.
        for ((y, u, v), want) in [((235, 128, 128), [255, 255, 255]), ((16, 128, 128), [0, 0, 0]), ((81, 90, 240), [254, 0, 0])] {
            let got = frame(vec![y, u, v], 1, 1, PixelFormat::I420).unwrap().crop(&Rect::new(0.0, 0.0, 1.0, 1.0)).unwrap();
            assert!(got.rgb().iter().zip(want).all(|(a, b)| a.abs_diff(b) <= 1), "{:?} {want:?}", got.rgb());
        }
    }

    #[test]
    fn a_crop_outside_the_frame_is_nothing() {
        let f = frame(vec![0; 4], 2, 2, PixelFormat::Gray8).unwrap();
        assert!(f.crop(&Rect::new(5.0, 5.0, 3.0, 3.0)).is_none());
        assert!(f.crop(&Rect::new(f32::NAN, 0.0, 1.0, 1.0)).is_none());
        assert_eq!(f.crop(&Rect::new(0.5, 0.5, 0.2, 0.2)).unwrap().size(), Size { width: 1, height: 1 });
    }

    #[test]
    fn printing_a_frame_or_crop_shows_no_pixel() {
        let f = frame(vec![77; 4], 2, 2, PixelFormat::Gray8).unwrap();
        let text = format!("{f:?} {:?}", f.crop(&Rect::new(0.0, 0.0, 2.0, 2.0)).unwrap());
        assert!(!text.contains("77"), "{text}");
    }
}
