use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use clap::Args;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use proto::v1;
use types::{CameraId, CaptureTime, Carried, CaseId, Class, Colour, DescriptionQuery, SightingId, Stature, TimeWindow};

use super::case;
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
    /// More like this sighting, which the same case must cover
    #[arg(long, value_name = "SIGHTING")]
    like: Option<SightingId>,
    /// More like the one in this picture (JPEG or PNG); faces are erased before anything is made of it, and it is not kept
    #[arg(long, value_name = "FILE", conflicts_with = "like")]
    like_picture: Option<PathBuf>,
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

impl Query {
    /// Whether it says nothing of what to look for.
    pub(crate) fn is_nothing(&self) -> bool {
        self.like.is_none() && self.like_picture.is_none() && self.description() == DescriptionQuery::default()
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
        Ok(v1::SearchRequest {
            case_id: case.to_string(),
            description: asked.then(|| (&description).into()),
            like_sighting_id: self.like.map_or_else(String::new, |id| id.to_string()),
            window: self.window(client, case).await?,
            camera_ids: self.cameras.iter().map(ToString::to_string).collect(),
            limit: self.limit,
            include_crops: false,
            like_picture: self.like_picture.as_deref().map_or_else(|| Ok(Vec::new()), picture)?,
        })
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

/// As it is, or smaller where the server would not take it.
fn picture(path: &Path) -> Outcome<Vec<u8>> {
    let failed = |e: &(dyn std::error::Error + 'static)| {
        Failure::because("bad_picture", format!("read {}", path.display()), e).hint("name a JPEG or PNG file")
    };
    let bytes = fs::read(path).map_err(|e| failed(&e))?;
    if bytes.len() <= MOST_PICTURE {
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
    let mut small = Cursor::new(Vec::new());
    picture.thumbnail(SIDE, SIDE).into_rgb8().write_to(&mut small, ImageFormat::Jpeg).map_err(|e| failed(&e))?;
    Ok(small.into_inner())
}
