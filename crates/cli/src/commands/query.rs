use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use proto::v1::{self, example::What};
use types::{CameraId, CaptureTime, Carried, CaseId, Class, Colour, DescriptionQuery, SightingId, Stature, TimeWindow};

use super::{case, mark};
use crate::{
    client::Client,
    failure::{Failure, Outcome},
    times::parse_time,
    words,
};

/// What a request of the usual `server.max_request_bytes` has room for.
const MOST_PICTURE: usize = 900 << 10;
/// The server looks at no larger picture.
const SIDE: u32 = 1_280;
/// Smaller ones show too little.
const LEAST_SIDE: u32 = 320;

/// What to look for, where and when.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// What to look for [default: every class of the case]
    #[arg(long, value_parser = words::class())]
    class: Option<Class>,
    /// Colour of what is worn above the waist
    #[arg(long, value_name = "COLOUR", value_parser = words::colour())]
    upper: Option<Colour>,
    /// Colour of what is worn below the waist
    #[arg(long, value_name = "COLOUR", value_parser = words::colour())]
    lower: Option<Colour>,
    /// A thing that is carried; repeat for more
    #[arg(long, value_name = "THING", value_parser = words::carried())]
    carrying: Vec<Carried>,
    /// Colour of a vehicle
    #[arg(long, value_name = "COLOUR", value_parser = words::colour())]
    vehicle_colour: Option<Colour>,
    /// Height relative to the others in the scene; in missing-person cases alone
    #[arg(long, value_parser = words::stature())]
    stature: Option<Stature>,
    /// More like this sighting, which was handed out under the same case; repeat for more
    #[arg(long, value_name = "SIGHTING")]
    like: Vec<SightingId>,
    /// Not like this sighting; repeat for more. Counts where there is something to be like, too
    #[arg(long, value_name = "SIGHTING")]
    unlike: Vec<SightingId>,
    /// More like the one in this picture (JPEG or PNG); faces are erased before anything is made of it, and it is not kept
    #[arg(long, value_name = "FILE")]
    like_picture: Vec<PathBuf>,
    /// Not like the one in this picture
    #[arg(long, value_name = "FILE")]
    unlike_picture: Vec<PathBuf>,
    /// More like what was marked yes under the case, and not like what was marked no; the newest of each
    #[arg(long)]
    by_marks: bool,
    /// Only sightings that have no colour to compare, as by night or in infrared
    #[arg(long, conflicts_with_all = ["upper", "lower", "vehicle_colour"])]
    without_colour: bool,
    /// Mark what can be reached from this sighting in the time between
    #[arg(long, value_name = "SIGHTING")]
    reach_from: Option<SightingId>,
    /// How
    #[arg(long, value_enum, default_value_t = Travel::Foot, requires = "reach_from")]
    by: Travel,
    /// Leave out what can't be reached; what is not known stays in
    #[arg(long, requires = "reach_from")]
    only_reachable: bool,
    /// Not before, RFC 3339 with zone [default: as early as the case covers]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<CaptureTime>,
    /// Before this time [default: as late as the case covers]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<CaptureTime>,
    /// Only this camera; repeat for more [default: every camera of the case]
    #[arg(long = "camera", value_name = "CAMERA")]
    cameras: Vec<CameraId>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// How somebody may have gone from one place to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Travel {
    Foot,
    Vehicle,
}

impl From<Travel> for v1::Travel {
    fn from(by: Travel) -> Self {
        match by {
            Travel::Foot => Self::Foot,
            Travel::Vehicle => Self::Vehicle,
        }
    }
}

/// As many examples as a search may have.
const MOST_LIKE: usize = 20;
const MOST_UNLIKE: usize = 100;

impl Query {
    /// Whether it says nothing of what to look for.
    pub(crate) fn is_nothing(&self) -> bool {
        let no_example = self.like.is_empty() && self.like_picture.is_empty() && !self.by_marks;
        no_example && !self.without_colour && self.description() == DescriptionQuery::default()
    }

    fn description(&self) -> DescriptionQuery {
        DescriptionQuery {
            class: self.class,
            upper: self.upper,
            lower: self.lower,
            carrying: self.carrying.clone(),
            vehicle_colour: self.vehicle_colour,
            stature: self.stature,
        }
    }

    pub(crate) async fn request(&self, client: &Client, case: &CaseId) -> Outcome<v1::SearchRequest> {
        let description = self.description();
        let asked = description != DescriptionQuery::default();
        let (mut like, mut unlike) = self.examples()?;
        if self.by_marks {
            let marked = marked(client, case).await?;
            if marked.0.is_empty() && self.is_words_only(&like) {
                let hint = "mark what you found: `sightline mark set --case CASE --yes SIGHTING`";
                return Err(Failure::usage("nothing is marked yes under the case").hint(hint));
            }
            add(&mut like, marked.0, MOST_LIKE);
            add(&mut unlike, marked.1, MOST_UNLIKE);
        }
        // The one sighting that earlier servers know as well.
        let like_sighting_id = match (like.as_slice(), unlike.as_slice()) {
            ([v1::Example { what: Some(What::SightingId(one)) }], []) => one.clone(),
            _ => String::new(),
        };
        if !like_sighting_id.is_empty() {
            like.clear();
        }
        Ok(v1::SearchRequest {
            case_id: case.to_string(),
            description: asked.then(|| (&description).into()),
            like_sighting_id,
            window: self.window(client, case).await?,
            camera_ids: self.cameras.iter().map(ToString::to_string).collect(),
            limit: self.limit,
            include_crops: false,
            like_picture: Vec::new(),
            like,
            unlike,
            without_colour: self.without_colour,
            page_token: String::new(),
            reach: self.reach_from.map(|from| v1::ReachQuery {
                from_sighting_id: from.to_string(),
                by: v1::Travel::from(self.by).into(),
                only: self.only_reachable,
            }),
        })
    }

    /// Whether nothing but marks could be an example, and no words are asked either.
    fn is_words_only(&self, like: &[v1::Example]) -> bool {
        like.is_empty() && !self.without_colour && self.description() == DescriptionQuery::default()
    }

    /// Those that are named, and those that are not to be like.
    fn examples(&self) -> Outcome<(Vec<v1::Example>, Vec<v1::Example>)> {
        let pictures = self.like_picture.len() + self.unlike_picture.len();
        let most = MOST_PICTURE / pictures.max(1);
        let these = |ids: &[SightingId], files: &[PathBuf]| -> Outcome<Vec<v1::Example>> {
            let sightings = ids.iter().map(|id| Ok(What::SightingId(id.to_string())));
            let pictures = files.iter().map(|file| picture(file, most).map(What::Picture));
            sightings.chain(pictures).map(|what| Ok(v1::Example { what: Some(what?) })).collect()
        };
        Ok((these(&self.like, &self.like_picture)?, these(&self.unlike, &self.unlike_picture)?))
    }

    /// The side that is not given is the case's own.
    async fn window(&self, client: &Client, case: &CaseId) -> Outcome<Option<v1::TimeWindow>> {
        let (from, to) = match (self.from, self.to) {
            (None, None) => return Ok(None),
            (Some(from), Some(to)) => (from, to),
            (from, to) => {
                let case = case::fetch(&mut client.cases(), case).await?;
                let window = case.scope.and_then(|s| s.window).unwrap_or_default();
                let end = |time| proto::capture_time("window", time).map_err(|e| Failure::new("bad_message", e.to_string()));
                (from.map_or_else(|| end(window.from), Ok)?, to.map_or_else(|| end(window.to), Ok)?)
            }
        };
        let window = TimeWindow::new(from, to).map_err(|e| Failure::usage(e.to_string()).hint("--from must lie before --to"))?;
        Ok(Some(window.into()))
    }
}

/// What was marked yes, and what was marked no; the newest first.
async fn marked(client: &Client, case: &CaseId) -> Outcome<(Vec<String>, Vec<String>)> {
    let marks = mark::list(client, case, v1::Verdict::Unspecified, false, 0).await?.rows;
    let of = |verdict: v1::Verdict| {
        let those = marks.iter().filter(|mark| mark.verdict() == verdict);
        those.map(|mark| mark.sighting_id.clone()).collect()
    };
    Ok((of(v1::Verdict::Yes), of(v1::Verdict::No)))
}

/// As far as there is room.
fn add(examples: &mut Vec<v1::Example>, ids: Vec<String>, most: usize) {
    for id in ids {
        let example = v1::Example { what: Some(What::SightingId(id)) };
        if examples.len() < most && !examples.contains(&example) {
            examples.push(example);
        }
    }
}

/// As it is, or smaller where the server would not take it.
fn picture(path: &Path, most: usize) -> Outcome<Vec<u8>> {
    let failed = |e: &(dyn std::error::Error + 'static)| {
        Failure::because("bad_picture", format!("read {}", path.display()), e).hint("name a JPEG or PNG file")
    };
    let bytes = fs::read(path).map_err(|e| failed(&e))?;
    if bytes.len() <= most {
        return Ok(bytes);
    }
    let mut decoder = ImageReader::new(Cursor::new(&bytes))
        .with_guessed_format()
        .map_err(|e| failed(&e))?
        .into_decoder()
        .map_err(|e| failed(&e))?;
    let orientation = decoder.orientation().map_err(|e| failed(&e))?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| failed(&e))?;
    picture.apply_orientation(orientation);
    let mut side = SIDE;
    loop {
        let mut small = Cursor::new(Vec::new());
        picture.thumbnail(side, side).into_rgb8().write_to(&mut small, ImageFormat::Jpeg).map_err(|e| failed(&e))?;
        let small = small.into_inner();
        if small.len() <= most || side <= LEAST_SIDE {
            return Ok(small);
        }
        side = side * 3 / 4;
    }
}
