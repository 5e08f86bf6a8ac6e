/// Names everything between the crop and the vector but the backbone's weights and the projection. Change it with any
/// change of a constant or a step: vectors of two recipes must never be compared.
pub(super) const RECIPE: &str = "sightline appearance 5";
