//! Whether one thing is better than another, from differences at equal everything else.

use super::interval::{Interval, mean, standard_deviation, student, student_quantile};

/// Observations that a comparison may still ask for.
const MOST: usize = 1000;

/// What paired differences say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// How many there are.
    pub pairs: usize,
    /// Their mean.
    pub mean: f64,
    /// Its 95 % interval, Student's; `None` of a single pair.
    pub interval: Option<Interval>,
    /// Of how many the difference is above zero.
    pub positive: usize,
    /// Of how many it is below.
    pub negative: usize,
    /// Whether the interval leaves zero out.
    pub decision: Decision,
    /// Where it does not: how many more pairs would narrow the interval so far that it does, if mean and deviation
    /// stay what they are. `None` of a single pair, without a difference, or beyond a thousand.
    pub more: Option<usize>,
}

/// Which of two is larger, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The differences are above zero.
    Larger,
    /// They are below.
    Smaller,
    /// Zero is among what they may be.
    Undecided,
}

impl Decision {
    /// What an interval of a difference decides.
    pub fn of(interval: Interval) -> Self {
        match interval {
            Interval { low, .. } if low > 0.0 => Decision::Larger,
            Interval { high, .. } if high < 0.0 => Decision::Smaller,
            _ => Decision::Undecided,
        }
    }
}

/// Judges `differences`. `None` without any, or where one is not finite.
pub fn paired(differences: &[f64]) -> Option<Paired> {
    let mean = mean(differences)?;
    let interval = student(differences);
    let decision = interval.map_or(Decision::Undecided, Decision::of);
    let count = |side: fn(&&f64) -> bool| differences.iter().filter(side).count();
    Some(Paired {
        pairs: differences.len(),
        mean,
        interval,
        positive: count(|difference| **difference > 0.0),
        negative: count(|difference| **difference < 0.0),
        decision,
        more: (decision == Decision::Undecided).then(|| more(differences)).flatten(),
    })
}

/// Probability that a fair coin falls at least as unevenly as the signs of the differences do, both sides: the sign
/// test, ties left out. One without a difference.
pub fn sign_test(positive: usize, negative: usize) -> f64 {
    let (count, fewer) = (positive + negative, positive.min(negative));
    let mut term = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut below = 0.0;
    for heads in 0..=fewer {
        below += term;
        term *= (count - heads) as f64 / (heads + 1) as f64;
    }
    (2.0 * below).min(1.0)
}

fn more(differences: &[f64]) -> Option<usize> {
    let (mean, deviation) = (mean(differences)?.abs(), standard_deviation(differences)?);
    let enough = |count: usize| student_quantile(count - 1) * deviation / (count as f64).sqrt() < mean;
    let known = differences.len();
    if mean == 0.0 || !enough(known + MOST) {
        return None;
    }
    let (mut few, mut many) = (known, known + MOST);
    while many - few > 1 {
        let middle = usize::midpoint(few, many);
        if enough(middle) { many = middle } else { few = middle }
    }
    Some(many - known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_on_one_side_of_zero_decide() {
        let judged = paired(&[0.02, 0.03, 0.025]).unwrap();
        assert_eq!((judged.decision, judged.more, judged.positive), (Decision::Larger, None, 3));
        assert_eq!(paired(&[-0.02, -0.03, -0.025]).unwrap().decision, Decision::Smaller);
    }

    #[test]
    fn what_is_not_decided_says_how_many_more_would() {
        let differences = [0.0, 0.02, 0.01];
        let judged = paired(&differences).unwrap();
        assert_eq!(judged.decision, Decision::Undecided);
        // With n pairs of mean 0.01 and deviation 0.01 the interval leaves zero out from n = 7 on: 2.447 / √7 < 1.
        assert_eq!(judged.more, Some(4));
        assert_eq!(paired(&[1.0, -1.0]).unwrap().more, None);
    }

    #[test]
    fn one_pair_decides_nothing() {
        let judged = paired(&[0.5]).unwrap();
        assert_eq!((judged.interval, judged.decision, judged.more), (None, Decision::Undecided, None));
        assert_eq!((paired(&[]), paired(&[f64::NAN, 1.0])), (None, None));
    }

    /// `scipy.stats.binomtest(k, n).pvalue`.
    #[test]
    fn signs_are_tested_like_coins() {
        for (positive, negative, expected) in
            [(5, 0, 0.0625), (9, 1, 0.021_484_375), (3, 3, 1.0), (0, 0, 1.0), (12, 4, 0.076_812_744_140_625)]
        {
            assert!((sign_test(positive, negative) - expected).abs() < 1e-12, "{positive}:{negative}");
        }
    }
}
