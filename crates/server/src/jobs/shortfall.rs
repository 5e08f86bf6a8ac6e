//! What there was to see in a file and was not looked at, and what is not sure.

use std::time::Duration;

use catalogue::SegmentDone;
use pipeline::FootageSummary;

use super::ended::JobFailure;

/// Of the parts of a job that were looked at to their ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shortfall {
    /// Why the file ended early, if only its readable part was wanted.
    damage: Option<JobFailure>,
    /// From here on times are guesses.
    guessed: Option<Duration>,
    /// Pictures that were not looked at.
    unseen: u64,
}

impl From<&FootageSummary> for Shortfall {
    fn from(summary: &FootageSummary) -> Self {
        let damage = summary.damage.as_ref().map(JobFailure::of_media);
        Self { damage, guessed: summary.guessed, unseen: summary.unseen }
    }
}

/// As it was kept of a part that was done before a stop.
impl From<&SegmentDone> for Shortfall {
    fn from(done: &SegmentDone) -> Self {
        Self { damage: done.damage.as_deref().map(JobFailure::from_text), guessed: done.guessed, unseen: done.unseen }
    }
}

impl Shortfall {
    /// As it is kept with the part that it is of, for whoever goes on with the others.
    pub(super) fn kept(&self) -> SegmentDone {
        let Self { damage, guessed, unseen } = self;
        let damage = damage.as_ref().map(JobFailure::to_text);
        SegmentDone { damage, guessed: *guessed, unseen: *unseen, ..SegmentDone::default() }
    }

    /// Of another part too.
    pub(super) fn add(&mut self, other: Self) {
        let Self { damage, guessed, unseen } = other;
        self.damage = self.damage.take().or(damage);
        self.guessed = self.guessed.into_iter().chain(guessed).min();
        self.unseen += unseen;
    }

    /// For people; `left_out`: streams of pictures beside the one that was looked at.
    pub(super) fn told(self, left_out: &[String]) -> Option<JobFailure> {
        let Self { damage, guessed, unseen } = self;
        let guessed = guessed.map(|from| {
            JobFailure::new(
                format!(
                    "its clock starts again after {:.1} s, and how long it was away nobody can know: what comes after is dated as if \
                     it went on, an hour up or down",
                    from.as_secs_f64()
                ),
                "cut the file where its clock starts again, and add each piece with its own start",
            )
        });
        let unseen = (unseen > 0).then(|| {
            let (are, lack) = if unseen == 1 { ("picture was", "its") } else { ("pictures were", "their") };
            JobFailure::new(
                format!("{unseen} {are} not looked at, for want of {lack} key picture"),
                "the rest was looked at; where that matters, export the footage again from the recorder",
            )
        });
        let tracks = (!left_out.is_empty()).then(|| {
            JobFailure::new(
                format!("only its first stream of pictures was looked at; left out: {}", left_out.join(", ")),
                "export each of the others to a file of its own, and add that",
            )
        });
        // The hint of the worst.
        let all = damage.into_iter().chain(guessed).chain(unseen).chain(tracks);
        all.reduce(|worst, other| JobFailure::new(format!("{}; {}", worst.message, other.message), worst.hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_looked_at_in_any_part_is_told_at_once_and_nothing_where_all_was() {
        let mut all = Shortfall::default();
        assert_eq!(all.clone().told(&[]), None);
        all.add(Shortfall { unseen: 3, ..Shortfall::default() });
        all.add(Shortfall { unseen: 4, guessed: Some(Duration::from_secs(90)), ..Shortfall::default() });
        all.add(Shortfall { guessed: Some(Duration::from_secs(60)), ..Shortfall::default() });
        let told = all.told(&["stream 2 (H.264)".to_owned()]).unwrap();
        for part in ["after 60.0 s", "7 pictures were not looked at", "left out: stream 2 (H.264)"] {
            assert!(told.message.contains(part), "{told:?}");
        }
        assert!(told.hint.contains("cut the file"), "{told:?}");
        let one = Shortfall { unseen: 1, ..Shortfall::default() }.told(&[]).unwrap();
        assert!(one.message.starts_with("1 picture was not looked at, for want of its key"), "{one:?}");
    }

    #[test]
    fn what_is_kept_of_a_part_is_what_it_was() {
        let damage = Some(JobFailure::new("it ends after 8 s", "copy it again"));
        for part in [Shortfall::default(), Shortfall { damage, guessed: Some(Duration::from_millis(90_500)), unseen: 7 }] {
            assert_eq!(Shortfall::from(&part.kept()), part);
        }
    }

    #[test]
    fn damage_is_told_first_and_its_hint_stays() {
        let damage = Some(JobFailure::new("it ends after 8 s", "copy it again"));
        let told = Shortfall { damage, unseen: 2, ..Shortfall::default() }.told(&[]).unwrap();
        assert_eq!(told.hint, "copy it again");
        assert!(told.message.starts_with("it ends after 8 s; 2 pictures"), "{told:?}");
    }
}
