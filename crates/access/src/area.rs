use serde::{Deserialize, Serialize};

/// A point on the ground, WGS 84, in millionths of a degree: whole numbers, so that signed bytes are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    latitude_e6: i32,
    longitude_e6: i32,
}

impl Place {
    /// Degrees, rounded to about 0.1 m; `None` if there is no such point.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let fits = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        let e6 = |degrees: f64| (degrees * 1e6).round() as i32;
        fits.then(|| Self { latitude_e6: e6(latitude), longitude_e6: e6(longitude) })
    }

    /// From millionths of a degree, WGS 84. `None` beyond 90 degrees of latitude or 180 of longitude.
    pub fn from_e6(latitude_e6: i32, longitude_e6: i32) -> Option<Self> {
        let fits = latitude_e6.unsigned_abs() <= 90_000_000 && longitude_e6.unsigned_abs() <= 180_000_000;
        fits.then_some(Self { latitude_e6, longitude_e6 })
    }

    /// (latitude, longitude) in millionths of a degree, north and east positive.
    pub const fn e6(&self) -> (i32, i32) {
        (self.latitude_e6, self.longitude_e6)
    }

    /// Degrees.
    pub fn degrees(&self) -> (f64, f64) {
        (f64::from(self.latitude_e6) / 1e6, f64::from(self.longitude_e6) / 1e6)
    }

    /// Along the surface of a sphere of the Earth's mean radius, in metres: at most 0.6 % off.
    pub fn metres_to(&self, other: &Self) -> f64 {
        const EARTH: f64 = 6_371_008.8;
        let ((a, b), (c, d)) = (self.degrees(), other.degrees());
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let h = half(a, c) + a.to_radians().cos() * c.to_radians().cos() * half(b, d);
        2.0 * EARTH * h.sqrt().min(1.0).asin()
    }
}

/// A circle on the ground: every camera that hangs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// The middle of the circle.
    pub centre: Place,
    /// Metres from the middle to the rim.
    pub radius_m: u32,
}

impl Area {
    /// Whether a place is at most the radius from the middle, along the ground.
    pub fn contains(&self, place: &Place) -> bool {
        self.centre.metres_to(place) <= f64::from(self.radius_m)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degree_of_latitude_is_111_km_and_one_of_longitude_shrinks_to_the_poles() {
        let place = |lat, lon| Place::new(lat, lon).unwrap();
        assert!((place(0.0, 0.0).metres_to(&place(1.0, 0.0)) - 111_195.0).abs() < 1.0);
        assert!((place(60.0, 0.0).metres_to(&place(60.0, 1.0)) - 55_597.0).abs() < 10.0);
        // Over the date line.
        assert!(place(0.0, 179.999).metres_to(&place(0.0, -179.999)) < 300.0);
        assert_eq!(place(51.5, -0.1).metres_to(&place(51.5, -0.1)), 0.0);
    }

    #[test]
    fn an_area_ends_at_its_radius_and_there_is_no_place_off_the_globe() {
        let centre = Place::new(50.0, 8.0).unwrap();
        let near = Place::new(50.001, 8.0).unwrap();
        assert!(Area { centre, radius_m: 112 }.contains(&near) && !Area { centre, radius_m: 111 }.contains(&near));
        assert!(Place::new(90.1, 0.0).is_none() && Place::new(0.0, f64::NAN).is_none() && Place::from_e6(0, i32::MIN).is_none());
    }
}
