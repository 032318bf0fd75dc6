//! The winner's curse, taken back: of many noisy means the best is best by luck, too.
//!
//! What all points together say is where means lie and how far apart the truth behind them can be; each mean is drawn
//! towards that by as much as its noise could have moved it (James and Stein 1961; in the form of Efron and Morris 1973,
//! around a regression line). Where noise is small beside the differences, which is what more seeds achieve, nothing
//! moves.

use super::confidence::Belief;

/// The beliefs after each objective's noisy means were drawn towards their regression on the other objectives.
pub(super) fn shrunken(points: &[Vec<Belief>], objectives: usize) -> Vec<Vec<Belief>> {
    let mut shrunken = points.to_vec();
    for objective in 0..objectives {
        let Some(prior) = Prior::of(points, objective, objectives) else { continue };
        for (belief, point) in shrunken.iter_mut().zip(points) {
            if let Some((belief, expected)) = belief.get_mut(objective).zip(prior.expect(point)) {
                *belief = drawn_towards(*belief, expected, prior.variance);
            }
        }
    }
    shrunken
}

fn drawn_towards(belief: Belief, expected: f64, variance: f64) -> Belief {
    match belief {
        Belief::Mean { mean, error, freedom, deviation } if error > 0.0 => {
            let weight = variance / (variance + error * error);
            Belief::Mean {
                mean: expected + weight * (mean - expected),
                error: error * weight.sqrt(),
                freedom,
                deviation,
            }
        }
        other => other,
    }
}

/// Where the truths of an objective lie before they are observed.
struct Prior {
    objective: usize,
    /// Of the other objectives; the last is the intercept.
    slopes: Vec<f64>,
    /// Of a truth around the line.
    variance: f64,
}

impl Prior {
    /// `None` where too few points have means with noise to tell.
    fn of(points: &[Vec<Belief>], objective: usize, objectives: usize) -> Option<Self> {
        let noisy = points.iter().filter_map(|point| match point.get(objective)? {
            Belief::Mean { mean, error, .. } if *error > 0.0 => {
                Some((features(point, objective)?, *mean, error * error))
            }
            _ => None,
        });
        let noisy: Vec<(Vec<f64>, f64, f64)> = noisy.collect();
        let freedom = noisy.len().checked_sub(objectives).filter(|freedom| *freedom >= 3)?;
        let slopes = least_squares(&noisy, objectives)?;
        let residual = |(features, mean, _): &(Vec<f64>, f64, f64)| mean - dot(features, &slopes);
        let spread = noisy.iter().map(|one| residual(one).powi(2)).sum::<f64>() / freedom as f64;
        let noise = noisy.iter().map(|(_, _, noise)| noise).sum::<f64>() / noisy.len() as f64;
        // Never so small that the truths would be taken for equal: a few points' spread is itself known badly.
        let variance = (spread - noise).max(spread * (2.0 / freedom as f64).min(1.0) / 2.0);
        (variance.is_finite() && variance > 0.0).then_some(Self { objective, slopes, variance })
    }

    fn expect(&self, point: &[Belief]) -> Option<f64> {
        Some(dot(&features(point, self.objective)?, &self.slopes))
    }
}

/// The point's values in the other objectives, in logarithms where they are rates, and a one.
fn features(point: &[Belief], objective: usize) -> Option<Vec<f64>> {
    let others = point.iter().enumerate().filter(|(index, _)| *index != objective);
    let mut features: Vec<f64> = others
        .map(|(_, belief)| match belief {
            Belief::Rate { median, .. } => median.ln(),
            other => other.centre(),
        })
        .collect();
    features.push(1.0);
    features.iter().all(|feature| feature.is_finite()).then_some(features)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The slopes of the line with the least squared residuals, by the normal equations of centred and scaled features;
/// a direction in which nothing differs has no slope.
fn least_squares(rows: &[(Vec<f64>, f64, f64)], width: usize) -> Option<Vec<f64>> {
    let mut matrix = vec![vec![0.0; width + 1]; width];
    let scale: Vec<f64> = (0..width)
        .map(|k| rows.iter().map(|(x, ..)| x.get(k).map_or(0.0, |x| x * x)).sum::<f64>().sqrt())
        .map(|norm| if norm > 0.0 { norm } else { 1.0 })
        .collect();
    for (features, mean, _) in rows {
        let scaled: Vec<f64> = features.iter().zip(&scale).map(|(x, s)| x / s).collect();
        for (row, a) in matrix.iter_mut().zip(&scaled) {
            for (cell, b) in row.iter_mut().zip(scaled.iter().chain([mean])) {
                *cell += a * b;
            }
        }
    }
    // A breath of ridge keeps equal columns apart.
    (0..width).for_each(|k| matrix[k][k] += 1e-9);
    for pivot in 0..width {
        let leading = matrix[pivot].clone();
        for row in matrix.iter_mut().skip(pivot + 1) {
            let factor = row[pivot] / leading[pivot];
            row.iter_mut().zip(&leading).for_each(|(cell, lead)| *cell -= factor * lead);
        }
    }
    let mut slopes = vec![0.0; width];
    for pivot in (0..width).rev() {
        let row = &matrix[pivot];
        let known: f64 = (pivot + 1..width).map(|k| row[k] * slopes[k]).sum();
        slopes[pivot] = (row[width] - known) / row[pivot];
    }
    slopes.iter_mut().zip(&scale).for_each(|(slope, scale)| *slope /= scale);
    slopes.iter().all(|slope| slope.is_finite()).then_some(slopes)
}
