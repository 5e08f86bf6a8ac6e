use types::{
    AgencyId, CameraId, Carried, Class, Colour, Described, Description, DescriptionQuery, FootageDigest, Rect, Sighting,
    SightingId, SightingOrigin, Size, Stature, TimeWindow, VehicleKind,
};

use crate::{
    BadMessage, capture_time, timestamp, v1,
    vocabulary::{optional, required},
};

impl From<TimeWindow> for v1::TimeWindow {
    fn from(w: TimeWindow) -> Self {
        Self { from: Some(timestamp(w.from())), to: Some(timestamp(w.to())) }
    }
}

impl TryFrom<v1::TimeWindow> for TimeWindow {
    type Error = BadMessage;
    fn try_from(w: v1::TimeWindow) -> Result<Self, BadMessage> {
        Ok(Self::new(capture_time("window.from", w.from)?, capture_time("window.to", w.to)?)?)
    }
}

/// A window that must be there.
///
/// # Errors
/// [`BadMessage::Missing`], [`BadMessage::Time`], and [`BadMessage::Window`] where it ends before it begins.
pub fn window(w: Option<v1::TimeWindow>) -> Result<TimeWindow, BadMessage> {
    w.ok_or(BadMessage::Missing { field: "window" })?.try_into()
}

/// The id of a sighting, as [`SightingId`] writes it.
///
/// # Errors
/// [`BadMessage::Id`] for any other text.
pub fn sighting_id(text: &str) -> Result<SightingId, BadMessage> {
    Ok(text.parse()?)
}

/// The digest of footage, as [`FootageDigest`] writes it.
///
/// # Errors
/// [`BadMessage::Id`] for any other text.
pub fn footage_digest(text: &str) -> Result<FootageDigest, BadMessage> {
    Ok(text.parse()?)
}

impl From<Rect> for v1::Box {
    fn from(r: Rect) -> Self {
        Self { x: r.x, y: r.y, width: r.width, height: r.height }
    }
}

impl TryFrom<v1::Box> for Rect {
    type Error = BadMessage;
    fn try_from(b: v1::Box) -> Result<Self, BadMessage> {
        let finite = [b.x, b.y, b.width, b.height].iter().all(|v| v.is_finite());
        let fits = finite && b.width >= 0.0 && b.height >= 0.0;
        if fits { Ok(Self::new(b.x, b.y, b.width, b.height)) } else { Err(BadMessage::Number { field: "box" }) }
    }
}

macro_rules! described {
    ($message:ident, $word:ident) => {
        impl From<Described<$word>> for v1::$message {
            fn from(d: Described<$word>) -> Self {
                Self { word: v1::$word::from(d.word).into(), confidence: d.confidence }
            }
        }

        impl TryFrom<v1::$message> for Described<$word> {
            type Error = BadMessage;
            fn try_from(d: v1::$message) -> Result<Self, BadMessage> {
                Ok(Self::new(required("word", d.word)?, share("confidence", d.confidence)?))
            }
        }
    };
}

described!(DescribedColour, Colour);
described!(DescribedCarried, Carried);
described!(DescribedVehicle, VehicleKind);
described!(DescribedStature, Stature);

fn share(field: &'static str, value: f32) -> Result<f32, BadMessage> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(BadMessage::Number { field }) }
}

impl From<&Description> for v1::Description {
    fn from(d: &Description) -> Self {
        Self {
            upper: d.upper.map(Into::into),
            lower: d.lower.map(Into::into),
            carrying: d.carrying.iter().copied().map(Into::into).collect(),
            vehicle: d.vehicle.map(Into::into),
            vehicle_colour: d.vehicle_colour.map(Into::into),
            stature: d.stature.map(Into::into),
        }
    }
}

impl TryFrom<v1::Description> for Description {
    type Error = BadMessage;
    fn try_from(d: v1::Description) -> Result<Self, BadMessage> {
        Ok(Self {
            upper: d.upper.map(TryInto::try_into).transpose()?,
            lower: d.lower.map(TryInto::try_into).transpose()?,
            carrying: d.carrying.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            vehicle: d.vehicle.map(TryInto::try_into).transpose()?,
            vehicle_colour: d.vehicle_colour.map(TryInto::try_into).transpose()?,
            stature: d.stature.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<&DescriptionQuery> for v1::DescriptionQuery {
    fn from(q: &DescriptionQuery) -> Self {
        let colour = |c: Option<Colour>| c.map_or(v1::Colour::Unspecified, Into::into).into();
        Self {
            class: q.class.map_or(v1::Class::Unspecified, Into::into).into(),
            upper: colour(q.upper),
            lower: colour(q.lower),
            carrying: q.carrying.iter().map(|c| v1::Carried::from(*c).into()).collect(),
            vehicle_colour: colour(q.vehicle_colour),
            stature: q.stature.map_or(v1::Stature::Unspecified, Into::into).into(),
        }
    }
}

impl TryFrom<v1::DescriptionQuery> for DescriptionQuery {
    type Error = BadMessage;
    fn try_from(q: v1::DescriptionQuery) -> Result<Self, BadMessage> {
        Ok(Self {
            class: optional::<Class>("description.class", q.class)?,
            upper: optional("description.upper", q.upper)?,
            lower: optional("description.lower", q.lower)?,
            carrying: q.carrying.into_iter().map(|c| required("description.carrying", c)).collect::<Result<_, _>>()?,
            vehicle_colour: optional("description.vehicle_colour", q.vehicle_colour)?,
            stature: optional("description.stature", q.stature)?,
        })
    }
}

impl From<&Sighting> for v1::Sighting {
    fn from(s: &Sighting) -> Self {
        Self {
            id: s.id.to_string(),
            camera_id: s.camera.to_string(),
            agency_id: s.agency.to_string(),
            class: v1::Class::from(s.class).into(),
            first: Some(s.first.into()),
            last: Some(s.last.into()),
            best: Some(timestamp(s.best)),
            r#box: Some(s.bbox.into()),
            frame: Some(v1::FrameSize { width: s.frame.width, height: s.frame.height }),
            score: s.score,
            detections: s.detections,
            description: Some((&s.description).into()),
            footage_sha256: match s.origin {
                SightingOrigin::Live => String::new(),
                SightingOrigin::Footage(digest) => digest.to_string(),
            },
        }
    }
}

impl TryFrom<v1::Sighting> for Sighting {
    type Error = BadMessage;
    fn try_from(s: v1::Sighting) -> Result<Self, BadMessage> {
        let missing = |field| BadMessage::Missing { field };
        let frame = s.frame.ok_or(missing("frame"))?;
        Ok(Self {
            id: sighting_id(&s.id)?,
            camera: CameraId::new(&s.camera_id)?,
            agency: AgencyId::new(&s.agency_id)?,
            class: required("class", s.class)?,
            first: s.first.ok_or(missing("first"))?.try_into()?,
            last: s.last.ok_or(missing("last"))?.try_into()?,
            best: capture_time("best", s.best)?,
            bbox: s.r#box.ok_or(missing("box"))?.try_into()?,
            frame: Size { width: frame.width, height: frame.height },
            score: share("score", s.score)?,
            detections: s.detections,
            description: s.description.unwrap_or_default().try_into()?,
            origin: match s.footage_sha256.as_str() {
                "" => SightingOrigin::Live,
                digest => SightingOrigin::Footage(footage_digest(digest)?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use types::{CaptureTime, ClockUncertainty, TimeSource, TimeStamp};

    use super::*;

    fn sighting() -> Sighting {
        let camera = CameraId::new("gate").unwrap();
        let at = |us| TimeStamp {
            time: CaptureTime::from_micros(us).unwrap(),
            uncertainty: ClockUncertainty(std::time::Duration::from_millis(250)),
            source: TimeSource::Given,
        };
        Sighting {
            id: SightingId::derive(&camera, b"x", 1),
            camera,
            agency: AgencyId::new("transit").unwrap(),
            class: Class::Person,
            first: at(1_000_001),
            last: at(2_000_000),
            best: CaptureTime::from_micros(1_500_000).unwrap(),
            bbox: Rect::new(1.0, 2.0, 3.0, 4.0),
            frame: Size { width: 640, height: 480 },
            score: 0.5,
            detections: 7,
            description: Description {
                upper: Some(Described::new(Colour::White, 0.9)),
                carrying: vec![Described::new(Carried::Backpack, 0.4)],
                stature: Some(Described::new(Stature::Small, 0.2)),
                ..Description::default()
            },
            origin: SightingOrigin::Footage(FootageDigest([7; 32])),
        }
    }

    #[test]
    fn a_sighting_survives_the_wire() {
        let s = sighting();
        assert_eq!(Sighting::try_from(v1::Sighting::from(&s)), Ok(s));
    }

    #[test]
    fn a_sighting_with_anything_broken_is_refused_and_the_field_named() {
        let broken = |f: &dyn Fn(&mut v1::Sighting)| {
            let mut s = v1::Sighting::from(&sighting());
            f(&mut s);
            Sighting::try_from(s).unwrap_err().to_string()
        };
        assert_eq!(broken(&|s| s.class = 0), "class is missing");
        assert_eq!(broken(&|s| s.class = 99), "class names no class this version knows (99)");
        assert_eq!(broken(&|s| s.score = f32::NAN), "score is not a number in its range");
        assert_eq!(broken(&|s| s.first = None), "first is missing");
        assert!(broken(&|s| s.id = "x".into()).contains("not a UUID"));
    }

    #[test]
    fn a_query_survives_the_wire_and_unspecified_parts_stay_unasked() {
        let query = DescriptionQuery {
            class: Some(Class::Person),
            upper: Some(Colour::Blue),
            carrying: vec![Carried::Suitcase],
            ..Default::default()
        };
        assert_eq!(DescriptionQuery::try_from(v1::DescriptionQuery::from(&query)), Ok(query));
        assert_eq!(DescriptionQuery::try_from(v1::DescriptionQuery::default()), Ok(DescriptionQuery::default()));
    }
}
