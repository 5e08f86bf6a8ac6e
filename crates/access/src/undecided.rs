use types::Sighting;

/// A sighting that somebody asked to look at, read so that the gate can decide whether they may. Only the gate opens it: whoever
/// carries it there learns nothing of it.
///
/// ```compile_fail
/// fn opened(read: &access::Undecided) -> &types::Sighting { read.sighting() }
/// ```
pub struct Undecided(Sighting);

impl Undecided {
    /// Closes up a sighting that the catalogue has under the id that was asked for.
    pub fn new(sighting: Sighting) -> Self {
        Self(sighting)
    }

    pub(crate) fn sighting(&self) -> &Sighting {
        &self.0
    }
}

impl std::fmt::Debug for Undecided {
    /// Nothing of what was seen.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Undecided({})", self.0.id)
    }
}
