//! Whose every sighting is, and what that says: passes with a sighting of their own, sightings that run on into another figure,
//! words, and who is found by description and by example.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;
use types::{Class, Description, Rect, Stature};

use super::truth::{Pass, Truth};

/// A box and a figure that overlap so much are one.
const SAME: f32 = 0.3;
/// A sighting may begin and end so many seconds off the figure.
const SLACK: f64 = 1.5;
/// Hits that are asked for.
const LIMIT: usize = 50;

/// A sighting, in seconds of its camera's footage.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) camera: String,
    pub(super) class: Class,
    pub(super) first: f64,
    pub(super) last: f64,
    /// When its picture was taken.
    pub(super) best: f64,
    pub(super) bbox: Rect,
    pub(super) score: f32,
    pub(super) description: Description,
    pub(super) appearance: Vec<f32>,
    /// Whose it is, by its picture; `None`: nobody's.
    pub(super) figure: Option<String>,
    /// Position of the pass it is of.
    pub(super) pass: Option<usize>,
    /// It lasts while its figure was not there at all: it goes on with another.
    pub(super) runs_on: bool,
}

impl Seen {
    pub(super) fn words(&self) -> BTreeMap<&'static str, String> {
        let told = &self.description;
        let mut words = BTreeMap::new();
        words.extend(told.upper.map(|d| ("upper", d.word.as_str().to_owned())));
        words.extend(told.lower.map(|d| ("lower", d.word.as_str().to_owned())));
        words.extend(told.stature.map(|d| ("stature", d.word.as_str().to_owned())));
        if !told.carrying.is_empty() {
            let things: Vec<&str> = told.carrying.iter().map(|d| d.word.as_str()).collect();
            words.insert("carrying", things.join(","));
        }
        words
    }
}

/// Whether a sighting is one that a search for a person asks about.
fn of_a_person(seen: &Seen) -> bool {
    seen.class == Class::Person
}

/// Finds out whose each sighting is and of which pass.
pub(super) fn attribute(truth: &mut Truth, seen: &mut [Seen]) {
    let mut of_pass: Vec<(usize, usize)> = Vec::new();
    {
        let presence = truth.presence();
        for (position, s) in seen.iter_mut().enumerate().filter(|(_, s)| of_a_person(s)) {
            let there = truth.at(&s.camera, s.best).iter().filter(|t| t.visible > 0.1).map(|t| (s.bbox.iou(&t.bbox), t));
            let best = there.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(overlap, _)| *overlap >= SAME);
            let Some((_, there)) = best else { continue };
            let times = presence.get(&(there.figure.as_str(), s.camera.as_str())).map_or(&[][..], Vec::as_slice);
            s.runs_on = !always_near(times, s.first, s.last);
            s.figure = Some(there.figure.clone());
            let mine = |p: &Pass| {
                p.figure == there.figure && p.camera == s.camera && s.first < p.last + SLACK && s.last > p.first - SLACK
            };
            for (n, _) in truth.passes.iter().enumerate().filter(|(_, p)| mine(p)) {
                s.pass = Some(n);
                of_pass.push((n, position));
            }
        }
    }
    for (pass, position) in of_pass {
        truth.passes[pass].sightings.push(position);
    }
}

/// Whether every half second of a time is near one of those, which are in order.
fn always_near(times: &[f64], first: f64, last: f64) -> bool {
    let near = |t: f64| {
        let next = times.partition_point(|x| *x < t);
        [next.checked_sub(1), Some(next)].into_iter().flatten().filter_map(|i| times.get(i)).any(|x| (x - t).abs() < SLACK)
    };
    let steps = ((last - first) / 0.5).ceil().max(0.0) as usize;
    (0..steps).all(|k| near(first + 0.5 * k as f64))
}

#[derive(Debug, Serialize)]
pub(crate) struct Score {
    passes: Passes,
    sightings: Sightings,
    /// By part: how often the word was right, wrong, and not said.
    words: BTreeMap<String, Words>,
    by_description: Found,
    by_description_children: Found,
    by_example: ByExample,
}

#[derive(Debug, Default, Serialize)]
struct Passes {
    all: usize,
    with_a_sighting: usize,
    of_children: usize,
    of_children_with_a_sighting: usize,
    /// How many passes have so many sightings.
    by_sightings: BTreeMap<usize, usize>,
    /// Those without one: whose, where, when, how tall in the picture.
    missed: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Sightings {
    persons: usize,
    of_other_classes: BTreeMap<&'static str, usize>,
    /// Of persons, whose picture shows no figure.
    of_nobody: usize,
    run_on: usize,
}

#[derive(Debug, Default, Serialize)]
struct Words {
    right: usize,
    wrong: usize,
    unknown: usize,
}

/// Means over figures that have a pass, each asked for by what it wears.
#[derive(Debug, Default, Serialize)]
struct Found {
    figures: usize,
    /// Share of a figure's passes among the first 10, 20 and 50 hits.
    recall_10: f64,
    recall_20: f64,
    recall_50: f64,
    /// Figures with a right hit among the first ten.
    found_in_10: usize,
}

/// Means over passes: the longest sighting of each is the example, and other cameras' hits are judged.
#[derive(Debug, Default, Serialize)]
struct ByExample {
    queries: usize,
    rank1: f64,
    map: f64,
}

impl Score {
    pub(super) fn of(truth: &Truth, seen: &[Seen]) -> Self {
        let figures: BTreeSet<&str> = truth.passes.iter().map(|p| p.figure.as_str()).collect();
        let asked: Vec<(bool, Answered)> =
            figures.iter().map(|figure| (truth.is_child(figure), by_description(truth, seen, figure))).collect();
        Self {
            passes: passes(truth),
            sightings: sightings(seen),
            words: words(truth, seen),
            by_description: Found::mean(asked.iter().map(|a| &a.1)),
            by_description_children: Found::mean(asked.iter().filter(|a| a.0).map(|a| &a.1)),
            by_example: by_example(truth, seen),
        }
    }
}

fn passes(truth: &Truth) -> Passes {
    let mut told = Passes::default();
    for pass in &truth.passes {
        let (found, child) = (!pass.sightings.is_empty(), truth.is_child(&pass.figure));
        told.all += 1;
        told.with_a_sighting += usize::from(found);
        told.of_children += usize::from(child);
        told.of_children_with_a_sighting += usize::from(child && found);
        *told.by_sightings.entry(pass.sightings.len()).or_default() += 1;
        if !found {
            let Pass { figure, camera, first, last, height, .. } = pass;
            told.missed.push(format!("{figure} {camera} {first:.1}-{last:.1} s, {height:.0} px"));
        }
    }
    told
}

fn sightings(seen: &[Seen]) -> Sightings {
    let mut told = Sightings::default();
    for s in seen {
        if of_a_person(s) {
            told.persons += 1;
            told.of_nobody += usize::from(s.figure.is_none());
            told.run_on += usize::from(s.runs_on);
        } else {
            *told.of_other_classes.entry(s.class.as_str()).or_default() += 1;
        }
    }
    told
}

fn words(truth: &Truth, seen: &[Seen]) -> BTreeMap<String, Words> {
    let mut told: BTreeMap<String, Words> = BTreeMap::new();
    let mut add = |part: String, said: bool, right: bool| {
        let words = told.entry(part).or_default();
        match (said, right) {
            (false, _) => words.unknown += 1,
            (true, true) => words.right += 1,
            (true, false) => words.wrong += 1,
        }
    };
    for s in seen {
        let Some(worn) = s.figure.as_deref().and_then(|f| truth.figures.get(f)) else { continue };
        for (part, truth, said) in [("upper", worn.upper, s.description.upper), ("lower", worn.lower, s.description.lower)] {
            if truth.is_some() {
                add(part.to_owned(), said.is_some(), said.map(|d| d.word) == truth);
            }
        }
        let group = if worn.child { "a child" } else { "a grown-up" };
        let stature = s.description.stature.map(|d| d.word);
        add(format!("stature of {group}"), stature.is_some(), stature.is_some_and(|w| (w == Stature::Small) == worn.child));
        let things: Vec<_> = s.description.carrying.iter().map(|d| d.word).collect();
        let carrying = worn.carrying.map_or("nothing", |c| c.as_str());
        let right = things == Vec::from_iter(worn.carrying);
        add(format!("carrying {carrying}"), right || !things.is_empty(), right);
    }
    told
}

/// Which passes a list of hits finds within so many, and where the first right hit is.
#[derive(Debug, Default)]
struct Answered {
    recall: [f64; 3],
    first: Option<usize>,
}

fn by_description(truth: &Truth, seen: &[Seen], figure: &str) -> Answered {
    let Some(worn) = truth.figures.get(figure) else { return Answered::default() };
    let query = types::DescriptionQuery {
        class: Some(Class::Person),
        upper: worn.upper,
        lower: worn.lower,
        carrying: worn.carrying.into_iter().collect(),
        stature: worn.child.then_some(Stature::Small),
        ..Default::default()
    };
    // Nothing known to ask for: every sighting of a person fits alike.
    let hits = first_hits(seen, |s| of_a_person(s).then(|| search::score::words(&query, &s.description).unwrap_or(1.0)));
    let wanted = truth.passes_of(figure);
    let recall = [10, 20, LIMIT].map(|k| {
        let found: BTreeSet<usize> = hits.iter().take(k).filter_map(|s| s.pass).filter(|p| wanted.contains(p)).collect();
        found.len() as f64 / wanted.len().max(1) as f64
    });
    Answered { recall, first: hits.iter().position(|s| s.figure.as_deref() == Some(figure)) }
}

/// The best, at most as many as a search shows; of two alike the newer is first, as in a search.
fn first_hits(seen: &[Seen], score: impl Fn(&Seen) -> Option<f32>) -> Vec<&Seen> {
    let mut hits: Vec<(f32, &Seen)> = seen.iter().filter_map(|s| Some((score(s)?, s))).collect();
    hits.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.first.total_cmp(&a.1.first)));
    hits.into_iter().take(LIMIT).map(|(_, s)| s).collect()
}

impl Found {
    fn mean<'a>(all: impl Iterator<Item = &'a Answered>) -> Self {
        let mut told = Self::default();
        for answered in all {
            told.figures += 1;
            told.recall_10 += answered.recall[0];
            told.recall_20 += answered.recall[1];
            told.recall_50 += answered.recall[2];
            told.found_in_10 += usize::from(answered.first.is_some_and(|first| first < 10));
        }
        for recall in [&mut told.recall_10, &mut told.recall_20, &mut told.recall_50] {
            *recall /= told.figures.max(1) as f64;
        }
        told
    }
}

fn by_example(truth: &Truth, seen: &[Seen]) -> ByExample {
    let mut told = ByExample::default();
    for pass in &truth.passes {
        let longest = |a: &&usize, b: &&usize| (seen[**a].last - seen[**a].first).total_cmp(&(seen[**b].last - seen[**b].first));
        let Some(&example) = pass.sightings.iter().max_by(longest) else { continue };
        let of_others = |n: &usize| truth.passes[*n].camera != pass.camera;
        let wanted: BTreeSet<usize> = truth.passes_of(&pass.figure).into_iter().filter(of_others).collect();
        if wanted.is_empty() {
            continue;
        }
        let example = &seen[example];
        let alike = |s: &Seen| {
            let cosine = s.appearance.iter().zip(&example.appearance).map(|(a, b)| a * b).sum::<f32>();
            search::score::with_things(cosine, &example.description.carrying, &s.description.carrying)
        };
        let hits = first_hits(seen, |s| (of_a_person(s) && !std::ptr::eq(s, example)).then(|| alike(s)));
        let (mut found, mut right, mut precision, mut first) = (BTreeSet::new(), 0usize, 0.0, None);
        for (rank, hit) in hits.into_iter().filter(|s| s.camera != pass.camera).enumerate() {
            let hers = hit.figure.as_ref() == Some(&pass.figure);
            first.get_or_insert(hers);
            right += usize::from(hers);
            if hit.pass.is_some_and(|p| wanted.contains(&p) && found.insert(p)) {
                precision += right as f64 / (rank + 1) as f64;
            }
        }
        told.queries += 1;
        told.rank1 += f64::from(u8::from(first == Some(true)));
        told.map += precision / wanted.len() as f64;
    }
    told.rank1 /= told.queries.max(1) as f64;
    told.map /= told.queries.max(1) as f64;
    told
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Passes { all, with_a_sighting, of_children, of_children_with_a_sighting, missed, .. } = &self.passes;
        writeln!(
            f,
            "{with_a_sighting} of {all} passes have a sighting; of children's {of_children_with_a_sighting} of {of_children}"
        )?;
        for pass in missed {
            writeln!(f, "  missed: {pass}")?;
        }
        let Sightings { persons, of_nobody, run_on, .. } = &self.sightings;
        writeln!(f, "{persons} sightings of persons, {run_on} run on into another figure, {of_nobody} of nobody")?;
        for (part, Words { right, wrong, unknown }) in &self.words {
            writeln!(f, "{part}: {right} right, {wrong} wrong, {unknown} not said")?;
        }
        for (who, found) in [("all", &self.by_description), ("children", &self.by_description_children)] {
            let Found { figures, recall_10, recall_20, recall_50, found_in_10 } = found;
            writeln!(
                f,
                "by description, {who}: recall {recall_10:.3} in the first 10, {recall_20:.3} in 20, {recall_50:.3} in 50; \
                 {found_in_10} of {figures} figures have a right hit in the first 10"
            )?;
        }
        let ByExample { queries, rank1, map } = self.by_example;
        write!(f, "by example: {queries} queries, rank-1 {rank1:.3}, mAP {map:.3}")
    }
}

#[cfg(test)]
mod tests {
    use types::{Colour, Described};

    use super::super::truth::tests::{town, walk};
    use super::*;

    fn seen(first: f64, last: f64, best: f64, x: f32) -> Seen {
        let upper = Some(Described::new(Colour::Red, 0.9));
        Seen {
            camera: "gate".into(),
            class: Class::Person,
            first,
            last,
            best,
            bbox: Rect::new(x, 10.0, 20.0, 70.0),
            score: 0.8,
            description: Description { upper, ..Description::default() },
            appearance: vec![1.0],
            figure: None,
            pass: None,
            runs_on: false,
        }
    }

    #[test]
    fn a_sighting_is_of_whom_its_picture_shows_and_runs_on_where_that_figure_is_gone() {
        let rows = [walk("a", 0..30, 0.0, 70.0), walk("b", 0..90, 200.0, 70.0)];
        let mut truth = town(&rows.concat()).unwrap();
        let mut all =
            [seen(0.2, 2.8, 1.0, 3.0), seen(0.0, 8.0, 1.0, 0.0), seen(0.0, 8.0, 1.0, 205.0), seen(0.0, 1.0, 0.5, 100.0)];
        attribute(&mut truth, &mut all);
        let told: Vec<_> = all.iter().map(|s| (s.figure.as_deref(), s.runs_on)).collect();
        assert_eq!(told, [(Some("a"), false), (Some("a"), true), (Some("b"), false), (None, false)]);
        let score = Score::of(&truth, &all);
        assert_eq!((score.passes.all, score.passes.with_a_sighting, score.passes.of_children_with_a_sighting), (2, 2, 1));
        assert_eq!((score.sightings.persons, score.sightings.run_on, score.sightings.of_nobody), (4, 1, 1));
        assert_eq!((score.words["upper"].right, score.words["upper"].wrong), (2, 0), "of b nothing is known");
        assert_eq!((score.by_description_children.figures, score.by_description_children.found_in_10), (1, 1));
    }

    #[test]
    fn a_pass_in_which_nobody_was_seen_is_missed() {
        let mut truth = town(&walk("a", 0..30, 0.0, 70.0)).unwrap();
        let mut all = [seen(0.0, 2.0, 1.0, 100.0)];
        attribute(&mut truth, &mut all);
        let score = Score::of(&truth, &all);
        assert_eq!(score.passes.missed, ["a gate 0.0-2.9 s, 70 px"]);
        assert!((score.by_description.recall_50 - 0.0).abs() < 1e-9);
    }
}
