//! From the answers of a model to boxes. The arithmetic is pure and takes any numbers: a wrong length is an error, a value
//! that is not finite is no object.

mod candidate;
mod nanodet;
mod ssd;
mod yolox;

use crate::{
    error::VisionError,
    letterbox::Layout,
    session::{Answers, output},
};

use self::candidate::STRIDES;
pub(crate) use self::candidate::{Candidate, Least, WrongLength};

/// A model family: how its input is made and its answers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Nanodet,
    Ssd,
    Yolox,
}

impl Family {
    pub(crate) fn layout(self, height: usize, width: usize) -> Layout {
        let plain = Layout { height, width, bgr: true, mean: [0.0; 3], std: [1.0; 3], pad: 0.0, stretch: false };
        match self {
            Self::Nanodet => Layout { mean: [103.53, 116.28, 123.675], std: [57.375, 57.12, 58.395], ..plain },
            Self::Ssd => Layout { bgr: false, stretch: true, ..plain },
            Self::Yolox => Layout { pad: 114.0, ..plain },
        }
    }

    pub(crate) fn decode(
        self,
        answers: &Answers<'_>,
        layout: &Layout,
        least: Least,
        out: &mut Vec<Candidate>,
    ) -> Result<(), VisionError> {
        match self {
            Self::Nanodet => {
                for stride in STRIDES {
                    let (_, scores) = answers.get(&format!("cls_s{stride}"))?;
                    let (_, sides) = answers.get(&format!("dist_s{stride}"))?;
                    nanodet::decode(scores, sides, layout, stride, least, out).map_err(|e| answers.wrong(e))?;
                }
            }
            Self::Ssd => {
                for level in 0..ssd::LEVELS {
                    let (_, boxes) = answers.get(&format!("box_{level}"))?;
                    let (_, scores) = answers.get(&format!("cls_{level}"))?;
                    ssd::decode(boxes, scores, layout, level, least, out).map_err(|e| answers.wrong(e))?;
                }
            }
            Self::Yolox => {
                let (_, rows) = answers.first()?;
                yolox::decode(rows, layout, least, out).map_err(|e| answers.wrong(e))?;
            }
        }
        Ok(())
    }
}

impl Answers<'_> {
    fn wrong(&self, length: WrongLength) -> VisionError {
        output(self.name(), format!("{} values in place of {} for {}", length.got, length.want, length.what))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::Class;

    use super::*;

    fn hostile(len: usize) -> impl Strategy<Value = Vec<f32>> {
        let value = prop_oneof![
            4 => -20f32..20.0,
            1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(f32::MAX), Just(-1e30f32)],
        ];
        // Few values drawn, then repeated: whole tensors would take proptest minutes.
        prop::collection::vec(value, 97).prop_map(move |some| some.into_iter().cycle().take(len).collect())
    }

    fn sane(out: &[Candidate]) -> bool {
        out.iter()
            .all(|c| c.corners.iter().all(|v| v.is_finite()) && (0.0..=1.0).contains(&c.score) && c.corners[2] > c.corners[0])
    }

    proptest! {
        #[test]
        fn hostile_answers_give_sane_boxes_or_none(a in hostile(64 * 96 * 80 / 64), b in hostile(64 * 96 * 44 / 64), c in hostile(126 * 85)) {
            let mut out = Vec::new();
            let layout = Family::Nanodet.layout(64, 96);
            nanodet::decode(&a, &b, &layout, 8, Least::of_all(0.3), &mut out).unwrap();
            yolox::decode(&c, &layout, Least::of_all(0.3), &mut out).unwrap();
            let cells = ssd::cells(&layout, 0);
            let (boxes, scores) = (b.iter().cycle().take(cells * 4), a.iter().cycle().take(cells * 91));
            ssd::decode(&boxes.copied().collect::<Vec<_>>(), &scores.copied().collect::<Vec<_>>(), &layout, 0, Least::of_all(0.3), &mut out).unwrap();
            prop_assert!(sane(&out));
        }

        #[test]
        fn answers_of_a_wrong_length_are_an_error(n in 0usize..5000) {
            let layout = Family::Nanodet.layout(64, 96);
            let some = vec![0.5; n];
            let mut out = Vec::new();
            prop_assert!(nanodet::decode(&some, &some, &layout, 8, Least::of_all(0.3), &mut out).is_err());
            prop_assert!(ssd::decode(&some, &some, &layout, 1, Least::of_all(0.3), &mut out).is_err());
            prop_assert!(n == 126 * 85 || yolox::decode(&some, &layout, Least::of_all(0.3), &mut out).is_err());
        }
    }

    #[test]
    fn unwanted_classes_are_masked_before_the_best_is_chosen() {
        let layout = Family::Nanodet.layout(32, 32);
        let (mut scores, sides) = (vec![0.0; 16 * 80], vec![0.0; 16 * 44]);
        scores[5 * 80 + 62] = 0.9; // a television
        scores[5 * 80 + Class::Car.coco80()] = 0.4;
        let mut out = Vec::new();
        nanodet::decode(&scores, &sides, &layout, 8, Least::of_all(0.3), &mut out).unwrap();
        assert_eq!((out.len(), out[0].class, out[0].score), (1, Class::Car, 0.4));
    }
}
