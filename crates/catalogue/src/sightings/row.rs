//! A sighting's row, read back. What can't be read is an error that says what, or is left out where others go on.

use std::time::Duration;

use redact::RedactedCrop;
use sqlx::Row;
use types::{
    AgencyId, CameraId, Class, ClockUncertainty, Day, Description, FootageDigest, Rect, Sighting, SightingId, SightingOrigin,
    Size, TimeSource, TimeStamp,
};

use crate::{
    CatalogueError,
    engine::DbRow,
    row::{capture, digest, id, read_document},
    seen::Place,
};

/// What [`sighting`] reads: a row without its vector, which is most of it.
pub(crate) const COLUMNS: &str = "id, camera, agency, class, first_us, first_error_us, first_source, last_us, last_error_us, \
    last_source, best_us, box_x, box_y, box_width, box_height, frame_width, frame_height, score, detections, description, footage";

/// A sighting that is there already.
pub(crate) struct Before {
    pub(super) day: Day,
    /// When it was stored first.
    pub(super) stored: i64,
    pub(crate) place: Option<Place>,
}

/// Whether the file is a crop as we write them. `check` names one that is not; nobody is shown it.
pub(crate) fn is_ours(id: SightingId, jpeg: &[u8]) -> bool {
    let ours = RedactedCrop::is_ours(jpeg);
    if !ours {
        tracing::error!(%id, "a crop is left out: the file is not what was stored");
    }
    ours
}

/// Those that can be read: `check` names the others, and nothing else is the worse for them.
pub(crate) fn readable(rows: &[DbRow]) -> impl Iterator<Item = Sighting> {
    let damaged = |error: &CatalogueError| tracing::error!(%error, "a sighting is left out: its row is damaged");
    rows.iter().filter_map(move |row| sighting(row).inspect_err(damaged).ok())
}

pub(crate) fn sighting(row: &DbRow) -> Result<Sighting, CatalogueError> {
    let id = id(row.try_get("id")?)?;
    let unreadable = |what: &str| CatalogueError::unreadable(format!("{what} of sighting {id}"));
    let stamp = |time: &str, error: &str, source: &str| -> Result<TimeStamp, CatalogueError> {
        let micros: i64 = row.try_get(error)?;
        Ok(TimeStamp {
            time: capture(row.try_get(time)?)?,
            uncertainty: ClockUncertainty(Duration::from_micros(micros.unsigned_abs())),
            source: TimeSource::parse(row.try_get(source)?).ok_or_else(|| unreadable("time"))?,
        })
    };
    let whole = |column: &str| -> Result<u32, CatalogueError> {
        u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| unreadable(column))
    };
    let number = |column: &str| -> Result<f32, CatalogueError> { Ok(row.try_get::<f64, _>(column)? as f32) };
    let footage: Option<Vec<u8>> = row.try_get("footage")?;
    let description: Description = read_document(row.try_get("description")?, || format!("description of sighting {id}"))?;
    Ok(Sighting {
        id,
        camera: CameraId::new(row.try_get("camera")?).map_err(|_| unreadable("camera"))?,
        agency: AgencyId::new(row.try_get("agency")?).map_err(|_| unreadable("agency"))?,
        class: row.try_get::<&str, _>("class")?.parse::<Class>().map_err(|_| unreadable("class"))?,
        first: stamp("first_us", "first_error_us", "first_source")?,
        last: stamp("last_us", "last_error_us", "last_source")?,
        best: capture(row.try_get("best_us")?)?,
        bbox: Rect::new(number("box_x")?, number("box_y")?, number("box_width")?, number("box_height")?),
        frame: Size { width: whole("frame_width")?, height: whole("frame_height")? },
        score: number("score")?,
        detections: whole("detections")?,
        description,
        origin: footage.map_or(Ok(SightingOrigin::Live), |f| digest(&f).map(|d| SightingOrigin::Footage(FootageDigest(d))))?,
    })
}
