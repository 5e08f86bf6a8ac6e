//! MP4 and QuickTime whose pictures are a small part of what the file says it lasts: an hour of nothing before them, or sound that is
//! much longer. GStreamer's qtdemux takes a track that is shorter than a fifth of the movie for a preview, and passes over it; it can't
//! if it does not know how long the movie is.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _, time::Duration};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::created::find_box;

/// A movie all of whose tracks of pictures would be passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Brief {
    /// As the file says.
    pub(crate) lasts: Duration,
    /// Where it says so.
    field: Range<u64>,
}

/// Tracks that are looked at.
const MOST: usize = 100;

/// `None` for other files.
pub(crate) fn brief(file: &File) -> io::Result<Option<Brief>> {
    let length = file.metadata()?.len();
    let Some(movie) = find_box(file, (0, length), *b"moov")? else { return Ok(None) };
    let Some(header) = find_box(file, movie, *b"mvhd")? else { return Ok(None) };
    let Some(whole) = Lasts::read(file, header)?.filter(|lasts| lasts.ticks > 0) else { return Ok(None) };
    // Of what comes in fragments qtdemux believes no length.
    if find_box(file, movie, *b"mvex")?.is_some() {
        return Ok(None);
    }
    let (mut at, mut pictures) = (movie, 0);
    for _ in 0..MOST {
        let Some(track) = find_box(file, at, *b"trak")? else { break };
        at = (track.1, movie.1);
        let Some(lasts) = of_pictures(file, track)? else { continue };
        // As qtdemux compares them.
        let (movie, track) = (u128::from(lasts.rate) * u128::from(whole.ticks), u128::from(whole.rate) * u128::from(lasts.ticks));
        if track * 10 >= movie * 2 {
            return Ok(None);
        }
        pictures += 1;
    }
    Ok((pictures > 0).then(|| Brief { lasts: seconds(whole.ticks, whole.rate), field: whole.field }))
}

/// How long a track lasts by its header, if it is one of pictures.
pub(crate) fn of_pictures(file: &File, track: (u64, u64)) -> io::Result<Option<Lasts>> {
    let Some(media) = find_box(file, track, *b"mdia")? else { return Ok(None) };
    if !shows(file, media)? {
        return Ok(None);
    }
    let Some(header) = find_box(file, media, *b"mdhd")? else { return Ok(None) };
    Lasts::read(file, header)
}

/// Whether a track is one of pictures.
fn shows(file: &File, media: (u64, u64)) -> io::Result<bool> {
    let Some((at, end)) = find_box(file, media, *b"hdlr")? else { return Ok(false) };
    let mut head = [0; 12];
    if end - at < 12 {
        return Ok(false);
    }
    file.read_exact_at(&mut head, at)?;
    Ok(head[8..] == *b"vide")
}

#[derive(Debug)]
pub(crate) struct Lasts {
    ticks: u64,
    /// Ticks a second.
    pub(crate) rate: u32,
    field: Range<u64>,
}

impl Lasts {
    /// Of the header of a movie or of a track.
    fn read(file: &File, (at, end): (u64, u64)) -> io::Result<Option<Self>> {
        let mut head = [0; 32];
        let read = usize::try_from((end - at).min(32)).unwrap_or(32);
        file.read_exact_at(&mut head[..read], at)?;
        let four = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (rate, ticks, field) = match head[0] {
            0 if read >= 20 => (four(12), u64::from(four(16)), at + 16..at + 20),
            1 if read >= 32 => (four(20), u64::from(four(24)) << 32 | u64::from(four(28)), at + 24..at + 32),
            _ => return Ok(None),
        };
        Ok((rate > 0).then_some(Self { ticks, rate, field }))
    }
}

/// So many ticks, of which `rate` are a second.
pub(crate) fn seconds(ticks: u64, rate: u32) -> Duration {
    let rate = u64::from(rate.max(1));
    Duration::from_secs(ticks / rate) + Duration::from_nanos(ticks % rate * 1_000_000_000 / rate)
}

impl Brief {
    /// Blanks it in what is pulled from a pad.
    pub(crate) fn blank(&self, pad: &gst::Pad) {
        let field = self.field.clone();
        pad.add_probe(gst::PadProbeType::PULL | gst::PadProbeType::BUFFER, move |_, info| {
            let offset = info.offset;
            let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
            let Some(within) = within(&field, offset, buffer.size()) else { return gst::PadProbeReturn::Ok };
            if let Ok(mut bytes) = buffer.make_mut().map_writable() {
                bytes[within].fill(0);
            }
            gst::PadProbeReturn::Ok
        });
    }
}

/// Which of so many bytes from an offset on are in the field.
fn within(field: &Range<u64>, offset: u64, size: usize) -> Option<Range<usize>> {
    let of = |at: u64| usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX).min(size);
    let range = of(field.start)..of(field.end);
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use super::*;

    pub(crate) fn boxed(kind: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        [&u32::try_from(inside.len() + 8).unwrap().to_be_bytes()[..], kind, inside].concat()
    }

    pub(crate) fn header(kind: &[u8; 4], rate: u32, ticks: u64, new: bool) -> Vec<u8> {
        let rate = rate.to_be_bytes();
        let inside = if new {
            [&[1, 0, 0, 0][..], &[0; 16], &rate, &ticks.to_be_bytes(), &[0; 8]].concat()
        } else {
            [&[0; 12][..], &rate, &u32::try_from(ticks).unwrap().to_be_bytes(), &[0; 8]].concat()
        };
        boxed(kind, &inside)
    }

    fn track(kind: &[u8; 4], rate: u32, ticks: u64) -> Vec<u8> {
        track_of(kind, rate, ticks, &[])
    }

    pub(crate) fn track_of(kind: &[u8; 4], rate: u32, ticks: u64, identity: &[u8]) -> Vec<u8> {
        let handler = boxed(b"hdlr", &[&[0; 8][..], kind, &[0; 12]].concat());
        boxed(b"trak", &[identity.to_vec(), boxed(b"mdia", &[header(b"mdhd", rate, ticks, false), handler].concat())].concat())
    }

    fn of(movie: &[Vec<u8>]) -> Option<Brief> {
        let mut file = tempfile::tempfile().unwrap();
        let moov = boxed(b"moov", &movie.concat());
        file.write_all(&[boxed(b"ftyp", b"isom\0\0\0\0"), boxed(b"mdat", &[7; 40]), moov].concat()).unwrap();
        brief(&file).unwrap()
    }

    #[test]
    fn only_a_movie_all_of_whose_pictures_are_less_than_a_fifth_of_it_is_told_otherwise() {
        for new in [false, true] {
            let hour = header(b"mvhd", 1000, 3_600_500, new);
            let (short, long) = (track(b"vide", 90_000, 8 * 90_000), track(b"vide", 90_000, 1800 * 90_000));
            let sound = track(b"soun", 44_100, 3600 * 44_100);
            let found = of(&[hour.clone(), sound.clone(), short.clone()]).unwrap();
            assert_eq!(found.lasts, Duration::from_millis(3_600_500));
            // Behind what comes before the movie, its own head and the head of its header.
            let from = 16 + 48 + 8 + 8 + if new { 24 } else { 16 };
            assert_eq!(found.field, from..from + if new { 8 } else { 4 });
            assert_eq!(of(&[hour.clone(), short.clone(), long]), None);
            assert_eq!(of(&[hour.clone(), sound]), None);
            assert_eq!(of(&[hour, boxed(b"mvex", &[]), short]), None);
        }
        assert_eq!(of(&[header(b"mvhd", 0, 5, false), track(b"vide", 1, 1)]), None);
    }

    #[test]
    fn what_is_pulled_in_pieces_is_blanked_in_each() {
        let field = 100..104;
        assert_eq!(within(&field, 0, 100), None);
        assert_eq!(within(&field, 0, 102), Some(100..102));
        assert_eq!(within(&field, 102, 50), Some(0..2));
        assert_eq!(within(&field, 90, 50), Some(10..14));
        assert_eq!(within(&field, 104, 50), None);
    }
}
