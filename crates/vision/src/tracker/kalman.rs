//! A box with velocities. Centre, width and height are filtered each on its own: with the diagonal noise of ByteTrack the
//! 8-dimensional filter falls apart into four of two dimensions, and these are it.

use types::Rect;

/// Noise as shares of the box's height, per second where it is a rate.
const MEASURE: f32 = 0.05;
/// A figure may start, stop or turn within a second.
const ACCELERATION: f32 = 1.2;
const SHAPE_RATE: f32 = 0.35;
const FIRST_SPEED: f32 = 0.9;
/// Squared distance, in standard deviations, beyond which a box is not this one: chi-square, 2 degrees, 99.9 %.
const GATE: f32 = 13.8;

/// Position and speed of one coordinate, and their covariance.
#[derive(Debug, Clone, Copy)]
struct Axis {
    at: f32,
    speed: f32,
    pp: f32,
    ps: f32,
    ss: f32,
}

impl Axis {
    fn new(at: f32, spread: f32, speed_spread: f32) -> Self {
        Self { at, speed: 0.0, pp: spread * spread, ps: 0.0, ss: speed_spread * speed_spread }
    }

    /// `q`: variance of the acceleration.
    fn predict(&mut self, t: f32, q: f32) {
        self.at += self.speed * t;
        self.pp += 2.0 * t * self.ps + t * t * self.ss + q * t.powi(4) / 4.0;
        self.ps += t * self.ss + q * t.powi(3) / 2.0;
        self.ss += q * t * t;
    }

    fn update(&mut self, measured: f32, r: f32) {
        let (kp, ks) = (self.pp / (self.pp + r), self.ps / (self.pp + r));
        let off = measured - self.at;
        self.at += kp * off;
        self.speed += ks * off;
        self.ss -= ks * self.ps;
        self.ps *= 1.0 - kp;
        self.pp *= 1.0 - kp;
    }
}

/// The filter of one track.
#[derive(Debug, Clone)]
pub(crate) struct BoxFilter {
    x: Axis,
    y: Axis,
    width: Axis,
    height: Axis,
}

impl BoxFilter {
    pub(crate) fn new(bbox: &Rect) -> Self {
        let ((x, y), scale) = (bbox.centre(), scale(bbox));
        let axis = |at, speed: f32| Axis::new(at, MEASURE * scale, speed * scale);
        Self {
            x: axis(x, FIRST_SPEED),
            y: axis(y, FIRST_SPEED / 2.0),
            width: axis(bbox.width, 0.1),
            height: axis(bbox.height, 0.1),
        }
    }

    /// `elapsed`: seconds since the last call.
    pub(crate) fn predict(&mut self, elapsed: f32) {
        // Beyond two seconds nothing is known any more; large powers of a long gap would only spoil the numbers.
        let t = elapsed.clamp(0.0, 2.0);
        let scale = scale(&self.bbox());
        self.x.predict(t, (ACCELERATION * scale).powi(2));
        self.y.predict(t, (ACCELERATION * 0.6 * scale).powi(2));
        self.width.predict(t, (SHAPE_RATE * scale).powi(2));
        self.height.predict(t, (SHAPE_RATE * scale).powi(2));
        // Boxes do not keep growing or shrinking at the rate of a moment.
        self.width.speed *= (-t).exp();
        self.height.speed *= (-t).exp();
    }

    /// A weak detection is half hidden or blurred: its box counts for less (after NSA: Du et al., 2021).
    pub(crate) fn update(&mut self, bbox: &Rect, score: f32) {
        let (x, y) = bbox.centre();
        let r = (MEASURE * scale(bbox) * (1.6 - score.clamp(0.0, 1.0))).powi(2).max(0.25);
        self.x.update(x, r);
        self.y.update(y, r);
        self.width.update(bbox.width, r);
        self.height.update(bbox.height, r);
    }

    pub(crate) fn bbox(&self) -> Rect {
        let (w, h) = (self.width.at.max(1.0), self.height.at.max(1.0));
        Rect::new(self.x.at - w / 2.0, self.y.at - h / 2.0, w, h)
    }

    /// To the right, in pixels a second.
    pub(crate) fn speed(&self) -> f32 {
        self.x.speed
    }

    /// Whether a detection could be this box now, by where it is and how large.
    pub(crate) fn plausible(&self, bbox: &Rect) -> bool {
        let (x, y) = bbox.centre();
        let r = (2.0 * MEASURE * scale(bbox)).powi(2).max(1.0);
        let distance = (x - self.x.at).powi(2) / (self.x.pp + r) + (y - self.y.at).powi(2) / (self.y.pp + r);
        let mine = self.bbox();
        let ratio = (bbox.area().max(1.0) / mine.area()).sqrt();
        distance <= GATE && (0.4..=2.5).contains(&ratio)
    }
}

/// What speeds and errors are relative to: a figure's height; a vehicle's or lying figure's larger side counts as well.
fn scale(bbox: &Rect) -> f32 {
    bbox.height.max(0.6 * bbox.width).max(4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_walk_is_predicted_within_a_few_pixels() {
        let walk = |t: f32| Rect::new(100.0 + 80.0 * t, 50.0, 40.0, 100.0);
        let mut filter = BoxFilter::new(&walk(0.0));
        for i in 1..8 {
            filter.predict(0.2);
            filter.update(&walk(i as f32 * 0.2), 0.8);
        }
        filter.predict(1.0);
        let (x, _) = filter.bbox().centre();
        assert!((x - walk(2.4).centre().0).abs() < 8.0, "{x}");
        assert!(filter.plausible(&walk(2.4)) && !filter.plausible(&walk(60.0)));
    }

    #[test]
    fn no_gap_makes_the_numbers_blow_up() {
        let mut filter = BoxFilter::new(&Rect::new(0.0, 0.0, 10.0, 20.0));
        for _ in 0..10_000 {
            filter.predict(1e9);
        }
        let b = filter.bbox();
        assert!([b.x, b.y, b.width, b.height].iter().all(|v| v.is_finite()));
    }
}
