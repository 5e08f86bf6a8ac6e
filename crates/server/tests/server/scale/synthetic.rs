//! Sightings that never were, drawn from real ones: their vectors, descriptions, classes and durations, at uneven times of
//! the day, on cameras of which some see much more than others. The n-th is always the same.

use catalogue::{Change, IndexRow, SightingRecord};
use redact::RedactedCrop;
use types::*;

pub(crate) const CAMERAS: usize = 200;
pub(crate) const AGENCIES: usize = 8;
pub(crate) const DAYS: i64 = 14;
const HOUR_US: i64 = 3_600_000_000;
const PERIOD_US: i64 = DAYS * 24 * HOUR_US;
/// Those that follow each other closely are of few figures, each seen several times.
const NEAR: u64 = 64;
const FIGURES: u64 = 16;
/// How far a figure is from the real one it is drawn from, in differences of two real ones.
const AMONG_FIGURES: f32 = 0.6;
/// The same for two sightings of one figure. With this their similarity is about that of one figure on two cameras.
const WITHIN_FIGURE: f32 = 0.45;

/// A sequence of numbers (SplitMix64) from a seed.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn of(seed: u64, what: u64) -> Self {
        Self(seed.wrapping_mul(0xD129_0D3B_7C2F_1A65) ^ what.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to 1.
    pub(crate) fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// About normal, of variance 1.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: f32 = (0..4).map(|n| ((bits >> (16 * n)) & 0xFFFF) as f32 / 65536.0 - 0.5).sum();
        sum * 3f32.sqrt()
    }
}

pub(crate) struct Synthetic {
    real: Vec<IndexRow>,
    /// By class, the places of those in `real`.
    alike: Vec<Vec<usize>>,
    crops: Vec<RedactedCrop>,
    count: u64,
    end: CaptureTime,
    /// Running sums over the hours of the period, and over the cameras: how much is seen.
    hours: Vec<f64>,
    cameras: Vec<f64>,
}

impl Synthetic {
    /// `count` sightings until `end`. The crops are handed round.
    pub(crate) fn new(changes: Vec<Change>, crops: Vec<RedactedCrop>, count: u64, end: CaptureTime) -> Self {
        let mut real: Vec<_> = changes
            .into_iter()
            .filter_map(|change| match change {
                Change::Put { row, .. } => Some(*row),
                Change::Unusable { .. } | Change::Removed { .. } => None,
            })
            .collect();
        real.sort_unstable_by_key(|r| r.sighting.id);
        let of_class = |class: Class| (0..real.len()).filter(|&i| real[i].sighting.class == class).collect();
        let alike = Class::ALL.iter().map(|&c| of_class(c)).collect();
        let begin = end.plus_micros(-PERIOD_US).as_micros();
        let hours = sums((0..DAYS * 24).map(|hour| busy(begin + hour * HOUR_US)));
        let cameras = sums((0..CAMERAS).map(|rank| 1.0 / (rank as f64 + 3.0).powf(0.7)));
        Self { real, alike, crops, count, end, hours, cameras }
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// The n-th, in order of time.
    pub(crate) fn sighting(&self, n: u64) -> (Sighting, Embedding) {
        let mut draw = Draw::of(n, 1);
        let moment = self.moment((n as f64 + f64::from(draw.share())) / self.count as f64);
        let camera = self.place(f64::from(draw.share()));
        let (first, origin) = (self.end.plus_micros(moment - PERIOD_US), SightingOrigin::Footage(FootageDigest([1; 32])));
        self.make(n, n / NEAR, &mut draw, camera, first, origin)
    }

    /// One that a worker sees now.
    pub(crate) fn live(&self, n: u64, camera: usize, first: CaptureTime) -> SightingRecord {
        let mut draw = Draw::of(n, 2);
        let (sighting, embedding) = self.make(n, u64::MAX - n / NEAR, &mut draw, camera, first, SightingOrigin::Live);
        SightingRecord { sighting, crop: self.crop(n), embedding }
    }

    pub(crate) fn record(&self, n: u64) -> SightingRecord {
        let (sighting, embedding) = self.sighting(n);
        SightingRecord { sighting, crop: self.crop(n), embedding }
    }

    fn crop(&self, n: u64) -> RedactedCrop {
        self.crops[Draw::of(n, 4).below(self.crops.len())].clone()
    }

    fn make(
        &self,
        n: u64,
        near: u64,
        draw: &mut Draw,
        camera: usize,
        first: CaptureTime,
        origin: SightingOrigin,
    ) -> (Sighting, Embedding) {
        let mut figure = Draw::of(near.wrapping_mul(FIGURES).wrapping_add(draw.next() % FIGURES), 3);
        let like = figure.below(self.real.len());
        let real = &self.real[like];
        let alike = &self.alike[real.sighting.class.index()];
        let mut values = real.embedding.values().to_vec();
        let far = figure.share() * AMONG_FIGURES;
        self.shift(&mut values, alike, &mut figure, far);
        let far = (0.5 + draw.share()) * WITHIN_FIGURE;
        self.shift(&mut values, alike, draw, far);
        let camera_of = camera_id(camera);
        let lasts = (real.sighting.last.time.as_micros() - real.sighting.first.time.as_micros()) as f32 * (0.5 + draw.share());
        let stamp = |time| TimeStamp { time, ..real.sighting.first };
        let sighting = Sighting {
            id: SightingId::derive(&camera_of, if origin == SightingOrigin::Live { b"later" } else { b"scale" }, n),
            agency: agency_id(camera),
            camera: camera_of,
            first: stamp(first),
            last: stamp(first.plus_micros(lasts as i64)),
            best: first.plus_micros(lasts as i64 / 2),
            description: unsure(&real.sighting.description, draw),
            origin,
            ..real.sighting.clone()
        };
        (sighting, Embedding::new(real.embedding.model(), values).unwrap())
    }

    /// Moves a vector by the difference of two real ones, and a little in all directions.
    fn shift(&self, values: &mut [f32], alike: &[usize], draw: &mut Draw, far: f32) {
        let (from, to) = (alike[draw.below(alike.len())], alike[draw.below(alike.len())]);
        let (from, to) = (self.real[from].embedding.values(), self.real[to].embedding.values());
        let little = 0.1 / (values.len() as f32).sqrt();
        for ((v, from), to) in values.iter_mut().zip(from).zip(to) {
            *v += far * (to - from) + little * draw.normal();
        }
        let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
        values.iter_mut().for_each(|v| *v /= length);
    }

    /// Microseconds into the period when this share of all has been seen.
    fn moment(&self, share: f64) -> i64 {
        let want = share.clamp(0.0, 1.0) * self.hours.last().unwrap();
        let hour = self.hours.partition_point(|&sum| sum < want).min(self.hours.len() - 1);
        let before = if hour == 0 { 0.0 } else { self.hours[hour - 1] };
        let within = (want - before) / (self.hours[hour] - before);
        (hour as i64) * HOUR_US + (within * (HOUR_US - 1) as f64) as i64
    }

    fn place(&self, share: f64) -> usize {
        let want = share * self.cameras.last().unwrap();
        self.cameras.partition_point(|&sum| sum < want).min(CAMERAS - 1)
    }
}

pub(crate) fn camera_id(rank: usize) -> CameraId {
    CameraId::new(&format!("camera-{rank:03}")).unwrap()
}

pub(crate) fn agency_id(camera: usize) -> AgencyId {
    AgencyId::new(&format!("agency-{}", camera % AGENCIES)).unwrap()
}

fn sums(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    weights
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect()
}

/// How much is seen in the hour that begins then: two rush hours, quiet nights, less at weekends.
fn busy(at_us: i64) -> f64 {
    let hour = (at_us / HOUR_US).rem_euclid(24) as f64;
    let day = (at_us / (24 * HOUR_US) + 3).rem_euclid(7);
    let peak = |at: f64, width: f64| (-((hour - at) / width).powi(2)).exp();
    (0.08 + peak(8.0, 2.0) + 0.7 * peak(12.5, 3.0) + 1.2 * peak(17.5, 2.5)) * if day < 5 { 1.0 } else { 0.6 }
}

/// The same words, a little more or less sure.
fn unsure(real: &Description, draw: &mut Draw) -> Description {
    fn word<T: Copy>(d: &Described<T>, draw: &mut Draw) -> Described<T> {
        Described::new(d.word, (d.confidence + 0.2 * (draw.share() - 0.5)).clamp(0.05, 1.0))
    }
    Description {
        upper: real.upper.as_ref().map(|d| word(d, draw)),
        lower: real.lower.as_ref().map(|d| word(d, draw)),
        carrying: real.carrying.iter().map(|d| word(d, draw)).collect(),
        vehicle: real.vehicle.as_ref().map(|d| word(d, draw)),
        vehicle_colour: real.vehicle_colour.as_ref().map(|d| word(d, draw)),
        stature: real.stature.as_ref().map(|d| word(d, draw)),
    }
}
