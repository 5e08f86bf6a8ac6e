//! How long files last whose demuxer learns it only while it reads them, by the times of their first and last pictures: fragmented MP4,
//! and Flash. Their clock may have begun long before.

use std::{fs::File, io, os::unix::fs::FileExt as _, time::Duration};

use crate::{created::find_box, movie};

/// From the first picture to the end of the last; `None` of other files, and where it can't be told.
pub(crate) fn spans(file: &File) -> io::Result<Option<Duration>> {
    let length = file.metadata()?.len();
    let mut head = [0; 13];
    if length < 13 {
        return Ok(None);
    }
    file.read_exact_at(&mut head, 0)?;
    if head.starts_with(b"FLV") { tags(file, length) } else { fragments(file, length) }
}

type Inside = (u64, u64);

/// Tracks and parts of a fragment that are looked at.
const MOST: usize = 100;

fn fragments(file: &File, length: u64) -> io::Result<Option<Duration>> {
    let Some(movie) = find_box(file, (0, length), *b"moov")? else { return Ok(None) };
    let Some(extends) = find_box(file, movie, *b"mvex")? else { return Ok(None) };
    let Some((track, rate)) = pictures(file, movie)? else { return Ok(None) };
    let (mut first, mut last, mut at) = (None, None, (movie.1, length));
    while let Some(fragment) = find_box(file, at, *b"moof")? {
        at = (fragment.1, length);
        if let Some(part) = of_track(file, fragment, *b"traf", track)? {
            first = first.or(Some(part));
            last = Some(part);
        }
    }
    let Some((first, last)) = first.zip(last) else { return Ok(None) };
    let (Some(begin), Some(end)) = (begins(file, first)?, begins(file, last)?) else { return Ok(None) };
    let usual = of_track(file, extends, *b"trex", track)?;
    let usual = usual.map(|(at, end)| number(file, (at, end), 12)).transpose()?.flatten().unwrap_or_default();
    let ticks = end.checked_sub(begin).and_then(|ticks| ticks.checked_add(shown(file, last, usual).ok()?));
    Ok(ticks.filter(|ticks| *ticks > 0).map(|ticks| movie::seconds(ticks, rate)))
}

/// The first track of pictures, and its ticks a second.
fn pictures(file: &File, movie: Inside) -> io::Result<Option<(u32, u32)>> {
    let mut at = movie;
    for _ in 0..MOST {
        let Some(track) = find_box(file, at, *b"trak")? else { break };
        at = (track.1, movie.1);
        let Some(lasts) = movie::of_pictures(file, track)? else { continue };
        let Some(header) = find_box(file, track, *b"tkhd")? else { continue };
        let mut version = [0];
        file.read_exact_at(&mut version, header.0)?;
        let id = number(file, header, if version == [1] { 20 } else { 12 })?;
        return Ok(id.map(|id| (id, lasts.rate)));
    }
    Ok(None)
}

/// The part of this kind that is of a track.
fn of_track(file: &File, inside: Inside, kind: [u8; 4], track: u32) -> io::Result<Option<Inside>> {
    let mut at = inside;
    for _ in 0..MOST {
        let Some(part) = find_box(file, at, kind)? else { break };
        at = (part.1, inside.1);
        let header = if kind == *b"traf" { find_box(file, part, *b"tfhd")? } else { Some(part) };
        if let Some(header) = header
            && number(file, header, 4)? == Some(track)
        {
            return Ok(Some(part));
        }
    }
    Ok(None)
}

/// When the pictures of a part begin.
fn begins(file: &File, part: Inside) -> io::Result<Option<u64>> {
    let Some(header) = find_box(file, part, *b"tfdt")? else { return Ok(None) };
    let (Some(version), Some(high)) = (number(file, header, 0)?, number(file, header, 4)?) else { return Ok(None) };
    if version >> 24 == 0 {
        return Ok(Some(u64::from(high)));
    }
    Ok(number(file, header, 8)?.map(|low| u64::from(high) << 32 | u64::from(low)))
}

/// How long its pictures are shown; `usual`: of each that does not say.
fn shown(file: &File, part: Inside, usual: u32) -> io::Result<u64> {
    let Some(header) = find_box(file, part, *b"tfhd")? else { return Ok(0) };
    let flags = number(file, header, 0)?.unwrap_or_default();
    let own = 8 + if flags & 1 != 0 { 8 } else { 0 } + if flags & 2 != 0 { 4 } else { 0 };
    let usual = if flags & 8 != 0 { number(file, header, own)?.unwrap_or(usual) } else { usual };
    let (mut ticks, mut at) = (0u64, part);
    for _ in 0..MOST {
        let Some(run) = find_box(file, at, *b"trun")? else { break };
        at = (run.1, part.1);
        let mut bytes = vec![0; usize::try_from((run.1 - run.0).min(LONGEST_RUN)).unwrap_or_default()];
        file.read_exact_at(&mut bytes, run.0)?;
        let four = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let (flags, count) = (four(0).unwrap_or_default(), four(4).unwrap_or_default());
        if flags & 0x100 == 0 {
            ticks = ticks.saturating_add(u64::from(usual) * u64::from(count));
            continue;
        }
        let before = 8 + [1, 4].iter().filter(|flag| flags & **flag != 0).count() * 4;
        let row = [0x100, 0x200, 0x400, 0x800].iter().filter(|flag| flags & **flag != 0).count() * 4;
        let rows = (0..count as usize).map_while(|n| four(before + n * row));
        ticks = rows.fold(ticks, |ticks, row| ticks.saturating_add(u64::from(row)));
    }
    Ok(ticks)
}

/// A fragment with more is none.
const LONGEST_RUN: u64 = 1 << 20;

fn number(file: &File, (at, end): Inside, offset: u64) -> io::Result<Option<u32>> {
    if end.saturating_sub(at) < offset + 4 {
        return Ok(None);
    }
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, at + offset)?;
    Ok(Some(u32::from_be_bytes(bytes)))
}

/// Tags of a Flash file that are looked at from either end.
const TAGS: usize = 2_000;
const PICTURE: u8 = 9;
const HEAD: u64 = 11;

fn tags(file: &File, length: u64) -> io::Result<Option<Duration>> {
    let mut head = [0; HEAD as usize];
    // When a tag of pictures is shown; and how long it is.
    let mut read = |at: u64| -> io::Result<(Option<u32>, u64)> {
        file.read_exact_at(&mut head, at)?;
        let [kind, a, b, c, t2, t1, t0, t3, ..] = head;
        let time = u32::from_be_bytes([t3, t2, t1, t0]);
        Ok(((kind & 0x1F == PICTURE).then_some(time), HEAD + u64::from(u32::from_be_bytes([0, a, b, c]))))
    };
    let (mut first, mut at) = (None, 13);
    for _ in 0..TAGS {
        if first.is_some() || at + HEAD > length {
            break;
        }
        let (time, long) = read(at)?;
        first = time;
        at += long + 4;
    }
    // Behind each tag is how long it was.
    let mut end = length;
    for _ in 0..TAGS {
        let Some(place) = end.checked_sub(4).filter(|place| *place >= 13 + HEAD) else { break };
        let long = number(file, (place, end), 0)?.unwrap_or_default();
        let Some(begin) = place.checked_sub(u64::from(long)).filter(|begin| *begin >= 13 && u64::from(long) >= HEAD) else {
            break;
        };
        let (time, told) = read(begin)?;
        if told != u64::from(long) {
            break;
        }
        if let (Some(first), Some(last)) = (first, time) {
            let ms = last.checked_sub(first).filter(|ms| *ms > 0);
            return Ok(ms.map(|ms| Duration::from_millis(ms.into())));
        }
        end = begin;
    }
    Ok(None)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::movie::tests::boxed;

    fn of(bytes: &[u8]) -> Option<Duration> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        spans(&file).unwrap()
    }

    fn fragment(track: u32, begin: u64, run: &[u8]) -> Vec<u8> {
        let header = boxed(b"tfhd", &[&[0, 0, 0, 8][..], &track.to_be_bytes(), &40u32.to_be_bytes()].concat());
        let begins = if begin >> 32 == 0 {
            [&[0; 4][..], &u32::try_from(begin).unwrap().to_be_bytes()].concat()
        } else {
            [&[1, 0, 0, 0][..], &begin.to_be_bytes()].concat()
        };
        let part = boxed(b"traf", &[header, boxed(b"tfdt", &begins), boxed(b"trun", run)].concat());
        [boxed(b"moof", &part), boxed(b"mdat", &[7; 9])].concat()
    }

    /// Of so many pictures: as its part says, and each by itself.
    fn run(count: u32, each: Option<u32>) -> Vec<u8> {
        let flags: u32 = if each.is_some() { 0x301 } else { 0x201 };
        let row = |_| each.map_or_else(Vec::new, |each| each.to_be_bytes().to_vec()).into_iter().chain([0, 0, 0, 9]);
        let head = [flags.to_be_bytes(), count.to_be_bytes(), [0; 4]].concat();
        head.into_iter().chain((0..count).flat_map(row)).collect()
    }

    /// A fragmented movie of ten seconds.
    pub(crate) fn ten_seconds(begin: u64) -> Vec<u8> {
        let parts = [
            fragment(1, 5, &run(1, None)),
            fragment(2, begin, &run(25, None)),
            fragment(2, begin + 9_000, &run(10, Some(100))),
            fragment(1, 99, &run(1, None)),
        ];
        [boxed(b"ftyp", b"isom\0\0\0\0"), moov(), parts.concat()].concat()
    }

    fn moov() -> Vec<u8> {
        let identity = |id: u32| boxed(b"tkhd", &[&[0; 12][..], &id.to_be_bytes(), &[0; 60]].concat());
        let track = movie::tests::track_of(b"vide", 1000, 0, &identity(2));
        let sound = movie::tests::track_of(b"soun", 44_100, 0, &identity(1));
        boxed(b"moov", &[movie::tests::header(b"mvhd", 1000, 0, false), sound, track, boxed(b"mvex", &[])].concat())
    }

    #[test]
    fn a_fragmented_movie_lasts_from_its_first_picture_to_the_end_of_its_last_wherever_its_clock_began() {
        for begin in [0, 7_200_000, 1 << 40] {
            assert_eq!(of(&ten_seconds(begin)), Some(Duration::from_secs(10)), "{begin}");
        }
        let last = [fragment(2, 0, &run(25, None)), fragment(2, 1_000, &run(25, None))].concat();
        assert_eq!(of(&[boxed(b"ftyp", b"isom\0\0\0\0"), moov(), last].concat()), Some(Duration::from_secs(2)));
        assert_eq!(of(&[boxed(b"ftyp", b"isom\0\0\0\0"), moov()].concat()), None);
    }

    pub(crate) fn tag(kind: u8, ms: u32, long: usize) -> Vec<u8> {
        let [t3, t2, t1, t0] = ms.to_be_bytes();
        let [_, a, b, c] = u32::try_from(long).unwrap().to_be_bytes();
        let behind = (u32::try_from(long).unwrap() + 11).to_be_bytes();
        [&[kind, a, b, c, t2, t1, t0, t3, 0, 0, 0][..], &vec![1; long], &behind].concat()
    }

    #[test]
    fn a_flash_file_lasts_from_its_first_tag_of_pictures_to_its_last() {
        let head = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";
        let all = [&head[..], &tag(18, 0, 40), &tag(9, 90_000_000, 9), &tag(9, 90_000_500, 9), &tag(8, 90_000_700, 5)].concat();
        assert_eq!(of(&all), Some(Duration::from_millis(500)));
        assert_eq!(of(&all[..all.len() - 3]), None, "cut");
        assert_eq!(of(&[&head[..], &tag(8, 5, 5)].concat()), None);
        assert_eq!(of(head), None);
    }
}
