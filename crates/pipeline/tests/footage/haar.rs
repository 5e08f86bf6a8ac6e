//! A face finder that shares nothing with ours: the boosted cascades of Haar features that OpenCV ships (Viola and Jones,
//! 2001; Lienhart and Maydt, 2002), read from Debian's `opencv-data` and evaluated here as `detectMultiScale` does.

use std::path::Path;

/// Where Debian puts them.
const FOLDER: &str = "/usr/share/opencv4/haarcascades";

pub(crate) struct Cascade {
    width: usize,
    height: usize,
    stages: Vec<Stage>,
    features: Vec<Vec<Weighted>>,
}

struct Stage {
    threshold: f64,
    trees: Vec<Tree>,
}

struct Tree {
    nodes: Vec<Node>,
    leaves: Vec<f64>,
}

struct Node {
    /// Above 0: the next node; else a leaf, negated.
    below: i32,
    above: i32,
    feature: usize,
    threshold: f64,
}

struct Weighted {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    weight: f64,
}

/// As OpenCV's users have them: a window a tenth larger each time, and at least four windows that agree.
const LARGER: f64 = 1.1;
const VOTES: usize = 4;

impl Cascade {
    /// `None`, with a word about it, where the package is not installed.
    pub(crate) fn load(name: &str) -> Option<Self> {
        let folder = std::env::var_os("SIGHTLINE_HAAR").map_or(FOLDER.into(), std::path::PathBuf::from);
        let file = Path::new(&folder).join(name);
        let Ok(xml) = std::fs::read_to_string(&file) else {
            eprintln!("SKIPPED: {} is not here; install Debian's opencv-data, or set SIGHTLINE_HAAR", file.display());
            return None;
        };
        Some(Self::parse(&xml))
    }

    fn parse(xml: &str) -> Self {
        let (stages, features) = xml.split_once("<features>").unwrap();
        let side = |tag| numbers(within(stages, tag).next().unwrap())[0] as usize;
        let tree = |(nodes, leaves): (&str, &str)| Tree {
            nodes: numbers(nodes)
                .chunks_exact(4)
                .map(|n| Node { below: n[0] as i32, above: n[1] as i32, feature: n[2] as usize, threshold: n[3] })
                .collect(),
            leaves: numbers(leaves),
        };
        let stage = |text: &str| Stage {
            threshold: numbers(text.split_once('<').unwrap().0)[0],
            trees: within(text, "internalNodes").zip(within(text, "leafValues")).map(tree).collect(),
        };
        let rect = |n: &[f64]| Weighted {
            x: n[0] as usize,
            y: n[1] as usize,
            width: n[2] as usize,
            height: n[3] as usize,
            weight: n[4],
        };
        let feature = |text: &str| {
            assert!(!text.contains("<tilted>1"), "upright features alone are read");
            within(text, "_").map(|r| rect(&numbers(r.rsplit("<_>").next().unwrap()))).collect()
        };
        Self {
            width: side("width"),
            height: side("height"),
            stages: stages.split("<stageThreshold>").skip(1).map(stage).collect(),
            features: features.split("<rects>").skip(1).map(feature).collect(),
        }
    }

    /// Squares that look like faces in a grey picture: left, top, side, and how many windows agree.
    pub(crate) fn find(&self, grey: &[u8], width: usize, height: usize) -> Vec<([f32; 3], usize)> {
        let mut windows = Vec::new();
        let mut scale = 1.0;
        loop {
            let (w, h) = ((width as f64 / scale).round() as usize, (height as f64 / scale).round() as usize);
            if w < self.width || h < self.height {
                break;
            }
            let sums = Sums::new(&shrunk(grey, width, height, w, h), w, h);
            let step = if scale > 2.0 { 1 } else { 2 };
            for y in (0..=h - self.height).step_by(step) {
                for x in (0..=w - self.width).step_by(step) {
                    if self.passes(&sums, x, y) {
                        windows.push((x as f64 * scale, y as f64 * scale, self.width as f64 * scale));
                    }
                }
            }
            scale *= LARGER;
        }
        agreed(&windows)
    }

    fn passes(&self, sums: &Sums, x: usize, y: usize) -> bool {
        // Contrast is taken out over the window less a border of one pixel.
        let (w, h) = (self.width - 2, self.height - 2);
        let area = (w * h) as f64;
        let (sum, squares) = (sums.of(x + 1, y + 1, w, h), sums.squares_of(x + 1, y + 1, w, h));
        let spread = area * squares - sum * sum;
        if spread <= 0.0 {
            return false;
        }
        let contrast = 1.0 / spread.sqrt();
        if area * contrast >= 0.1 {
            return false;
        }
        let value = |feature: usize| -> f64 {
            let sum = |r: &Weighted| r.weight * sums.of(x + r.x, y + r.y, r.width, r.height);
            self.features[feature].iter().map(sum).sum::<f64>() * contrast
        };
        self.stages.iter().all(|stage| {
            let total: f64 = stage.trees.iter().map(|tree| tree.leaves[tree.leaf(&value)]).sum();
            total >= stage.threshold - 1e-5
        })
    }
}

impl Tree {
    fn leaf(&self, value: &impl Fn(usize) -> f64) -> usize {
        let mut at = 0i32;
        loop {
            let node = &self.nodes[at as usize];
            at = if value(node.feature) < node.threshold { node.below } else { node.above };
            if at <= 0 {
                return at.unsigned_abs() as usize;
            }
        }
    }
}

/// Sums of everything above and to the left.
struct Sums {
    stride: usize,
    plain: Vec<f64>,
    squared: Vec<f64>,
}

impl Sums {
    fn new(grey: &[f64], width: usize, height: usize) -> Self {
        let stride = width + 1;
        let (mut plain, mut squared) = (vec![0.0; stride * (height + 1)], vec![0.0; stride * (height + 1)]);
        for y in 0..height {
            let (mut row, mut row_squared) = (0.0, 0.0);
            for x in 0..width {
                let v = grey[y * width + x];
                row += v;
                row_squared += v * v;
                let at = (y + 1) * stride + x + 1;
                plain[at] = plain[at - stride] + row;
                squared[at] = squared[at - stride] + row_squared;
            }
        }
        Self { stride, plain, squared }
    }

    fn of(&self, x: usize, y: usize, w: usize, h: usize) -> f64 {
        Self::sum(&self.plain, self.stride, x, y, w, h)
    }

    fn squares_of(&self, x: usize, y: usize, w: usize, h: usize) -> f64 {
        Self::sum(&self.squared, self.stride, x, y, w, h)
    }

    fn sum(table: &[f64], stride: usize, x: usize, y: usize, w: usize, h: usize) -> f64 {
        let at = |x: usize, y: usize| table[y * stride + x];
        at(x + w, y + h) - at(x, y + h) - at(x + w, y) + at(x, y)
    }
}

/// The texts between `<tag>` and the next `</tag>`.
fn within<'a>(xml: &'a str, tag: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    xml.split(&open).skip(1).filter_map(move |rest| rest.split_once(&close).map(|(text, _)| text)).collect::<Vec<_>>().into_iter()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace().map(|n| n.parse().unwrap()).collect()
}

/// Bilinear; rounded to whole levels, as a picture of bytes is.
fn shrunk(grey: &[u8], width: usize, height: usize, w: usize, h: usize) -> Vec<f64> {
    let taps = |to: usize, from: usize| -> Vec<(usize, usize, f64)> {
        let step = from as f64 / to as f64;
        let tap = |i: usize| {
            let at = ((i as f64 + 0.5) * step - 0.5).clamp(0.0, (from - 1) as f64);
            (at as usize, (at as usize + 1).min(from - 1), at.fract())
        };
        (0..to).map(tap).collect()
    };
    let (columns, rows) = (taps(w, width), taps(h, height));
    let mut out = Vec::with_capacity(w * h);
    for &(top, low, down) in &rows {
        for &(left, right, along) in &columns {
            let at = |x: usize, y: usize| f64::from(grey[y * width + x]);
            let mix = |a: f64, b: f64, share: f64| a + (b - a) * share;
            out.push(mix(mix(at(left, top), at(right, top), along), mix(at(left, low), at(right, low), along), down).round());
        }
    }
    out
}

/// Windows in about the same place are one face if there are enough of them.
fn agreed(windows: &[(f64, f64, f64)]) -> Vec<([f32; 3], usize)> {
    let near = |a: &(f64, f64, f64), b: &(f64, f64, f64)| {
        let slack = 0.2 * a.2.min(b.2);
        (a.0 - b.0).abs() <= slack
            && (a.1 - b.1).abs() <= slack
            && (a.0 + a.2 - b.0 - b.2).abs() <= slack
            && (a.1 + a.2 - b.1 - b.2).abs() <= slack
    };
    let mut group: Vec<usize> = (0..windows.len()).collect();
    for i in 0..windows.len() {
        for j in 0..i {
            if near(&windows[i], &windows[j]) && group[i] != group[j] {
                let (from, to) = (group[i], group[j]);
                group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
            }
        }
    }
    let mut hits = Vec::new();
    for g in 0..windows.len() {
        let members: Vec<_> = windows.iter().zip(&group).filter(|(_, of)| **of == g).map(|(w, _)| w).collect();
        if members.len() >= VOTES {
            let mean = |get: fn(&(f64, f64, f64)) -> f64| members.iter().map(|w| get(w)).sum::<f64>() / members.len() as f64;
            hits.push(([mean(|w| w.0), mean(|w| w.1), mean(|w| w.2)].map(|v| v as f32), members.len()));
        }
    }
    hits
}
