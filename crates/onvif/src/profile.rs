//! A device's streams, as it tells them.

/// How the pictures of a stream are packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codec {
    /// Decoded here.
    H264,
    /// Decoded here; only Media2 names it.
    H265,
    /// Decoded here.
    Jpeg,
    /// Not decoded here; as the device names it.
    Other(String),
    /// The profile has no video encoder.
    None,
}

impl Codec {
    pub(crate) fn named(name: &str) -> Self {
        match name.to_ascii_uppercase().trim_start_matches("VIDEO/").replace(['.', '-'], "").as_str() {
            "H264" => Self::H264,
            "H265" | "HEVC" => Self::H265,
            "JPEG" | "MJPEG" => Self::Jpeg,
            "" => Self::None,
            _ => Self::Other(name.chars().filter(|c| !c.is_control()).take(40).collect()),
        }
    }

    /// Whether this program can decode it.
    pub const fn is_decoded(&self) -> bool {
        matches!(self, Self::H264 | Self::H265 | Self::Jpeg)
    }

    /// For people.
    pub fn as_str(&self) -> &str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Jpeg => "JPEG",
            Self::Other(name) => name,
            Self::None => "none",
        }
    }
}

/// One of a device's streams.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// What the device calls it in calls.
    pub token: String,
    /// What people called it.
    pub name: String,
    /// Which picture it is of: a device of several cameras has several.
    pub source: Option<String>,
    /// Of its video encoder.
    pub codec: Codec,
    /// Width and height in pixels; `None`: it does not say.
    pub size: Option<(u32, u32)>,
    /// Frames a second, at most; `None`: it does not say.
    pub fps: Option<f64>,
}

impl Profile {
    pub(crate) fn longer_side(&self) -> u32 {
        self.size.map_or(0, |(width, height)| width.max(height))
    }

    pub(crate) fn pixels(&self) -> u64 {
        self.size.map_or(0, |(width, height)| u64::from(width) * u64::from(height))
    }
}
