//! Which of a camera's profiles is watched.

use crate::profile::{Codec, Profile};

/// What is watched, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The token of the profile.
    pub token: String,
    /// For people.
    pub why: String,
}

/// Why none is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoChoice {
    /// No profile has video.
    #[error("the device has no profile with a video stream")]
    None,
    /// Every profile has a codec that is not decoded here.
    #[error("none of its profiles has a codec that is decoded here (H.264, H.265, JPEG); set one in the camera")]
    Codec,
    /// The tokens of its video sources, with commas between.
    #[error("it has several pictures, of sources {0}; it may be an encoder or a recorder: say which with --profile")]
    Several(String),
    /// The token that was asked for, and those there are.
    #[error("it has no profile {0:?}; it has {1}")]
    NoSuch(String, String),
}

/// Enough to find a figure by.
const ENOUGH: u32 = 640;
const RATE: f64 = 5.0;

/// The smallest that is large and fast enough, of those that can be decoded; the largest where none is.
///
/// # Errors
/// [`NoChoice`], which says what to do.
pub fn choose(profiles: &[Profile], wanted: Option<&str>) -> Result<Choice, NoChoice> {
    if let Some(wanted) = wanted {
        let names = || profiles.iter().map(|p| p.token.clone()).collect::<Vec<_>>().join(", ");
        let found = profiles.iter().find(|p| p.token == wanted).or_else(|| profiles.iter().find(|p| p.name == wanted));
        let found = found.ok_or_else(|| NoChoice::NoSuch(wanted.to_owned(), names()))?;
        return Ok(Choice { token: found.token.clone(), why: "it was asked for".into() });
    }
    let with_video: Vec<_> = profiles.iter().filter(|p| p.codec != Codec::None).collect();
    if with_video.is_empty() {
        return Err(NoChoice::None);
    }
    let able: Vec<_> = with_video.into_iter().filter(|p| p.codec.is_decoded()).collect();
    let mut sources: Vec<_> = able.iter().filter_map(|p| p.source.as_deref()).collect();
    sources.sort_unstable();
    sources.dedup();
    if sources.len() > 1 {
        return Err(NoChoice::Several(sources.join(", ")));
    }
    // Of two that are alike the first.
    let enough = able.iter().filter(|p| p.longer_side() >= ENOUGH && p.fps.is_none_or(|fps| fps >= RATE));
    let smallest = enough.min_by_key(|p| p.pixels());
    let (chosen, why) = match smallest {
        Some(p) if able.len() == 1 => (p, "it is the only one that is decoded here".to_owned()),
        Some(p) => (
            p,
            format!("the smallest with at least {ENOUGH} pixels and {RATE} pictures a second: enough, and cheapest to decode"),
        ),
        None => {
            let largest = able.iter().enumerate().max_by_key(|(n, p)| (p.pixels(), usize::MAX - n)).map(|(_, p)| p);
            let largest = largest.ok_or(NoChoice::Codec)?;
            let what = if largest.pixels() == 0 {
                "no profile says its size: the first"
            } else {
                "none has 640 pixels and 5 pictures a second: the largest"
            };
            (largest, what.to_owned())
        }
    };
    Ok(Choice { token: chosen.token.clone(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(token: &str, source: &str, codec: Codec, size: (u32, u32), fps: f64) -> Profile {
        let size = (size.0 > 0).then_some(size);
        Profile { token: token.into(), name: token.to_uppercase(), source: Some(source.into()), codec, size, fps: Some(fps) }
    }

    #[test]
    fn the_smallest_that_is_enough_is_taken_and_the_reason_is_told() {
        use Codec::{H264, H265, Jpeg};
        let main = profile("main", "v", H265, (3840, 2160), 25.0);
        let sub = profile("sub", "v", H264, (704, 576), 15.0);
        let tiny = profile("tiny", "v", H264, (352, 288), 15.0);
        let slow = profile("slow", "v", Jpeg, (640, 480), 1.0);
        let odd = profile("odd", "v", Codec::Other("MPEG4".into()), (640, 480), 25.0);
        let all = [main.clone(), sub, tiny.clone(), slow, odd.clone()];
        assert_eq!(choose(&all, None).unwrap().token, "sub");
        assert!(choose(&all, None).unwrap().why.contains("smallest"));
        assert_eq!(choose(&[main.clone(), tiny.clone()], None).unwrap().token, "main");
        let only = choose(&[tiny, profile("less", "v", H264, (160, 120), 25.0)], None).unwrap();
        assert_eq!(only.token, "tiny");
        assert!(only.why.contains("the largest"), "{}", only.why);
        assert_eq!(choose(&all, Some("main")).unwrap().token, "main");
        assert_eq!(choose(&all, Some("MAIN")).unwrap().token, "main");
        assert!(matches!(choose(&all, Some("none")), Err(NoChoice::NoSuch(..))));
        assert_eq!(choose(&[odd], None), Err(NoChoice::Codec));
        assert_eq!(choose(&[], None), Err(NoChoice::None));
        let other = profile("door", "w", H264, (704, 576), 15.0);
        assert_eq!(choose(&[main, other], None), Err(NoChoice::Several("v, w".into())));
    }
}
