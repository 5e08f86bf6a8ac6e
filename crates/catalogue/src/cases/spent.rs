/// What searches took from a case's budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Searches, whatever they found.
    pub queries: u64,
    /// Hits handed out, and those reserved for searches that run.
    pub results: u64,
}
