//! How tall a figure is beside the others of its scene. On flat ground the height of a figure in the picture grows in
//! proportion to how far its feet are below the horizon (Hoiem et al., Putting Objects in Perspective, 2008), so a straight
//! line of height over foot position, fitted to many figures, says what is usual at a place. No lens, no metre is known. Where one
//! line through all fits badly, as where children alone walk near the camera, each figure has a share of its own of one line, and
//! how it grows as it comes nearer says where the horizon is.

use std::collections::VecDeque;

use types::{Class, Described, Detection, Rect, Size, Stature};

/// A figure that stands whole and upright in a frame; both as shares of the frame's height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stance {
    foot: f32,
    height: f32,
}

impl Stance {
    /// `None` where the box does not show the whole height: cut by the frame, covered by somebody in front, bent, or doubtful. Who stands
    /// behind covers nothing: a child beside a grown-up is measured.
    pub fn of(figure: &Detection, others: &[Rect], frame: Size) -> Option<Self> {
        let (b, edge) = (figure.bbox, 2.0);
        let (width, height) = (frame.width as f32, frame.height as f32);
        let whole = b.x > edge && b.y > edge && b.right() < width - edge && b.bottom() < height - edge;
        let upright = (1.8..4.5).contains(&(b.height / b.width));
        // Whose feet are lower in the picture is nearer.
        let uncovered = others.iter().filter(|o| o.bottom() > b.bottom()).all(|o| b.share_inside(o) < 0.05);
        let sure = figure.class == Class::Person && figure.score >= 0.5 && b.height >= 20.0;
        (whole && upright && uncovered && sure).then(|| Self { foot: b.bottom() / height, height: b.height / height })
    }
}

/// Fewer figures say nothing about what is usual. Two of different stature fit no line ([`MOST_SPREAD`]); two that are alike may be children,
/// so nobody is told to be tall beside them.
const FIGURES: usize = 2;
const FIGURES_FOR_TALL: usize = 3;
/// So many of the last figures are remembered, each by a few moments, so that who lingers counts no more than who passes.
const MOST_FIGURES: usize = 60;
const MOMENTS: usize = 5;
/// A figure is judged by at least so many moments.
const LEAST_MOMENTS: usize = 3;
/// Heights that spread more about the line, as a share, come from a place that is not flat.
const MOST_SPREAD: f32 = 0.12;
/// Below and above these shares of the usual height. Grown people differ by some 6 % (one standard deviation) and boxes by
/// as much again.
const SMALL: f32 = 0.82;
const TALL: f32 = 1.14;

/// What is usual in front of one camera, learned from its figures.
#[derive(Debug, Clone, Default)]
pub struct StatureScale {
    figures: VecDeque<Vec<Stance>>,
    usual: Option<Line>,
}

/// Usual height at a foot position, and between which positions that was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    slope: f32,
    at_top: f32,
    highest: f32,
    lowest: f32,
}

impl StatureScale {
    /// Takes what one track showed.
    pub fn learn(&mut self, stances: &[Stance]) {
        if stances.len() < LEAST_MOMENTS {
            return;
        }
        let apart = stances.len().div_ceil(MOMENTS);
        self.figures.push_back(stances.iter().step_by(apart).copied().collect());
        if self.figures.len() > MOST_FIGURES {
            self.figures.pop_front();
        }
        self.usual = (self.figures.len() >= FIGURES).then(|| fit(&self.figures)).flatten();
    }

    /// What is usual with figures that are still there as well.
    #[must_use]
    pub fn with<'a>(&self, others: impl Iterator<Item = &'a [Stance]>) -> Self {
        let mut scale = self.clone();
        others.for_each(|stances| scale.learn(stances));
        scale
    }

    /// `None` while too few figures have been seen, where none of them stood, and for a track that was never seen whole.
    pub fn judge(&self, stances: &[Stance]) -> Option<Described<Stature>> {
        let ratios: Vec<f32> = stances.iter().filter_map(|s| Some(s.height / self.usual?.at(s.foot)?)).collect();
        if ratios.len() < LEAST_MOMENTS {
            return None;
        }
        let (count, ratio) = (ratios.len(), median(ratios)?);
        let (word, inside) = match ratio {
            r if r < SMALL => (Stature::Small, SMALL - r),
            r if r > TALL && self.figures.len() < FIGURES_FOR_TALL => return None,
            r if r > TALL => (Stature::Tall, r - TALL),
            r => (Stature::Medium, (r - SMALL).min(TALL - r)),
        };
        // On the border it is as likely the neighbour's word.
        let sure = (0.5 + inside / 0.2).min(1.0) * (count as f32 / 10.0).min(1.0).sqrt();
        Some(Described::new(word, sure))
    }
}

impl Line {
    fn over(points: &[Stance], slope: f32, at_top: f32) -> Self {
        let feet = || points.iter().map(|p| p.foot);
        Self { slope, at_top, highest: feet().fold(f32::INFINITY, f32::min), lowest: feet().fold(0.0, f32::max) }
    }

    /// How far heights are off the line, as a standard deviation if it were a normal one.
    fn spread(&self, points: &[Stance]) -> Option<f32> {
        let off = points.iter().filter_map(|p| Some((p.height / self.at(p.foot)? - 1.0).abs()));
        Some(1.4826 * median(off.collect())?)
    }

    /// A little beyond the positions seen is still believed.
    fn at(&self, foot: f32) -> Option<f32> {
        let usual = self.at_top + self.slope * foot;
        (foot > self.highest - 0.05 && foot < self.lowest + 0.05 && usual > 0.01).then_some(usual)
    }
}

/// One line through all moments, and where it doesn't fit, one of which each figure has its own share.
fn fit(figures: &VecDeque<Vec<Stance>>) -> Option<Line> {
    let points: Vec<Stance> = figures.iter().flatten().copied().collect();
    let believed = |line: &Line| line.spread(&points).is_some_and(|spread| spread <= MOST_SPREAD);
    through_all(&points).filter(believed).or_else(|| with_shares(figures, &points).filter(believed))
}

/// Moments of which one is lower in the picture by more than a box is wrong.
fn pairs(points: &[Stance]) -> impl Iterator<Item = (&Stance, &Stance)> {
    let all = points.iter().enumerate().flat_map(|(i, a)| points[i + 1..].iter().map(move |b| (a, b)));
    all.filter(|(a, b)| (a.foot - b.foot).abs() > 0.04)
}

/// The line through the medians of slope and height (Theil, 1950; Sen, 1968): up to 29 % of the points may be anything.
fn through_all(points: &[Stance]) -> Option<Line> {
    let slopes: Vec<f32> = pairs(points).map(|(a, b)| (a.height - b.height) / (a.foot - b.foot)).collect();
    // Where everybody walks at one distance there is no slope to see, and none is needed. Who is lower in the picture is
    // nearer, so a falling line is noise.
    let slope = if slopes.len() < points.len() { 0.0 } else { median(slopes)?.max(0.0) };
    let at_top = median(points.iter().map(|p| p.height - slope * p.foot).collect())?;
    Some(Line::over(points, slope, at_top))
}

/// The median of how each figure alone grows, and then of how tall each is; `None` where too few come nearer or go away.
fn with_shares(figures: &VecDeque<Vec<Stance>>, points: &[Stance]) -> Option<Line> {
    let middle = median(points.iter().map(|p| p.foot).collect())?;
    // Slope over the height at the middle: alike for all, however tall, since the horizon is.
    let growth = |(a, b): (&Stance, &Stance)| {
        let at_middle = a.height * (b.foot - middle) - b.height * (a.foot - middle);
        (at_middle != 0.0).then(|| (b.height - a.height) / at_middle)
    };
    let growths: Vec<f32> = figures.iter().flat_map(|f| pairs(f).filter_map(growth)).collect();
    if growths.len() < figures.len() {
        return None;
    }
    let highest = points.iter().map(|p| p.foot).fold(f32::INFINITY, f32::min);
    // Nobody stands above the horizon.
    let growth = median(growths)?.clamp(0.0, 1.0 / (middle - highest + 0.02));
    let tall = |figure: &Vec<Stance>| median(figure.iter().map(|p| p.height / (1.0 + growth * (p.foot - middle))).collect());
    let usual = median(figures.iter().filter_map(tall).collect())?;
    Some(Line::over(points, usual * growth, usual * (1.0 - growth * middle)))
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Size = Size { width: 1280, height: 720 };

    /// A camera `up` metres above flat ground that looks along it: who stands `away` metres off, `tall` metres, as a box.
    fn figure(tall: f32, up: f32, away: f32) -> Detection {
        let (focal, horizon) = (900.0, 150.0);
        let height = focal * tall / away;
        let foot = horizon + focal * up / away;
        Detection { class: Class::Person, score: 0.8, bbox: Rect::new(600.0, foot - height, height * 0.4, height) }
    }

    fn walk(tall: f32, noise: impl Fn(usize) -> f32) -> Vec<Stance> {
        (0..12)
            .filter_map(|i| {
                let mut figure = figure(tall, 5.0, 11.0 + i as f32);
                let b = &mut figure.bbox;
                let height = b.height * (1.0 + noise(i));
                *b = Rect::new(b.x, b.bottom() - height, b.width, height);
                Stance::of(&figure, &[], FRAME)
            })
            .collect()
    }

    #[test]
    fn a_child_is_small_and_a_giant_tall_wherever_they_walk_once_enough_figures_were_seen() {
        let mut scale = StatureScale::default();
        for i in 0..FIGURES_FOR_TALL {
            let told = scale.judge(&walk(1.2, |_| 0.0)).map(|d| d.word);
            assert_eq!(told, (i >= FIGURES).then_some(Stature::Small), "after {i} figures");
            assert_eq!(scale.judge(&walk(2.1, |_| 0.0)), None, "after {i} figures");
            let tall = 1.6 + 0.03 * i as f32;
            scale.learn(&walk(tall, |k| if (k + i) % 2 == 0 { 0.05 } else { -0.05 }));
        }
        let word = |tall| scale.judge(&walk(tall, |_| 0.0)).map(|d| d.word);
        assert_eq!(word(1.15), Some(Stature::Small));
        assert_eq!(word(1.7), Some(Stature::Medium));
        assert_eq!(word(2.1), Some(Stature::Tall));
        let far = [figure(1.2, 5.0, 60.0)].iter().filter_map(|d| Stance::of(d, &[], FRAME)).collect::<Vec<_>>();
        assert_eq!(scale.judge(&far.repeat(6)), None, "nobody stood there");
    }

    #[test]
    fn figures_that_are_still_there_count_and_are_not_remembered() {
        let mut scale = StatureScale::default();
        scale.learn(&walk(1.7, |_| 0.0));
        let there = [walk(1.65, |_| 0.0), walk(1.8, |_| 0.0)];
        let child = walk(1.1, |_| 0.0);
        assert_eq!(scale.with(there.iter().map(Vec::as_slice)).judge(&child).map(|d| d.word), Some(Stature::Small));
        assert_eq!(scale.judge(&child), None);
    }

    #[test]
    fn a_few_children_and_wrong_boxes_do_not_move_the_scale() {
        let mut scale = StatureScale::default();
        for i in 0..20 {
            scale.learn(&walk(if i % 6 == 0 { 1.1 } else { 1.7 }, |k| if (i + k) % 9 == 0 { -0.5 } else { 0.0 }));
        }
        assert_eq!(scale.judge(&walk(1.1, |_| 0.0)).map(|d| d.word), Some(Stature::Small));
        assert_eq!(scale.judge(&walk(1.7, |_| 0.0)).map(|d| d.word), Some(Stature::Medium));
    }

    #[test]
    fn who_is_cut_covered_or_bent_is_not_measured() {
        let whole = figure(1.7, 5.0, 15.0);
        assert!(Stance::of(&whole, &[], FRAME).is_some());
        let with = |bbox: Rect| Stance::of(&Detection { bbox, ..whole }, &[], FRAME);
        let b = whole.bbox;
        assert_eq!(with(Rect::new(b.x, 720.0 - b.height, b.width, b.height)), None);
        assert_eq!(with(Rect::new(b.x, b.y + b.height / 2.0, b.width, b.height / 2.0)), None);
        assert_eq!(Stance::of(&whole, &[Rect::new(b.x + b.width / 2.0, b.y + 20.0, b.width, b.height)], FRAME), None);
        let behind = Rect::new(b.x + b.width / 2.0, b.y - 60.0, b.width, b.height + 50.0);
        assert!(Stance::of(&whole, &[behind], FRAME).is_some(), "a child before a grown-up");
    }

    #[test]
    fn children_who_alone_walk_near_the_camera_do_not_bend_the_scale() {
        let walk = |tall, nearest: f32| -> Vec<Stance> {
            (0..8).filter_map(|i| Stance::of(&figure(tall, 5.0, nearest + i as f32), &[], FRAME)).collect()
        };
        let mut scale = StatureScale::default();
        for (tall, nearest) in [(1.1, 9.0), (1.7, 14.0), (1.15, 9.5), (1.75, 24.5), (1.65, 25.0), (1.8, 24.0), (1.7, 14.0)] {
            scale.learn(&walk(tall, nearest));
        }
        assert_eq!(scale.judge(&walk(1.1, 9.0)).map(|d| d.word), Some(Stature::Small));
        assert_eq!(scale.judge(&walk(1.7, 14.0)).map(|d| d.word), Some(Stature::Medium));
    }

    #[test]
    fn stairs_where_heights_fit_no_line_make_no_scale() {
        let mut scale = StatureScale::default();
        for i in 0..20 {
            scale.learn(&walk(if i % 2 == 0 { 1.0 } else { 1.9 }, |k| 0.2 * (k % 3) as f32));
        }
        assert_eq!(scale.judge(&walk(1.0, |_| 0.0)), None);
    }

    proptest! {
        #[test]
        fn whatever_was_learned_memory_is_bounded_and_confidence_is_a_share(
            figures in prop::collection::vec(prop::collection::vec((0f32..1.0, 0f32..1.0), 0..30), 0..90),
        ) {
            let mut scale = StatureScale::default();
            for figure in figures {
                let stances: Vec<_> = figure.iter().map(|&(foot, height)| Stance { foot, height }).collect();
                scale.learn(&stances);
                prop_assert!(scale.judge(&stances).is_none_or(|d| (0.0..=1.0).contains(&d.confidence)));
            }
            prop_assert!(scale.figures.len() <= MOST_FIGURES && scale.figures.iter().all(|f| f.len() <= MOMENTS));
        }
    }
}
