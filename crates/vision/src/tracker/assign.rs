//! Cheapest one-to-one matching: the Hungarian method with potentials (Kuhn, 1955; Jonker and Volgenant, 1987), in O(n^3).

/// An impossible pair costs more than any number of possible ones, so that as many pairs as possible are made first.
const IMPOSSIBLE: f32 = 1e4;

/// `costs[row][column]`, `None` where the two can't be a pair, costs in 0..1. Returns the pairs.
pub(crate) fn cheapest(costs: &[Vec<Option<f32>>]) -> Vec<(usize, usize)> {
    let rows = costs.len();
    let columns = costs.first().map_or(0, Vec::len);
    // The method needs at least as many columns as rows: pad with columns nobody can pair with.
    let width = columns.max(rows);
    let cost = |row: usize, column: usize| costs[row].get(column).copied().flatten().unwrap_or(IMPOSSIBLE);
    // From 1; 0 stands for "none".
    let (mut u, mut v) = (vec![0.0f32; rows + 1], vec![0.0f32; width + 1]);
    let (mut partner, mut way) = (vec![0usize; width + 1], vec![0usize; width + 1]);
    for row in 1..=rows {
        partner[0] = row;
        let mut column = 0;
        let (mut least, mut used) = (vec![f32::INFINITY; width + 1], vec![false; width + 1]);
        loop {
            used[column] = true;
            let r = partner[column];
            let (mut delta, mut next) = (f32::INFINITY, 0);
            for j in 1..=width {
                if used[j] {
                    continue;
                }
                let reduced = cost(r - 1, j - 1) - u[r] - v[j];
                if reduced < least[j] {
                    least[j] = reduced;
                    way[j] = column;
                }
                if least[j] < delta {
                    delta = least[j];
                    next = j;
                }
            }
            for j in 0..=width {
                if used[j] {
                    u[partner[j]] += delta;
                    v[j] -= delta;
                } else {
                    least[j] -= delta;
                }
            }
            column = next;
            if partner[column] == 0 {
                break;
            }
        }
        while column != 0 {
            partner[column] = partner[way[column]];
            column = way[column];
        }
    }
    let possible = |row: usize, column: usize| costs[row].get(column).copied().flatten().is_some();
    let mut pairs: Vec<_> = (1..=width).filter(|&j| partner[j] > 0).map(|j| (partner[j] - 1, j - 1)).collect();
    pairs.retain(|&(row, column)| possible(row, column));
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every way to pair rows from `row` on with columns not in `used`: most pairs first, then the least cost.
    fn brute(costs: &[Vec<Option<f32>>], row: usize, used: u32) -> (usize, f32) {
        let Some(this) = costs.get(row) else { return (0, 0.0) };
        let mut best = brute(costs, row + 1, used);
        for (column, cost) in this.iter().enumerate() {
            if let Some(cost) = cost.filter(|_| used & 1 << column == 0) {
                let (pairs, sum) = brute(costs, row + 1, used | 1 << column);
                if pairs + 1 > best.0 || (pairs + 1 == best.0 && sum + cost < best.1) {
                    best = (pairs + 1, sum + cost);
                }
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_other_matching_has_more_pairs_or_costs_less(
            (rows, columns, values) in (1usize..6, 1usize..6).prop_flat_map(|(r, c)| {
                (Just(r), Just(c), prop::collection::vec(prop::option::weighted(0.7, 0f32..1.0), r * c))
            }),
        ) {
            let costs: Vec<Vec<_>> = values.chunks(columns).map(<[_]>::to_vec).collect();
            prop_assert_eq!(costs.len(), rows);
            let pairs = cheapest(&costs);
            let sum: f32 = pairs.iter().map(|&(r, c)| costs[r][c].unwrap()).sum();
            let (most, least) = brute(&costs, 0, 0);
            prop_assert_eq!(pairs.len(), most);
            prop_assert!((sum - least).abs() < 0.02, "{} {}", sum, least);
        }
    }
}
