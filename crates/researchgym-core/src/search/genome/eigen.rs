//! Eigenvalues and eigenvectors of a symmetric matrix by cyclic rotations (Jacobi 1846; Golub and Van Loan, "Matrix
//! Computations", section 8.5). Meant for at most some hundred rows: it takes about ten sweeps of `n^3` steps.

/// The most sweeps over all pairs.
const MOST_SWEEPS: usize = 60;

/// Eigenvalues, and the eigenvectors to them as rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Vec<f64>,
}

/// Decomposes a symmetric matrix of `n` rows, given row by row.
pub(crate) fn decomposed(mut matrix: Vec<f64>, n: usize) -> Eigen {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|at| vectors[at * n + at] = 1.0);
    for _ in 0..MOST_SWEEPS {
        let beside: f64 = (0..n).flat_map(|row| matrix[row * n..row * n + row].iter()).map(|x| x * x).sum();
        let on: f64 = (0..n).map(|at| matrix[at * n + at].powi(2)).sum();
        if beside <= on * 1e-32 || !beside.is_finite() {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut matrix, &mut vectors, n, (p, q));
            }
        }
    }
    Eigen { values: (0..n).map(|at| matrix[at * n + at]).collect(), vectors }
}

/// The rotation that makes one element zero.
fn rotate(matrix: &mut [f64], vectors: &mut [f64], n: usize, (p, q): (usize, usize)) {
    let element = matrix[p * n + q];
    let (first, second) = (matrix[p * n + p], matrix[q * n + q]);
    if element == 0.0 || element.abs() < 1e-18 * (first * second).abs().sqrt() {
        return;
    }
    let theta = (second - first) / (2.0 * element);
    let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    let sine = tangent * cosine;
    let turn = |one: &mut f64, other: &mut f64| {
        let (before, beside) = (*one, *other);
        *one = cosine * before - sine * beside;
        *other = sine * before + cosine * beside;
    };
    for rows in [&mut *matrix, vectors] {
        let (upper, lower) = rows.split_at_mut(q * n);
        upper[p * n..(p + 1) * n].iter_mut().zip(&mut lower[..n]).for_each(|(one, other)| turn(one, other));
    }
    for row in matrix.chunks_exact_mut(n) {
        let (left, right) = row.split_at_mut(q);
        turn(&mut left[p], &mut right[0]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_matrices_have_their_known_values() {
        for (matrix, n, expected) in [
            (vec![3.0], 1, vec![3.0]),
            (vec![2.0, 1.0, 1.0, 2.0], 2, vec![1.0, 3.0]),
            (
                vec![2.0, -1.0, 0.0, -1.0, 2.0, -1.0, 0.0, -1.0, 2.0],
                3,
                vec![2.0 - 2.0_f64.sqrt(), 2.0, 2.0 + 2.0_f64.sqrt()],
            ),
        ] {
            let mut values = decomposed(matrix, n).values;
            values.sort_by(f64::total_cmp);
            assert!(
                values.iter().zip(&expected).all(|(one, other)| (one - other).abs() < 1e-12),
                "{values:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_parts_come_together_again(n in 1..12_usize, seed in any::<u64>()) {
            let mut random = crate::search::Stream::new(seed, "test", 0);
            let mut matrix = vec![0.0; n * n];
            for row in 0..n {
                for column in 0..=row {
                    let value = random.normal() * 10_f64.powf(random.between(-3.0, 3.0));
                    matrix[row * n + column] = value;
                    matrix[column * n + row] = value;
                }
            }
            let size = matrix.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let Eigen { values, vectors } = decomposed(matrix.clone(), n);
            for row in 0..n {
                for column in 0..n {
                    let sum: f64 = (0..n).map(|k| values[k] * vectors[k * n + row] * vectors[k * n + column]).sum();
                    prop_assert!((sum - matrix[row * n + column]).abs() < 1e-10 * size);
                }
            }
        }
    }
}
