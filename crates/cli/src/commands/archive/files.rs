//! Which files are meant, and which camera took each.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use types::CameraId;

use crate::failure::{Failure, Outcome};

/// Of a folder only these are taken: recorders leave indexes and notes beside their videos.
const VIDEOS: [&str; 27] = [
    "264", "265", "3gp", "asf", "avi", "dav", "flv", "h264", "h265", "hevc", "m2ts", "m2v", "m4v", "mjpeg", "mjpg", "mkv", "mov",
    "mp4", "mpeg", "mpg", "mts", "mxf", "ogv", "ts", "vob", "webm", "wmv",
];

/// Files that are meant, and what lies beside them and is not taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) files: Vec<PathBuf>,
    pub(super) skipped: Vec<Skipped>,
}

/// What is not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Skipped {
    pub(super) path: PathBuf,
    pub(super) why: &'static str,
}

const LINK: &str = "a symbolic link: name it itself if it is meant";
const ENDING: &str = "not a video's ending: name it itself if it is one";
const SPECIAL: &str = "no file";
const FOLDER: &str = "a folder that the pattern fits: name the folder itself, or put /* behind the pattern";

/// Files as they are named, those of folders and below, and what a pattern with `*`, `?` or `[` fits; in order, each once.
pub(super) fn expand(named: &[PathBuf]) -> Outcome<Found> {
    let (mut files, mut skipped) = (Vec::new(), Vec::new());
    for path in named {
        let found = match path.to_str().filter(|text| !path.exists() && text.contains(['*', '?', '['])) {
            Some(pattern) => fitting(pattern)?,
            None if path.is_dir() => videos(path)?,
            None => Found { files: vec![path.clone()], skipped: Vec::new() },
        };
        if found.files.is_empty() {
            let beside = match found.skipped.first() {
                Some(first) => format!(", and {} is left out ({})", first.path.display(), first.why),
                None => String::new(),
            };
            return Err(Failure::new("no_footage", format!("{}: no video file is there{beside}", path.display()))
                .hint("check the folder or the pattern; of folders only files with a video's ending are taken"));
        }
        files.extend(found.files);
        skipped.extend(found.skipped);
    }
    let mut seen = BTreeSet::new();
    let absolute = |e: std::io::Error| Failure::because("path", "find the file", &e).hint("give the path of a video file");
    let all: Vec<PathBuf> = files.iter().map(std::path::absolute).collect::<Result<_, _>>().map_err(absolute)?;
    let files = all.into_iter().filter(|file| seen.insert(file.clone())).collect();
    // What one name leaves out another may mean.
    skipped.retain(|skipped: &Skipped| std::path::absolute(&skipped.path).is_ok_and(|path| !seen.contains(&path)));
    Ok(Found { files, skipped })
}

fn fitting(pattern: &str) -> Outcome<Found> {
    let wrong = |e: &(dyn std::error::Error + 'static)| {
        Failure::because("pattern", "read the pattern", e).hint("for example '/archive/*/*.mp4'")
    };
    let mut all = Found::default();
    for found in glob::glob(pattern).map_err(|e| wrong(&e))? {
        let path = found.map_err(|e| wrong(&e))?;
        if path.is_file() {
            all.files.push(path);
        } else {
            let why = if path.is_dir() { FOLDER } else { SPECIAL };
            all.skipped.push(Skipped { path, why });
        }
    }
    Ok(all)
}

fn videos(folder: &Path) -> Outcome<Found> {
    let failed = |e: std::io::Error| {
        Failure::because("folder", "list the folder", &e).hint("check that you may read it and what is in it")
    };
    let (mut all, mut folders) = (Found::default(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            let why = if kind.is_dir() {
                folders.push(path);
                continue;
            } else if kind.is_symlink() {
                LINK
            } else if !kind.is_file() {
                SPECIAL
            } else if is_video(&path) {
                all.files.push(path);
                continue;
            } else {
                ENDING
            };
            all.skipped.push(Skipped { path, why });
        }
    }
    all.files.sort();
    all.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

fn is_video(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| VIDEOS.contains(&ending.as_str()))
}

/// Where in a path the camera's id stands: `/archive/{camera}/` or `{camera}_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CameraPattern {
    before: String,
    after: String,
}

const PLACE: &str = "{camera}";

impl std::str::FromStr for CameraPattern {
    type Err = crate::times::BadArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(PLACE) {
            Some((before, after)) if !after.contains(PLACE) && (!before.is_empty() || !after.is_empty()) => {
                Ok(Self { before: before.to_owned(), after: after.to_owned() })
            }
            _ => Err(crate::times::BadArgument {
                message: "the pattern does not say where the camera's id stands".into(),
                hint: "write {camera} once, with what stands before or after it: '{camera}_' or '/archive/{camera}/'".into(),
            }),
        }
    }
}

impl CameraPattern {
    /// The camera that took the file. A pattern with a slash is looked for in the whole path, any other in the name.
    pub(super) fn camera(&self, file: &Path) -> Outcome<CameraId> {
        let whole = file.to_string_lossy();
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let text = if self.before.contains('/') || self.after.contains('/') { whole.as_ref() } else { name.as_str() };
        let id = self.within(text).map(str::to_ascii_lowercase);
        let id = id.ok_or_else(|| {
            Failure::new("no_camera", format!("{whole}: the camera's pattern does not fit"))
                .hint("the pattern is looked for in the file's name, or in its whole path if it has a slash")
        })?;
        parsed(file, &id)
    }

    fn within<'a>(&self, text: &'a str) -> Option<&'a str> {
        let rest = if self.before.is_empty() { text } else { text.split_once(&self.before)?.1 };
        let id = if self.after.is_empty() { rest.split(['.', '/']).next()? } else { rest.split_once(&self.after)?.0 };
        (!id.is_empty()).then_some(id)
    }
}

/// As a recorder calls a camera: what can't stand in an id is a hyphen.
pub(super) fn camera_id(file: &Path, name: &str) -> Outcome<CameraId> {
    let mut id = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    parsed(file, id.trim_end_matches('-'))
}

fn parsed(file: &Path, id: &str) -> Outcome<CameraId> {
    CameraId::new(id).map_err(|e| {
        Failure::because("no_camera", format!("take {id:?} in {} for a camera's id", file.display()), &e)
            .hint("change the pattern, or use --camera")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_found_in_a_name_or_in_a_path() {
        let camera =
            |pattern: &str, path: &str| pattern.parse::<CameraPattern>().unwrap().camera(Path::new(path)).map(|c| c.to_string());
        assert_eq!(camera("{camera}_", "/a/quay-2_20260301.mp4").unwrap(), "quay-2");
        assert_eq!(camera("/archive/{camera}/", "/archive/Gate-1/x.mp4").unwrap(), "gate-1");
        assert_eq!(camera("cam-{camera}", "/a/cam-7.mp4").unwrap(), "7");
        assert!(camera("{camera}_", "/a_b/quay.mp4").is_err(), "the folder is not the name");
        assert!("camera".parse::<CameraPattern>().is_err() && "{camera}".parse::<CameraPattern>().is_err());
    }

    #[test]
    fn folders_and_patterns_name_the_videos_in_them_once_and_in_order_and_what_they_leave_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("deep")).unwrap();
        for name in ["b.MP4", "a.mkv", "notes.txt", "deep/c.avi", "deep/d.mjpeg"] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
        }
        std::os::unix::fs::symlink("a.mkv", dir.path().join("link.mkv")).unwrap();
        std::os::unix::fs::symlink("deep", dir.path().join("tree")).unwrap();
        let name = |path: &Path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned();
        let names = |found: &Found| found.files.iter().map(|p| name(p)).collect::<Vec<_>>();
        let left = |found: &Found| found.skipped.iter().map(|s| (name(&s.path), s.why)).collect::<Vec<_>>();
        let all = expand(&[dir.path().into(), dir.path().join("a.mkv")]).unwrap();
        assert_eq!(names(&all), ["a.mkv", "b.MP4", "deep/c.avi", "deep/d.mjpeg"]);
        let want = [("link.mkv", LINK), ("notes.txt", ENDING), ("tree", LINK)].map(|(name, why)| (name.to_owned(), why));
        assert_eq!(left(&all), want);
        let named = expand(&[dir.path().into(), dir.path().join("link.mkv")]).unwrap();
        assert_eq!((names(&named).len(), left(&named)), (5, want[1..].to_vec()));
        let fits = expand(&[dir.path().join("*.m*")]).unwrap();
        assert_eq!((names(&fits), left(&fits)), (vec!["a.mkv".to_owned(), "link.mkv".to_owned()], vec![]));
        let fits = expand(&[dir.path().join("[ad]*")]).unwrap();
        assert_eq!((names(&fits), left(&fits)), (vec!["a.mkv".to_owned()], vec![("deep".to_owned(), FOLDER)]));
        assert!(expand(&[dir.path().join("*.mov")]).is_err());
        // What is not there, the server says.
        assert_eq!(names(&expand(&[dir.path().join("none.mp4")]).unwrap()), ["none.mp4"]);
    }
}
