//! What a search learns from examples: "more like these, and not like those".
//!
//! A candidate is as like as it is to the nearest of the examples that it is to be like, and a little less where one that it is
//! not to be like is nearer still. This is relevance feedback by nearest neighbours (Giacinto and Roli 2004; Giacinto, CIVR
//! 2007). It was chosen by measurement, on the synthetic town with an oracle that says yes or no to the first ten hits by words.
//! Recall of passes in the first 20 after that, through the command line, over both rendered seeds: .952, where asking by words
//! alone has .889. Offline on the same vectors, where what fits no word is listed last and not left out, and in brackets with
//! both seeds thrown together: words .896 [.835], the nearest yes .974 [.950], the same with the no's .974 [.952], Rocchio's mean
//! of the yes's less that of the no's (1971) .974 [.899], ridge and logistic rankings at most .949: ten verdicts are too few to
//! learn a direction from, and the no's look much like whom is looked for. For the same reason no's without a yes do not count,
//! except that none of them is a hit.
//!
//! Things carried count a little as well ([`score::with_things`]): of who is dressed alike, the one with the umbrella.
//!
//! It stays exact: the likeness grows with the cosine to the nearest example, which is what the index lists candidates by, and a
//! no and other things carried only take away.

use types::{Carried, Described, Embedding};

use crate::score;

/// How much of the likeness goes where a no is much nearer than any yes.
const TAKEN: f32 = 0.25;
/// How fast that comes, in cosines.
const STEP: f32 = 0.03;

/// What is known of an example.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    pub(crate) vector: Embedding,
    /// `None`: not known, as of a picture.
    pub(crate) carrying: Option<Vec<Described<Carried>>>,
}

/// Examples, their vectors of one model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learned {
    pub(crate) like: Vec<Example>,
    pub(crate) unlike: Vec<Example>,
}

impl Example {
    pub(crate) fn of_picture(vector: &Embedding) -> Self {
        Self { vector: vector.clone(), carrying: None }
    }

    /// The cosine to somebody, less for other things carried.
    fn near(&self, cosine: f32, carrying: &[Described<Carried>]) -> f32 {
        self.carrying.as_ref().map_or(cosine, |mine| score::with_things(cosine, mine, carrying))
    }
}

impl Learned {
    /// Whether there is nothing that a candidate can be like.
    pub(crate) fn is_nothing(&self) -> bool {
        self.like.is_empty()
    }

    /// Whether the likeness is more than the cosine to the nearest example, which an index lists.
    pub(crate) fn needs_vectors(&self) -> bool {
        let things_decide = self.like.len() > 1 && self.like.iter().any(|one| one.carrying.is_some());
        !self.like.is_empty() && (!self.unlike.is_empty() || things_decide)
    }

    /// Of a candidate that an index lists with this cosine, where that is all there is to know: see [`Self::needs_vectors`].
    pub(crate) fn listed(&self, cosine: f32, carrying: &[Described<Carried>]) -> f32 {
        score::likeness(self.like.first().map_or(cosine, |one| one.near(cosine, carrying)))
    }

    /// Of a candidate with this vector and these things, 0..1.
    pub(crate) fn likeness(&self, vector: &Embedding, carrying: &[Described<Carried>]) -> f32 {
        let near = |one: &Example| one.vector.similarity(vector).map(|cosine| one.near(cosine, carrying));
        let nearest = |some: &[Example]| some.iter().filter_map(near).max_by(f32::total_cmp);
        let Some(like) = nearest(&self.like) else { return 0.0 };
        let likeness = score::likeness(like);
        match nearest(&self.unlike) {
            Some(unlike) => likeness * (1.0 - TAKEN / (1.0 + ((like - unlike) / STEP).exp())),
            None => likeness,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::ModelDigest;

    use super::*;

    fn at(degrees: f32) -> Embedding {
        let radians = degrees.to_radians();
        Embedding::new(ModelDigest([1; 32]), vec![radians.cos(), radians.sin()]).unwrap()
    }

    #[test]
    fn the_nearest_yes_decides_and_a_nearer_no_takes_away() {
        let learned = |like: &[f32], unlike: &[f32]| Learned {
            like: like.iter().map(|d| Example::of_picture(&at(*d))).collect(),
            unlike: unlike.iter().map(|d| Example::of_picture(&at(*d))).collect(),
        };
        let of = |learned: &Learned, degrees: f32| learned.likeness(&at(degrees), &[]);
        let one = learned(&[0.0], &[]);
        assert!((of(&one, 10.0) - score::likeness(10f32.to_radians().cos())).abs() < 1e-5);
        let two = learned(&[0.0, 60.0], &[]);
        assert!(of(&two, 55.0) > 0.9 && of(&one, 55.0) < 0.1);
        let with_no = learned(&[0.0], &[20.0]);
        assert!(of(&with_no, 18.0) < 0.8 * of(&one, 18.0));
        assert!(of(&with_no, -18.0) > 0.99 * of(&one, -18.0), "it is far from the no");
        assert_eq!(of(&learned(&[], &[0.0]), 0.0), 0.0);
    }

    /// Of two who are dressed alike, the one who carries the same is more like, whichever example it is.
    #[test]
    fn things_carried_tell_apart_who_is_dressed_alike() {
        let carries = |word: Option<Carried>| word.map(|w| Described::new(w, 0.4)).into_iter().collect::<Vec<_>>();
        let example = |degrees, word| Example { vector: at(degrees), carrying: Some(carries(word)) };
        let one = Learned { like: vec![example(0.0, Some(Carried::Umbrella))], unlike: vec![] };
        let (same, none) = (carries(Some(Carried::Umbrella)), carries(None));
        assert!(one.likeness(&at(8.0), &same) > one.likeness(&at(3.0), &none));
        assert!((one.listed(at(0.0).similarity(&at(8.0)).unwrap(), &none) - one.likeness(&at(8.0), &none)).abs() < 1e-6);
        assert!(!one.needs_vectors());
        let two = Learned { like: vec![example(0.0, Some(Carried::Umbrella)), example(4.0, None)], unlike: vec![] };
        assert!(two.needs_vectors(), "which example is nearest depends on what is carried");
        assert!(two.likeness(&at(0.0), &same) > two.likeness(&at(4.0), &same));
        assert!(two.likeness(&at(4.0), &none) > two.likeness(&at(0.0), &none));
    }

    proptest! {
        /// Stopping early rests on this: what the index has not listed yet is no more like than its cosine allows.
        #[test]
        fn a_no_never_adds(c in -180f32..180.0, yes in -180f32..180.0, no in -180f32..180.0) {
            let with = Learned { like: vec![Example::of_picture(&at(yes))], unlike: vec![Example::of_picture(&at(no))] };
            let bound = score::likeness(at(yes).similarity(&at(c)).unwrap());
            let likeness = with.likeness(&at(c), &[]);
            prop_assert!(likeness <= bound && likeness >= (1.0 - TAKEN) * bound - 1e-6);
        }

        #[test]
        fn things_never_add(c in -180f32..180.0, yes in -180f32..180.0, mine in any::<bool>(), theirs in any::<bool>()) {
            let things = |some: bool| some.then(|| Described::new(Carried::Backpack, 0.5)).into_iter().collect::<Vec<_>>();
            let with = Learned { like: vec![Example { vector: at(yes), carrying: Some(things(mine)) }], unlike: vec![] };
            let cosine = at(yes).similarity(&at(c)).unwrap();
            prop_assert!(with.likeness(&at(c), &things(theirs)) <= score::likeness(cosine));
            prop_assert!(with.listed(cosine, &things(theirs)) <= score::likeness(cosine));
        }
    }
}
