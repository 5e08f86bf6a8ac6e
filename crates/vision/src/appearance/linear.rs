//! The little linear algebra that a fit needs, in doubles, on square matrices stored row by row.

/// A symmetric matrix, all of it stored.
#[derive(Debug, Clone)]
pub(super) struct Symmetric {
    pub(super) n: usize,
    pub(super) values: Vec<f64>,
}

impl Symmetric {
    pub(super) fn zeros(n: usize) -> Self {
        Self { n, values: vec![0.0; n * n] }
    }

    /// Adds `x xᵀ`.
    pub(super) fn add_outer(&mut self, x: &[f64]) {
        for (row, &v) in self.values.chunks_exact_mut(self.n).zip(x) {
            if v != 0.0 {
                row.iter_mut().zip(x).for_each(|(a, b)| *a += v * b);
            }
        }
    }

    pub(super) fn scale(&mut self, by: f64) {
        self.values.iter_mut().for_each(|v| *v *= by);
    }

    pub(super) fn trace(&self) -> f64 {
        (0..self.n).map(|i| self.values[i * self.n + i]).sum()
    }

    pub(super) fn add_to_diagonal(&mut self, v: f64) {
        (0..self.n).for_each(|i| self.values[i * self.n + i] += v);
    }

    /// The lower triangle L with `L Lᵀ` = this; `None` unless this is positive definite.
    pub(super) fn cholesky(&self) -> Option<Lower> {
        let n = self.n;
        let mut l = vec![0.0f64; n * n];
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = l[i * n..i * n + j].iter().zip(&l[j * n..j * n + j]).map(|(a, b)| a * b).sum();
                let v = self.values[i * n + j] - dot;
                if i == j {
                    if v.is_nan() || v <= 0.0 {
                        return None;
                    }
                    l[i * n + i] = v.sqrt();
                } else {
                    l[i * n + j] = v / l[j * n + j];
                }
            }
        }
        Some(Lower { n, values: l })
    }

    /// Eigenvalues, largest first, and their unit eigenvectors, by cyclic Jacobi rotations (Golub and Van Loan, "Matrix
    /// Computations", 8.5): slow beside other methods, but short, and exact to rounding.
    pub(super) fn eigen(mut self) -> Vec<(f64, Vec<f64>)> {
        let n = self.n;
        let a = &mut self.values;
        let mut vectors = vec![0.0; n * n];
        (0..n).for_each(|i| vectors[i * n + i] = 1.0);
        let total: f64 = a.iter().map(|v| v * v).sum();
        for _ in 0..SWEEPS {
            let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j] * a[i * n + j]).sum();
            if off <= total * 1e-20 {
                break;
            }
            for p in 0..n {
                for q in p + 1..n {
                    let apq = a[p * n + q];
                    if apq * apq <= total * 1e-26 {
                        continue;
                    }
                    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                    let c = 1.0 / t.hypot(1.0);
                    let s = t * c;
                    for k in 0..n {
                        let (x, y) = (a[k * n + p], a[k * n + q]);
                        a[k * n + p] = c * x - s * y;
                        a[k * n + q] = s * x + c * y;
                    }
                    rotate_rows(a, n, (p, q), (c, s));
                    rotate_rows(&mut vectors, n, (p, q), (c, s));
                }
            }
        }
        let mut pairs: Vec<(f64, Vec<f64>)> = (0..n).map(|i| (a[i * n + i], vectors[i * n..][..n].to_vec())).collect();
        pairs.sort_by(|x, y| y.0.total_cmp(&x.0));
        pairs
    }
}

/// More than enough: convergence is quadratic after a few.
const SWEEPS: usize = 30;

fn rotate_rows(m: &mut [f64], n: usize, (p, q): (usize, usize), (c, s): (f64, f64)) {
    let (above, below) = m.split_at_mut(q * n);
    for (x, y) in above[p * n..][..n].iter_mut().zip(&mut below[..n]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// A lower triangle with a positive diagonal.
pub(super) struct Lower {
    n: usize,
    values: Vec<f64>,
}

impl Lower {
    /// `L⁻¹ x`.
    pub(super) fn solve(&self, x: &[f64]) -> Vec<f64> {
        let mut y = x.to_vec();
        for i in 0..self.n {
            let row = &self.values[i * self.n..][..=i];
            let dot: f64 = row[..i].iter().zip(&y).map(|(a, b)| a * b).sum();
            y[i] = (y[i] - dot) / row[i];
        }
        y
    }

    /// `L⁻ᵀ x`.
    pub(super) fn solve_transposed(&self, x: &[f64]) -> Vec<f64> {
        let mut y = x.to_vec();
        for i in (0..self.n).rev() {
            let row = &self.values[i * self.n..][..=i];
            y[i] /= row[i];
            let v = y[i];
            y[..i].iter_mut().zip(row).for_each(|(a, b)| *a -= v * b);
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn random(n: usize, seed: &[f64]) -> Symmetric {
        let mut m = Symmetric::zeros(n);
        seed.chunks_exact(n).for_each(|x| m.add_outer(x));
        m
    }

    proptest! {
        #[test]
        fn eigenvectors_rebuild_the_matrix(seed in prop::collection::vec(-1f64..1.0, 7 * 9)) {
            let n = 7;
            let m = random(n, &seed);
            let pairs = m.clone().eigen();
            prop_assert!(pairs.windows(2).all(|w| w[0].0 >= w[1].0));
            for i in 0..n {
                for j in 0..n {
                    let rebuilt: f64 = pairs.iter().map(|(value, v)| value * v[i] * v[j]).sum();
                    prop_assert!((rebuilt - m.values[i * n + j]).abs() < 1e-9);
                }
            }
        }

        #[test]
        fn a_triangle_is_undone(seed in prop::collection::vec(-1f64..1.0, 7 * 9), x in prop::collection::vec(-1f64..1.0, 7)) {
            let n = 7;
            let mut m = random(n, &seed);
            m.add_to_diagonal(0.1);
            // M⁻¹ x = L⁻ᵀ L⁻¹ x.
            let l = m.cholesky().unwrap();
            let y = l.solve_transposed(&l.solve(&x));
            for (i, wanted) in x.iter().enumerate() {
                let back: f64 = m.values[i * n..][..n].iter().zip(&y).map(|(a, b)| a * b).sum();
                prop_assert!((back - wanted).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_has_no_triangle() {
        let mut m = Symmetric::zeros(2);
        m.add_outer(&[1.0, 1.0]);
        m.add_to_diagonal(-0.1);
        assert!(m.cholesky().is_none());
    }
}
