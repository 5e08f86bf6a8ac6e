use std::time::Duration;

use types::Size;

/// What a file holds. One picture was decoded to learn it, so a file that passes can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct FootageInfo {
    /// As the container announces it; `None` for bare video streams, which announce none.
    pub duration: Option<Duration>,
    /// Of the upright picture.
    pub size: Size,
    /// Frames a second as announced; `None` if variable or unknown.
    pub frame_rate: Option<f64>,
    /// Whether it is whole and reading can begin inside it: [`crate::FrameReader::open_file_from`].
    pub seekable: bool,
    /// For people, such as "H.264 (Main Profile)".
    pub codec: String,
    /// For people, such as "MP4" or "bare video stream".
    pub container: String,
    /// Nothing in it says when a picture is shown: [`crate::Sampling::stated_fps`] has to.
    pub clockless: bool,
    /// Streams of pictures in it that are not looked at, for people.
    pub left_out: Vec<String>,
}

/// Streams of one file that are named.
pub(crate) const MOST_LEFT_OUT: usize = 16;
