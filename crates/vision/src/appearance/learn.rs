//! Fits a [`Projection`] from tracklets: pictures of one figure seconds apart are the same figure, whoever it is, so what
//! differs between them (pose, blur, light, the edge of the box) is noise. Each part is whitened by the scatter within
//! tracks and the directions that are left with the most spread are kept (linear discriminant analysis without labels, as
//! in Hariharan, Malik and Ramanan, "Discriminative Decorrelation for Clustering and Classification", 2012). Closed form:
//! the same crops make the same projection.

use types::ModelDigest;

use super::{
    bands,
    linear::Symmetric,
    parts::AppearanceParts,
    projection::{About, MOST, Projection},
    recipe::Recipe,
};

/// Values kept of the backbone: what the colours leave of the 256. Every direction of colour is kept, those too that the
/// footage never showed: a projection that drops what a few dozen tracks did not wear cannot find it later (see
/// `benches/README.md`).
const BACKBONE_OUT: usize = MOST - bands::LEN;
/// Added to the scatter within tracks, as a share of its mean variance: tracks of one camera say nothing about what
/// changes from camera to camera, so their scatter is not to be believed to the letter. With a tenth of this, mAP across
/// the cameras of pose2sim and CAVIAR was .01 lower, with a thirtieth .055 (recipe 4).
const RIDGE: f64 = 30.0;
/// Unit vectors whose mean squared distance from their track's mean is below this are copies of each other.
const FLAT: f64 = 1e-9;
/// Fewer say too little.
const FEWEST_TRACKS: usize = 8;
const FEWEST_CROPS: usize = 50;

/// The models that made the crops and the parts, and whose footage it was.
#[derive(Debug, Clone)]
pub struct Source {
    /// The backbone, which made the first part.
    pub backbone: ModelDigest,
    /// The detector, which found the subjects.
    pub detector: ModelDigest,
    /// The face finder, which made the crops redacted.
    pub face_finder: ModelDigest,
    /// Whose footage it was, under which licence; may be empty.
    pub attribution: String,
}

/// Why nothing was fitted.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// There is not enough to learn from.
    #[error(
        "{tracks} tracks with {crops} crops are too few; {FEWEST_TRACKS} tracks of at least two and {FEWEST_CROPS} crops are needed"
    )]
    TooFew {
        /// Tracks of at least two crops.
        tracks: usize,
        /// Crops of those tracks.
        crops: usize,
    },
    /// All crops have the same parts.
    #[error("the crops do not differ, so there is nothing to learn from them")]
    Flat,
}

/// Fits a projection to the crops of each track. A track with a single crop is left out.
///
/// # Errors
/// [`LearnError::TooFew`] and [`LearnError::Flat`].
pub fn learn(tracks: &[Vec<AppearanceParts>], source: &Source) -> Result<Projection, LearnError> {
    let tracks: Vec<&[AppearanceParts]> = tracks.iter().map(Vec::as_slice).filter(|t| t.len() > 1).collect();
    let crops: usize = tracks.iter().map(|t| t.len()).sum();
    if tracks.len() < FEWEST_TRACKS || crops < FEWEST_CROPS {
        return Err(LearnError::TooFew { tracks: tracks.len(), crops });
    }
    let backbone = fit(&tracks, |p| &p.backbone, BACKBONE_OUT).ok_or(LearnError::Flat)?;
    let colour = fit(&tracks, |p| &p.colour, MOST - BACKBONE_OUT).ok_or(LearnError::Flat)?;
    let about = About {
        recipe: Recipe::NOW.name().into(),
        backbone: source.backbone.to_string(),
        detector: source.detector.to_string(),
        face_finder: source.face_finder.to_string(),
        backbone_in: backbone.first().map_or(0, Vec::len),
        backbone_out: backbone.len(),
        colour_in: colour.first().map_or(0, Vec::len),
        colour_out: colour.len(),
        tracks: tracks.len(),
        crops,
        attribution: source.attribution.clone(),
    };
    let single = |rows: Vec<Vec<f64>>| rows.concat().into_iter().map(|v| v as f32).collect();
    Ok(Projection { about, recipe: Recipe::NOW, backbone: single(backbone), colour: single(colour) })
}

/// The rows of the map, those with the most spread first; `None` if nothing differs. Every track counts the same, however
/// long it was followed.
fn fit(tracks: &[&[AppearanceParts]], part: impl Fn(&AppearanceParts) -> &[f32], most: usize) -> Option<Vec<Vec<f64>>> {
    let doubles = |p: &AppearanceParts| part(p).iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let n = part(tracks.first()?.first()?).len();
    let (mut within, mut total) = (Symmetric::zeros(n), Symmetric::zeros(n));
    for track in tracks {
        let mean = mean(n, track.iter().map(doubles));
        let weight = (1.0 / track.len() as f64).sqrt();
        for p in *track {
            let x = doubles(p);
            within.add_outer(&x.iter().zip(&mean).map(|(a, m)| (a - m) * weight).collect::<Vec<_>>());
            total.add_outer(&x.iter().map(|a| a * weight).collect::<Vec<_>>());
        }
    }
    within.scale(1.0 / tracks.len() as f64);
    total.scale(1.0 / tracks.len() as f64);
    if within.trace() < FLAT {
        return None;
    }
    within.add_to_diagonal(RIDGE * within.trace() / n as f64);
    let white = within.cholesky()?;
    // L⁻¹ T L⁻ᵀ, a side at a time.
    let half: Vec<Vec<f64>> = total.values.chunks_exact(n).map(|row| white.solve(row)).collect();
    let columns: Vec<Vec<f64>> = (0..n).map(|j| white.solve(&half.iter().map(|row| row[j]).collect::<Vec<_>>())).collect();
    let spread = Symmetric { n, values: columns.concat() };
    Some(spread.eigen().into_iter().take(most.min(n)).map(|(_, v)| white.solve_transposed(&v)).collect())
}

fn mean(n: usize, all: impl ExactSizeIterator<Item = Vec<f64>>) -> Vec<f64> {
    let count = all.len() as f64;
    let mut sum = vec![0.0; n];
    all.for_each(|x| sum.iter_mut().zip(&x).for_each(|(s, v)| *s += v / count));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve figures that differ in the first values, seen in light that differs in the last, much more strongly.
    fn tracks(changing: bool) -> Vec<Vec<AppearanceParts>> {
        let crop = |figure: usize, seen: usize| {
            let mut v = vec![0.0f32; 20];
            v[figure] = 1.0;
            v[12 + (figure + seen) % 8] = if changing { 2.0 } else { 0.0 };
            AppearanceParts { backbone: v.clone(), colour: v }
        };
        (0..12).map(|figure| (0..6).map(|seen| crop(figure, seen)).collect()).collect()
    }

    fn source() -> Source {
        let digest = ModelDigest([7; 32]);
        Source { backbone: digest, detector: digest, face_finder: digest, attribution: "made up".into() }
    }

    #[test]
    fn what_changes_within_a_track_counts_less_afterwards() {
        let tracks = tracks(true);
        let projection = learn(&tracks, &source()).unwrap();
        assert_eq!((projection.about().tracks, projection.about().crops), (12, 72));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let vector = |figure: usize, seen: usize| projection.apply(&tracks[figure][seen]).unwrap();
        // The same figure in another light against another figure in the same light.
        let (same, other) = (dot(&vector(0, 0), &vector(0, 1)), dot(&vector(0, 1), &vector(1, 0)));
        let raw = |figure: usize, seen: usize| &tracks[figure][seen].colour;
        let (same_raw, other_raw) = (dot(raw(0, 0), raw(0, 1)), dot(raw(0, 1), raw(1, 0)));
        assert!(same / other > same_raw / other_raw * 1.02, "{same} {other}, before {same_raw} {other_raw}");
        assert_eq!(learn(&tracks, &source()).unwrap().digest(), projection.digest());
    }

    #[test]
    fn too_little_is_not_learned_from() {
        let all = tracks(true);
        assert!(matches!(learn(&all[..7], &source()), Err(LearnError::TooFew { tracks: 7, crops: 42 })));
        let single: Vec<_> = all.iter().map(|t| t[..1].to_vec()).collect();
        assert!(matches!(learn(&single, &source()), Err(LearnError::TooFew { tracks: 0, crops: 0 })));
        assert!(matches!(learn(&tracks(false), &source()), Err(LearnError::Flat)));
    }
}
