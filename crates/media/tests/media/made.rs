//! What real footage does not show: made on the spot.

use media::{MediaError, Sampling, probe};

use crate::support::{footage, make, read};

const H264: &str = "x264enc speed-preset=ultrafast key-int-max=10 ! h264parse";

fn source(frames: u32, caps: &str) -> String {
    format!("videotestsrc num-buffers={frames} ! video/x-raw,{caps},framerate=10/1")
}

#[test]
fn a_rotated_mp4_comes_out_upright() {
    let dir = tempfile::tempdir().unwrap();
    let path =
        make(dir.path(), "rotated.mp4", &format!("{} ! {H264} ! mp4mux ! {{}}", source(20, "format=I420,width=320,height=180")));
    // The muxer writes no rotation: the matrix of the track (the second; the first is the movie's) is turned by hand.
    let matrix = |words: [u32; 9]| words.into_iter().flat_map(u32::to_be_bytes).collect::<Vec<u8>>();
    let upright = matrix([0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);
    let turned = matrix([0, 0x1_0000, 0, 0xFFFF_0000, 0, 0, 0, 0, 0x4000_0000]);
    let mut bytes = std::fs::read(&path).unwrap();
    let track = bytes.windows(36).enumerate().filter(|(_, w)| *w == upright).nth(1).unwrap().0;
    bytes[track..track + 36].copy_from_slice(&turned);
    std::fs::write(&path, bytes).unwrap();
    let got = read(&path, Sampling::default());
    got.end.clone().unwrap();
    assert_eq!((got.size(), got.frames.len()), ((180, 320), 10));
    let info = probe(&path).unwrap();
    assert_eq!((info.size.width, info.size.height), (180, 320));
}

#[test]
fn ten_bits_odd_sizes_grey_and_half_chroma_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        ("ten.mp4", "format=I420_10LE,width=320,height=240", format!("{H264} ! mp4mux"), (320, 240)),
        ("odd.avi", "format=I420,width=321,height=241", "jpegenc ! avimux".into(), (321, 241)),
        ("grey.avi", "format=GRAY8,width=160,height=121", "jpegenc ! avimux".into(), (160, 121)),
        ("422.avi", "format=Y42B,width=320,height=240", "jpegenc ! avimux".into(), (320, 240)),
        ("raw.avi", "format=YUY2,width=320,height=240", "avimux".into(), (320, 240)),
        ("odd.webm", "format=I420,width=321,height=241", "vp9enc cpu-used=8 deadline=1 ! webmmux".into(), (321, 241)),
    ];
    for (name, caps, encode, size) in cases {
        let path = make(dir.path(), name, &format!("{} ! {encode} ! {{}}", source(20, caps)));
        let got = read(&path, Sampling::default());
        assert_eq!(got.end, Ok(()), "{name}");
        assert_eq!((got.size(), got.frames.len()), (size, 10), "{name}");
    }
}

#[test]
fn interlaced_footage_comes_out_as_whole_frames() {
    let dir = tempfile::tempdir().unwrap();
    let pipeline = "videotestsrc num-buffers=50 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! interlace field-pattern=1:1 \
         ! x264enc interlaced=true speed-preset=ultrafast ! h264parse ! mp4mux ! {}";
    let path = make(dir.path(), "interlaced.mp4", pipeline);
    let got = read(&path, Sampling::default());
    assert_eq!(got.end, Ok(()));
    assert_eq!(got.size(), (320, 240));
    assert!((5..=10).contains(&got.frames.len()), "{:?}", got.seconds());
}

#[test]
fn a_stream_that_changes_its_size_says_so_frame_by_frame() {
    let dir = tempfile::tempdir().unwrap();
    let part = |name, width, height| {
        let caps = format!("format=I420,width={width},height={height}");
        let pipeline = format!("{} ! {H264} ! video/x-h264,stream-format=byte-stream ! {{}}", source(20, &caps));
        std::fs::read(make(dir.path(), name, &pipeline)).unwrap()
    };
    let path = dir.path().join("both.h264");
    std::fs::write(&path, [part("a.h264", 320, 240), part("b.h264", 160, 120)].concat()).unwrap();
    let got = read(&path, Sampling::all());
    assert_eq!(got.end, Ok(()));
    let sizes: Vec<_> = got.frames.iter().map(|f| f.size().width).collect();
    assert_eq!(sizes, [vec![320; 20], vec![160; 20]].concat());
    assert!(got.seconds().windows(2).all(|w| w[0] < w[1]), "{:?}", got.seconds());
}

#[test]
fn a_program_stream_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let pipeline =
        format!("{} ! mpeg2enc ! mpegpsmux ! {{}}", source(50, "format=I420,width=320,height=240").replace("10/1", "25/1"));
    let path = make(dir.path(), "a.mpg", &pipeline);
    let got = read(&path, Sampling::default());
    assert_eq!(got.end, Ok(()));
    assert_eq!((got.stats.decoded, got.frames.len()), (50, 10), "{:?}", got.seconds());
}

#[test]
fn sound_without_a_picture_is_called_that() {
    let dir = tempfile::tempdir().unwrap();
    for (name, encode) in
        [("a.mp4", "avenc_aac ! mp4mux"), ("a.wav", "wavenc"), ("a.mp3", "avenc_mp2 ! mpegaudioparse"), ("a.avi", "avimux")]
    {
        let path = make(dir.path(), name, &format!("audiotestsrc num-buffers=100 ! audioconvert ! {encode} ! {{}}"));
        let end = read(&path, Sampling::default()).end;
        assert!(matches!(&end, Err(MediaError::NoVideo { input }) if input.ends_with(name)), "{name}: {end:?}");
        assert!(matches!(probe(&path), Err(MediaError::NoVideo { .. })));
    }
}

#[test]
fn a_picture_beside_its_sound_is_read() {
    let Some(path) = footage("misc_mit/test_video.mp4") else { return };
    let got = read(&path, Sampling::default());
    assert_eq!((got.end.clone(), got.stats.decoded), (Ok(()), 38));
}

#[test]
fn a_file_with_a_misleading_name_is_read_for_what_it_is() {
    let Some(path) = footage("intel_ccby/people-detection.mp4") else { return };
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("holiday.txt");
    std::fs::copy(path, &copy).unwrap();
    assert_eq!(read(&copy, Sampling::all()).stats.decoded, 23);
}
