//! Reads footage to its end and prints what came: `read FILE [FPS|all|keys|probe]`. For measuring against `gst-launch-1.0`.

use std::{path::Path, time::Duration};

use media::{FrameReader, Sampling};
use types::{CaptureTime, ClockUncertainty, TimeSource, TimeStamp};

#[expect(clippy::print_stdout, reason = "an example talks")]
fn main() -> Result<(), media::MediaError> {
    media::become_decoder_if_asked();
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_default();
    let sampling = match arguments.next().as_deref() {
        None | Some("all") => Sampling::all(),
        Some("probe") => {
            println!("{:#?}", media::probe(Path::new(&path))?);
            return Ok(());
        }
        Some("keys") => Sampling { keyframes_only: true, ..Sampling::all() },
        Some(fps) => Sampling { fps: fps.parse().unwrap_or(5.0), ..Sampling::default() },
    };
    let start = TimeStamp { time: CaptureTime::now(), uncertainty: ClockUncertainty::default(), source: TimeSource::Given };
    let mut reader = FrameReader::open_file(Path::new(&path), sampling, start)?;
    let mut last = None;
    let end = loop {
        match reader.next(Duration::from_secs(30)) {
            Ok(Some(frame)) => last = Some(frame),
            Ok(None) => break "end".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    println!("{last:?}\n{:?}\n{end}", reader.stats());
    Ok(())
}
