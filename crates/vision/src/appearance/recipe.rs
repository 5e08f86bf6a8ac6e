/// Everything between the crop and the vector but the models' weights and the projection. Add one with any change of a constant or a
/// step: vectors of two recipes must never be compared. A deployment keeps the one that made its vectors until somebody reindexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recipe {
    /// Stripes of the box.
    Five,
    /// Bands of the mask.
    Six,
    /// The same, exposed alike.
    Seven,
}

impl Recipe {
    /// The one of new deployments.
    pub(super) const NOW: Self = Self::Seven;
    /// The others that a projection may name, the newest first.
    pub(super) const BEFORE: [Self; 2] = [Self::Six, Self::Five];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Five => "sightline appearance 5",
            Self::Six => "sightline appearance 6",
            Self::Seven => "sightline appearance 7",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::NOW].into_iter().chain(Self::BEFORE).find(|recipe| recipe.name() == name)
    }

    /// Whether it tells the figure from its surroundings by a mask.
    pub(super) const fn sees(self) -> bool {
        !matches!(self, Self::Five)
    }
}
