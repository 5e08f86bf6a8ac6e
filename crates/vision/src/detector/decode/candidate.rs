//! Boxes as a model tells them, and what the families read alike.

use types::Class;

pub(super) const STRIDES: [usize; 3] = [8, 16, 32];

/// A box in pixels of the tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Left, top, right, bottom.
    pub(crate) corners: [f32; 4],
    pub(crate) score: f32,
    pub(crate) class: Class,
}

/// A tensor of another length than the input's size asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongLength {
    pub(crate) what: &'static str,
    pub(crate) want: usize,
    pub(crate) got: usize,
}

pub(crate) fn check(what: &'static str, want: usize, got: usize) -> Result<(), WrongLength> {
    if want == got { Ok(()) } else { Err(WrongLength { what, want, got }) }
}

/// What is wanted of an answer: a score above this, of one of these classes. A class that is not wanted hides none that is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Least {
    pub(crate) score: f32,
    pub(crate) of: &'static [Class],
}

impl Least {
    pub(crate) fn of_all(score: f32) -> Self {
        Self { score, of: Class::ALL }
    }
}

/// The best wanted class, by scores read through `score`; every other class is masked. Not-a-numbers never win.
pub(super) fn best(wanted: &[Class], score: impl Fn(Class) -> f32) -> (Class, f32) {
    let mut best = (Class::Person, f32::MIN);
    for &class in wanted {
        let s = score(class);
        if s > best.1 {
            best = (class, s);
        }
    }
    best
}

/// Keeps a candidate whose numbers make sense.
pub(super) fn push(out: &mut Vec<Candidate>, class: Class, score: f32, corners: [f32; 4]) {
    let sane = corners.iter().all(|v| v.is_finite() && v.abs() < 1e6) && corners[2] > corners[0] && corners[3] > corners[1];
    if sane && score.is_finite() {
        out.push(Candidate { corners, score: score.clamp(0.0, 1.0), class });
    }
}

pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
