//! From a decoder's planes to a model's tensor in one pass: scale, colour conversion and normalisation together, with no
//! picture in between. Bilinear with sample positions as `cv2.resize(INTER_LINEAR)` has them, so that the numpy reference
//! of the models sees the same input.

use types::{ColourMatrix, Frame, Size};

/// An RGB picture in memory, 8 bits, rows without padding: still pictures of an evaluation, crops.
#[derive(Clone, Copy)]
pub struct Rgb<'a> {
    pub(crate) size: Size,
    pub(crate) pixels: &'a [u8],
}

impl std::fmt::Debug for Rgb<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rgb({}x{})", self.size.width, self.size.height)
    }
}

impl<'a> Rgb<'a> {
    /// `None` unless `pixels` holds `width * height * 3` bytes, at least one pixel.
    pub fn new(pixels: &'a [u8], size: Size) -> Option<Self> {
        let needs = (size.width as usize).checked_mul(size.height as usize)?.checked_mul(3)?;
        (needs > 0 && pixels.len() == needs).then_some(Self { size, pixels })
    }
}

/// What the tensor holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Layout {
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Blue first.
    pub(crate) bgr: bool,
    /// In the order of the tensor's channels.
    pub(crate) mean: [f32; 3],
    pub(crate) std: [f32; 3],
    /// Value of the pixels beside the picture, before normalisation.
    pub(crate) pad: f32,
    /// Stretch to the whole tensor rather than keep the aspect at the upper left.
    pub(crate) stretch: bool,
}

/// How boxes of the tensor map back: divide by the scale of each axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) x: f32,
    pub(crate) y: f32,
}

/// The part of a picture that is shown: its upper left corner, even, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) size: Size,
}

impl Region {
    pub(crate) fn whole(size: Size) -> Self {
        Self { x: 0, y: 0, size }
    }
}

/// Reused buffers.
#[derive(Default)]
pub(crate) struct Letterbox {
    pub(crate) tensor: Vec<f32>,
    columns: Vec<Tap>,
    chroma: Vec<Tap>,
    /// Of `columns`, in 2048ths.
    weights: Vec<(i32, i32)>,
    /// Two input rows, mixed.
    line: Vec<f32>,
    /// One output row of Y, U, V or of R, G, B.
    rows: [Vec<f32>; 3],
    layout: Option<(Layout, Region)>,
}

/// Two neighbours and the share of the second.
#[derive(Clone, Copy, Default)]
struct Tap {
    first: u32,
    second: u32,
    share: f32,
}

impl Tap {
    /// For a sample centre at `position` of `len` samples.
    fn at(position: f32, len: usize) -> Self {
        let last = (len - 1) as f32;
        let position = position.clamp(0.0, last);
        let first = position.floor();
        Self { first: first as u32, second: (first + 1.0).min(last) as u32, share: position - first }
    }

    fn plus(self, offset: u32) -> Self {
        Self { first: self.first + offset, second: self.second + offset, ..self }
    }

    /// In 2048ths.
    fn weights(self) -> (i32, i32) {
        (((1.0 - self.share) * 2048.0).round_ties_even() as i32, (self.share * 2048.0).round_ties_even() as i32)
    }
}

/// Scale and size of the picture inside the tensor.
fn fit(size: Size, layout: &Layout) -> (Scale, usize, usize) {
    let (w, h) = (size.width as f32, size.height as f32);
    let (tw, th) = (layout.width as f32, layout.height as f32);
    if layout.stretch {
        return (Scale { x: tw / w, y: th / h }, layout.width, layout.height);
    }
    // In f64 and truncated, as the reference does it.
    let r = (f64::from(th) / f64::from(h)).min(f64::from(tw) / f64::from(w));
    let side = |v: u32, most: usize| ((f64::from(v) * r) as usize).clamp(1, most);
    (Scale { x: r as f32, y: r as f32 }, side(size.width, layout.width), side(size.height, layout.height))
}

impl Letterbox {
    /// Sizes the buffers and writes the padding, both only when the layout or the picture's size changed.
    fn prepare(&mut self, region: Region, layout: &Layout) -> (Scale, usize, usize) {
        let size = region.size;
        let (scale, nw, nh) = fit(size, layout);
        if self.layout != Some((*layout, region)) {
            self.layout = Some((*layout, region));
            self.tensor.clear();
            for (mean, std) in layout.mean.iter().zip(&layout.std) {
                self.tensor.resize(self.tensor.len() + layout.height * layout.width, (layout.pad - mean) / std);
            }
            let (w, cw) = (size.width as usize, (size.width as usize).div_ceil(2));
            let step = f64::from(size.width) / nw as f64;
            let at = |x: usize| ((x as f64 + 0.5) * step - 0.5) as f32;
            self.columns = (0..nw).map(|x| Tap::at(at(x), w).plus(region.x)).collect();
            self.chroma = (0..nw).map(|x| Tap::at(at(x) / 2.0 - 0.25, cw).plus(region.x / 2)).collect();
            self.weights = self.columns.iter().map(|tap| tap.weights()).collect();
            for row in &mut self.rows {
                row.resize(nw, 0.0);
            }
        }
        (scale, nw, nh)
    }

    /// Fills `self.tensor` from a part of a frame, which lies inside it.
    pub(crate) fn frame(&mut self, frame: &Frame, region: Region, layout: &Layout) -> Scale {
        let size = region.size;
        let (scale, nw, nh) = self.prepare(region, layout);
        let (top, chroma_top) = (region.y as usize, region.y as usize / 2);
        let step = size.height as f32 / nh as f32;
        let chroma_rows = (size.height as usize).div_ceil(2);
        let convert = Convert::new(frame.matrix());
        for y in 0..nh {
            let position = (y as f32 + 0.5) * step - 0.5;
            let tap = Tap::at(position, size.height as usize);
            let ([luma, u, v], line) = (&mut self.rows, &mut self.line);
            let row = |y: u32| frame.row(0, top + y as usize);
            blend::<1>(row(tap.first), row(tap.second), tap.share, &self.columns, line, luma);
            let tap = Tap::at(position / 2.0 - 0.25, chroma_rows);
            let row = |y: u32| frame.chroma_row((chroma_top + y as usize) * 2);
            let rows = (row(tap.first), row(tap.second));
            match rows {
                (Some((u0, v0, 1)), Some((u1, v1, _))) => {
                    blend::<1>(u0, u1, tap.share, &self.chroma, line, u);
                    blend::<1>(v0, v1, tap.share, &self.chroma, line, v);
                }
                (Some((u0, v0, _)), Some((u1, v1, _))) => {
                    blend::<2>(u0, u1, tap.share, &self.chroma, line, u);
                    blend::<2>(v0, v1, tap.share, &self.chroma, line, v);
                }
                _ => {
                    u.fill(128.0);
                    v.fill(128.0);
                }
            }
            self.convert(y, nw, layout, &convert);
        }
        scale
    }

    /// Fills `self.tensor` from a picture in memory, with the very integers of `cv2.resize`, so that evaluations of still
    /// pictures compare models and not roundings.
    pub(crate) fn rgb(&mut self, picture: Rgb<'_>, layout: &Layout) -> Scale {
        let (scale, nw, nh) = self.prepare(Region::whole(picture.size), layout);
        let step = f64::from(picture.size.height) / nh as f64;
        let stride = picture.size.width as usize * 3;
        for y in 0..nh {
            let tap = Tap::at(((y as f64 + 0.5) * step - 0.5) as f32, picture.size.height as usize);
            let row = |y: u32| &picture.pixels[y as usize * stride..][..stride];
            let (a, b, (wa, wb)) = (row(tap.first), row(tap.second), tap.weights());
            for (channel, out) in self.rows.iter_mut().enumerate() {
                for ((out, tap), &(wi, wj)) in out.iter_mut().zip(&self.columns).zip(&self.weights) {
                    let (i, j) = (tap.first as usize * 3 + channel, tap.second as usize * 3 + channel);
                    let across = |row: &[u8]| (i32::from(row[i]) * wi + i32::from(row[j]) * wj) >> 4;
                    *out = ((((across(a) * wa) >> 16) + ((across(b) * wb) >> 16) + 2) >> 2) as f32;
                }
            }
            self.put(y, nw, layout);
        }
        scale
    }

    /// Converts the row of Y', Cb, Cr and normalises it into the tensor's planes.
    fn convert(&mut self, y: usize, nw: usize, layout: &Layout, convert: &Convert) {
        let mut planes = self.tensor.chunks_exact_mut(layout.height * layout.width);
        let mut out = [0; 3].map(|_| planes.next().map(|plane| &mut plane[y * layout.width..][..nw]).unwrap_or_default());
        let mut norm = [0, 1, 2].map(|c| (1.0 / layout.std[c], -layout.mean[c] / layout.std[c]));
        if layout.bgr {
            out.swap(0, 2);
            norm.swap(0, 2);
        }
        let ([r, g, b], [luma, u, v]) = (out, &self.rows);
        let (luma, u, v) = (&luma[..nw], &u[..nw], &v[..nw]);
        for x in 0..nw {
            let [red, green, blue] = convert.rgb(luma[x], u[x], v[x]);
            r[x] = red * norm[0].0 + norm[0].1;
            g[x] = green * norm[1].0 + norm[1].1;
            b[x] = blue * norm[2].0 + norm[2].1;
        }
    }

    /// Normalises the row of R, G, B into the tensor's planes. Divides as the reference does, to the last bit: a model in 8 bits
    /// may round the other way otherwise.
    fn put(&mut self, y: usize, nw: usize, layout: &Layout) {
        let plane = layout.height * layout.width;
        for channel in 0..3 {
            let source = &self.rows[if layout.bgr { 2 - channel } else { channel }];
            let (mean, std) = (layout.mean[channel], layout.std[channel]);
            let start = channel * plane + y * layout.width;
            for (out, v) in self.tensor[start..start + nw].iter_mut().zip(source) {
                *out = (v - mean) / std;
            }
        }
    }
}

/// One output row of one channel: two rows, `STEP` bytes from sample to sample. The rows are mixed first, all samples in
/// their order, so that only two samples a pixel have to be picked.
#[inline]
fn blend<const STEP: usize>(a: &[u8], b: &[u8], share: f32, taps: &[Tap], line: &mut Vec<f32>, out: &mut [f32]) {
    let (Some(left), Some(right)) = (taps.first(), taps.last()) else { return };
    let (from, to) = (left.first as usize * STEP, right.second as usize * STEP);
    line.clear();
    line.extend(a[from..=to].iter().zip(&b[from..=to]).map(|(a, b)| f32::from(*a) + (f32::from(*b) - f32::from(*a)) * share));
    // The neighbour that the last sample does not have: its share is nothing.
    line.extend_from_slice(&[0.0; STEP]);
    for (out, tap) in out.iter_mut().zip(taps) {
        let at = tap.first as usize * STEP - from;
        let pair = &line[at..=at + STEP];
        *out = pair[0] + (pair[STEP] - pair[0]) * tap.share;
    }
}

/// Y'CbCr to R'G'B' in floats.
struct Convert {
    offset: f32,
    y: f32,
    rv: f32,
    gu: f32,
    gv: f32,
    bu: f32,
}

impl Convert {
    fn new(matrix: ColourMatrix) -> Self {
        let (kr, kb): (f32, f32) = if matrix.bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let kg = 1.0 - kr - kb;
        let (y, c) = if matrix.full_range { (1.0, 1.0) } else { (255.0 / 219.0, 255.0 / 224.0) };
        Self {
            offset: if matrix.full_range { 0.0 } else { 16.0 },
            y,
            rv: 2.0 * (1.0 - kr) * c,
            gu: 2.0 * (1.0 - kb) * kb / kg * c,
            gv: 2.0 * (1.0 - kr) * kr / kg * c,
            bu: 2.0 * (1.0 - kb) * c,
        }
    }

    /// 0 to 255 each.
    #[inline]
    fn rgb(&self, luma: f32, u: f32, v: f32) -> [f32; 3] {
        let (luma, u, v) = ((luma - self.offset) * self.y, u - 128.0, v - 128.0);
        [luma + self.rv * v, luma - self.gu * u - self.gv * v, luma + self.bu * u].map(|c| c.clamp(0.0, 255.0))
    }
}

#[cfg(test)]
mod tests;
