//! Which single observation would settle most of what a front leaves undecided.
//!
//! What is undecided is the variance of membership, p (1 − p) summed over all points. Of one more observation only the
//! distribution is known: each draw says what would be seen if it were the truth. Draws that would show about the same
//! are what would remain likely afterwards, so the variance within such groups of draws, averaged, is what is left after
//! the observation (a preposterior analysis by binning, as Strong and Oakley 2013 do it for medical trials).

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::confidence::{Belief, Draws, SURE};

/// Groups of draws that would show about the same.
const GROUPS: usize = 20;

/// Observations that are weighed, those of the most undecided points first.
const WEIGHED: usize = 200;

/// An observation that could be made, and what it would settle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settling {
    /// The point that would be observed.
    pub point: usize,
    /// In which objective.
    pub objective: usize,
    /// The share of what is undecided that it is expected to settle.
    pub share: f64,
}

/// What is undecided: p (1 − p), summed over all points.
pub fn undecided(draws: &Draws, points: usize) -> f64 {
    (0..points).map(|point| draws.probability(point)).map(|p| p * (1.0 - p)).sum()
}

/// What one more observation of each noisy value is expected to settle, most first. Empty where nothing is
/// undecided.
pub fn settling(draws: &Draws, points: &[Vec<Belief>]) -> Vec<Settling> {
    let chance = |point: usize| draws.probability(point);
    let unsure: Vec<usize> =
        (0..points.len()).filter(|point| (1.0 - SURE..=SURE).contains(&chance(*point))).collect();
    let before: f64 = unsure.iter().map(|point| chance(*point)).map(|p| p * (1.0 - p)).sum();
    if before <= 0.0 {
        return Vec::new();
    }
    let memberships: Vec<Vec<bool>> = unsure.iter().map(|point| draws.on_front(*point).collect()).collect();
    let noisy = |point: usize| {
        points
            .get(point)
            .into_iter()
            .flatten()
            .enumerate()
            .filter(|(_, belief)| belief.is_noisy())
            .map(move |(k, b)| (point, k, *b))
    };
    let mut options: Vec<(usize, usize, Belief)> =
        (0..points.len()).filter(|point| chance(*point) > 0.0).flat_map(noisy).collect();
    let doubt = |point: usize| chance(point) * (1.0 - chance(point));
    options.sort_by(|a, b| doubt(b.0).total_cmp(&doubt(a.0)));
    options.truncate(WEIGHED);
    let mut stream = ChaCha8Rng::seed_from_u64(1);
    let mut weighed: Vec<Settling> = options
        .into_iter()
        .map(|(point, objective, belief)| {
            let mut seen: Vec<(f64, usize)> = draws
                .values(point, objective)
                .enumerate()
                .map(|(draw, truth)| (belief.observe(truth, &mut stream), draw))
                .collect();
            seen.sort_by(|a, b| a.0.total_cmp(&b.0));
            let size = seen.len().div_ceil(GROUPS).max(2);
            let after: f64 = memberships
                .iter()
                .map(|on_front| seen.chunks(size).map(|group| group_variance(group, on_front)).sum::<f64>())
                .sum();
            Settling { point, objective, share: (1.0 - after / draws.len() as f64 / before).max(0.0) }
        })
        .collect();
    weighed.sort_by(|a, b| b.share.total_cmp(&a.share));
    weighed
}

/// Variance of membership among the draws of a group, times their number; unbiased, since a few draws always seem to
/// agree more than all do.
fn group_variance(group: &[(f64, usize)], on_front: &[bool]) -> f64 {
    let size = group.len() as f64;
    let members = group.iter().filter(|(_, draw)| on_front.get(*draw) == Some(&true)).count() as f64;
    let share = members / size;
    if size < 2.0 { 0.0 } else { size * share * (1.0 - share) * size / (size - 1.0) }
}
