//! Places and hours of the day, as people write them.

use proto::v1;

use crate::times::BadArgument;

pub(crate) fn parse_place(text: &str) -> Result<v1::Place, BadArgument> {
    let place = text.split_once(',').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    let there = |(latitude, longitude): &(f64, f64)| access::Place::new(*latitude, *longitude).is_some();
    place.filter(there).map(|(latitude, longitude)| v1::Place { latitude, longitude }).ok_or_else(|| BadArgument {
        message: "that is no point on the ground".into(),
        hint: "write latitude and longitude in degrees, like 51.5007,-0.1246".into(),
    })
}

/// Over midnight where the first is the later one.
pub(crate) fn parse_hours(text: &str) -> Result<v1::Hours, BadArgument> {
    let minutes = |text: &str| {
        let (h, m) = text.trim().split_once(':')?;
        let (h, m) = (h.parse::<u32>().ok()?, m.parse::<u32>().ok()?);
        (h * 60 + m <= 1440 && h <= 24 && m < 60).then_some(h * 60 + m)
    };
    let ends = text.split_once('-').and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)));
    ends.filter(|(from, to)| from != to).map(|(from_minute, to_minute)| v1::Hours { from_minute, to_minute }).ok_or_else(|| {
        BadArgument {
            message: "those are not hours of the day".into(),
            hint: "write them like 06:00-22:00, or over midnight 22:00-06:00, in UTC".into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_two_numbers_on_the_globe() {
        assert_eq!(parse_place("51.5, -0.125"), Ok(v1::Place { latitude: 51.5, longitude: -0.125 }));
        for bad in ["", "51.5", "91,0", "0,181", "a,b", "nan,0"] {
            assert!(parse_place(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hours_are_in_the_day_and_never_empty() {
        assert_eq!(parse_hours("22:00-06:30"), Ok(v1::Hours { from_minute: 1320, to_minute: 390 }));
        assert_eq!(parse_hours("00:00-24:00"), Ok(v1::Hours { from_minute: 0, to_minute: 1440 }));
        for bad in ["", "6-22", "06:00", "06:00-06:00", "25:00-26:00", "06:61-07:00", "99999999999:00-1:00"] {
            assert!(parse_hours(bad).is_err(), "{bad:?}");
        }
    }
}
