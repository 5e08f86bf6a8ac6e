/// What searches took from a case's budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    pub queries: u64,
    pub results: u64,
}
