/// Names everything between the crop and the vector but the models' weights and the projection. Change it with any
/// change of a constant or a step: vectors of two recipes must never be compared.
pub(super) const RECIPE: &str = "sightline appearance 6";

/// The recipe before, which a projection may still name: a deployment keeps it until somebody reindexes.
pub(super) const BEFORE: &str = "sightline appearance 5";
