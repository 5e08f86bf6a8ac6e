//! How redacted crops are written: a JPEG whose first segment after the start is a comment that says so, with the erased
//! regions in it. The mark guards against accidents, not against forgery: whoever can write into the crop store could
//! copy it.

use std::io::Cursor;

use types::{Rect, Size};

use crate::crop::{FILL, RedactedCrop};

const MARK: &str = "sightline redacted crop 1";
const QUALITY: u8 = 90;
/// Larger than any crop that `redact` makes.
const MAX_SIDE: u32 = 256;
const MAX_BYTES: usize = 1 << 20;
/// Erased regions of a crop: far more than figures fit into it. Each is filled anew when a crop is read.
const MOST_ERASED: usize = 1_000;

/// Why bytes are not a redacted crop.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It was not written by [`RedactedCrop::encode`].
    #[error("the picture has no mark of a redacted crop; only pictures written by sightline are read")]
    NoMark,
    /// Bytes before, between or after the picture that we write.
    #[error("the picture holds more than a redacted crop, or less")]
    More,
    /// The mark is there and its content is not ours.
    #[error("the mark of the redacted crop is damaged")]
    BadMark,
    /// Larger than any crop that [`crate::redact()`] makes.
    #[error("the picture is {width}x{height}, larger than any redacted crop")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The JPEG itself can not be decoded.
    #[error("the picture is damaged")]
    Picture(#[source] image::ImageError),
}

impl RedactedCrop {
    /// A JPEG of quality 90 that carries a mark, so that [`Self::decode`] knows its own.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Whether bytes look in every segment like what [`Self::encode`] writes, and end with the picture. Reads no pixels, and is
    /// quick. Nothing but a picture fits into such bytes.
    pub fn is_ours(bytes: &[u8]) -> bool {
        is_ours(bytes)
    }

    /// Reads what [`Self::encode`] wrote; a picture without the mark was not redacted here and is refused.
    ///
    /// # Errors
    /// [`DecodeError`] where the bytes are anything but what [`Self::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}

fn encode(crop: &RedactedCrop) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let Size { width, height } = crop.size;
    let written = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode(
        &crop.rgb,
        width,
        height,
        image::ExtendedColorType::Rgb8,
    );
    assert!(written.is_ok() && jpeg.len() > 2, "a crop of {width}x{height} pixels in memory always encodes");
    let rect = |r: &Rect| format!("{},{},{},{}", r.x, r.y, r.width, r.height);
    let erased: Vec<String> = crop.erased.iter().take(MOST_ERASED).map(rect).collect();
    let comment = format!("{MARK}\nsubject {}\nerased {}", rect(&crop.subject), erased.join(" "));
    // A segment is at most 65,533 bytes, and so many regions are never longer.
    let comment = &comment.as_bytes()[..comment.len().min(65_533)];
    let mut out = Vec::with_capacity(jpeg.len() + comment.len() + 4);
    out.extend_from_slice(&jpeg[..2]);
    out.extend_from_slice(&[0xff, 0xfe]);
    out.extend_from_slice(&(comment.len() as u16 + 2).to_be_bytes());
    out.extend_from_slice(comment);
    out.extend_from_slice(&jpeg[2..]);
    out
}

fn decode(bytes: &[u8]) -> Result<RedactedCrop, DecodeError> {
    let comment = comment(bytes).ok_or(DecodeError::NoMark)?;
    if comment.starts_with(MARK) && !is_ours(bytes) {
        return Err(DecodeError::More);
    }
    let mut lines =
        comment.strip_prefix(MARK).ok_or(DecodeError::NoMark)?.strip_prefix('\n').ok_or(DecodeError::BadMark)?.lines();
    let subject = lines.next().and_then(|l| l.strip_prefix("subject ")).and_then(rect).ok_or(DecodeError::BadMark)?;
    let erased = lines.next().and_then(|l| l.strip_prefix("erased")).ok_or(DecodeError::BadMark)?;
    let erased: Vec<Rect> = erased.split_whitespace().map(rect).collect::<Option<_>>().ok_or(DecodeError::BadMark)?;
    if erased.len() > MOST_ERASED {
        return Err(DecodeError::BadMark);
    }

    let mut reader = image::ImageReader::with_format(Cursor::new(bytes), image::ImageFormat::Jpeg);
    let (width, height) = reader.into_dimensions().map_err(DecodeError::Picture)?;
    let size = Size { width, height };
    if width > MAX_SIDE || height > MAX_SIDE || bytes.len() > MAX_BYTES {
        return Err(DecodeError::Size { width, height });
    }
    reader = image::ImageReader::with_format(Cursor::new(bytes), image::ImageFormat::Jpeg);
    let mut rgb = reader.decode().map_err(DecodeError::Picture)?.into_rgb8().into_raw();
    let erased: Vec<Rect> = erased.iter().map(|r| r.clip(size)).filter(|r| !r.is_empty()).collect();
    // The compression rings at the border of a region; inside it is one colour again.
    let stride = width as usize * 3;
    for r in &erased {
        for y in r.y as usize..r.bottom() as usize {
            rgb[y * stride + r.x as usize * 3..y * stride + r.right() as usize * 3].fill(FILL);
        }
    }
    Ok(RedactedCrop { size, rgb, erased, subject: subject.clip(size) })
}

/// Whether every segment is one that [`encode`] writes, and nothing follows the picture.
fn is_ours(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.strip_prefix(&[0xff, 0xd8]) else { return false };
    let mut is_first = true;
    loop {
        let [0xff, marker, after @ ..] = rest else { return false };
        let Some((len, _)) = after.split_first_chunk::<2>() else { return false };
        let len = usize::from(u16::from_be_bytes(*len));
        if len < 2 || after.len() < len {
            return false;
        }
        let content = &after[2..len];
        let fits = match marker {
            // The mark, once and first.
            0xfe => is_first && content.starts_with(MARK.as_bytes()) && content.is_ascii(),
            // JFIF without a thumbnail; tables and the frame's header.
            0xe0 => !is_first && content.len() == 14 && content.starts_with(b"JFIF\0"),
            0xdb | 0xc0 | 0xc4 => !is_first && content.len() <= 512,
            0xda => {
                // The picture itself: up to the one end, which is the end of all.
                let scan = &after[len..];
                let end = scan.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7));
                return !is_first && end.is_some_and(|end| scan[end..] == [0xff, 0xd9]);
            }
            _ => false,
        };
        if !fits {
            return false;
        }
        is_first = false;
        rest = &after[len..];
    }
}

/// The comment right after the start of the picture.
fn comment(bytes: &[u8]) -> Option<&str> {
    let rest = bytes.strip_prefix(&[0xff, 0xd8, 0xff, 0xfe])?;
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let len = usize::from(u16::from_be_bytes(*len)).checked_sub(2)?;
    std::str::from_utf8(rest.get(..len)?).ok()
}

fn rect(text: &str) -> Option<Rect> {
    let mut values = text.split(',').map(|v| v.parse::<f32>().ok().filter(|v| v.is_finite() && v.abs() <= 1e6));
    let mut next = || values.next().flatten();
    let r = Rect::new(next()?, next()?, next()?, next()?);
    (values.next().is_none() && r.width >= 0.0 && r.height >= 0.0).then_some(r)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crop(erased: usize) -> RedactedCrop {
        let size = Size { width: 32, height: 64 };
        let whole = Rect::new(0.0, 0.0, 32.0, 64.0);
        RedactedCrop { size, rgb: vec![90; 32 * 64 * 3], erased: vec![whole; erased], subject: whole }
    }

    #[test]
    fn a_mark_with_more_regions_than_any_crop_has_is_refused_and_none_is_written() {
        assert_eq!(RedactedCrop::decode(&crop(3).encode()).unwrap().erased().len(), 3);
        assert_eq!(RedactedCrop::decode(&crop(9_000).encode()).unwrap().erased().len(), MOST_ERASED);
        // What somebody else wrote: as many as a comment can hold, each to be filled.
        let ours = crop(0).encode();
        let length = usize::from(u16::from_be_bytes([ours[4], ours[5]]));
        let comment = format!("{MARK}\nsubject 0,0,32,64\nerased{}", " 0,0,32,64".repeat(6_000));
        let length_of = u16::try_from(comment.len() + 2).unwrap().to_be_bytes();
        let many = [&ours[..4], &length_of, comment.as_bytes(), &ours[4 + length..]].concat();
        assert!(RedactedCrop::is_ours(&many));
        assert!(matches!(RedactedCrop::decode(&many), Err(DecodeError::BadMark)));
    }
}
