//! Target distributions.

/// Rows `(n, classes)`: `1 − smoothing` at the label, `smoothing / (classes − 1)` elsewhere, as in the paper's
/// code (not `smoothing / classes`).
pub fn smoothed(labels: &[usize], classes: usize, smoothing: f64) -> Vec<f32> {
    let off = if classes > 1 { smoothing / (classes - 1) as f64 } else { 0.0 };
    let mut targets = vec![off as f32; labels.len() * classes];
    for (row, label) in targets.chunks_exact_mut(classes).zip(labels) {
        row[*label] = (1.0 - smoothing) as f32;
    }
    targets
}

/// Place of the largest value of each row.
pub(super) fn largest(rows: &[f32], classes: usize) -> impl Iterator<Item = usize> {
    rows.chunks_exact(classes)
        .map(move |row| (0..classes).fold(0, |best, index| if row[index] > row[best] { index } else { best }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sum_to_one_and_peak_at_the_label() {
        let rows = smoothed(&[2, 0], 5, 0.1);
        assert_eq!(&rows[..5], [0.025, 0.025, 0.9, 0.025, 0.025]);
        assert_eq!(largest(&rows, 5).collect::<Vec<_>>(), [2, 0]);
        assert!(rows.chunks(5).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
    }
}
