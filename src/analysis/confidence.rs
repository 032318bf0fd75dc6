//! How sure it is that a point is on the front, where its values are known up to noise.
//!
//! What is known of a value is a [`Belief`]. All points are drawn from their beliefs many times, each time the
//! front is found, and the share of draws in which a point is on it is its probability: a parametric bootstrap. (The
//! plain bootstrap, which draws from the values themselves, has with three seeds ten outcomes and four fifths of the
//! spread.) Before that, noisy means are drawn together by as much as noise has driven them apart, see `shrinkage`. The stream of draws is fixed, so the same results give the same probabilities.

use std::cmp::Ordering;
use std::collections::HashMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};

use super::pareto::{Direction, front};
use super::shrinkage::shrunken;

/// Probability from which a point counts as on the front, and below whose complement as beaten.
pub const SURE: f64 = 0.95;

/// Draws, unless there are so many points that they would not fit in memory.
const DRAWS: usize = 4000;

/// Values of all draws together.
const VALUES: usize = 32_000_000;

/// What is known of one value of one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Belief {
    /// Nothing: the point cannot be compared.
    Missing,
    /// Itself.
    Exact(f64),
    /// A mean of observations with Gaussian noise.
    Mean {
        /// The mean.
        mean: f64,
        /// Its deviation.
        error: f64,
        /// Degrees of freedom with which that is known; infinite where it is given.
        freedom: f64,
        /// Deviation of one more observation.
        deviation: f64,
    },
    /// A positive number known up to a factor.
    Rate {
        /// The middle.
        median: f64,
        /// Deviation of its logarithm.
        error: f64,
        /// Deviation of the logarithm of one more observation.
        deviation: f64,
        /// What was observed. Points with one source have one truth: they are drawn alike.
        source: usize,
    },
}

impl Belief {
    /// The single best value; NaN if there is none.
    pub fn centre(self) -> f64 {
        match self {
            Belief::Missing => f64::NAN,
            Belief::Exact(value) => value,
            Belief::Mean { mean, .. } => mean,
            Belief::Rate { median, .. } => median,
        }
    }

    /// Whether another observation could tell more.
    pub fn is_noisy(self) -> bool {
        match self {
            Belief::Missing | Belief::Exact(_) => false,
            Belief::Mean { error, .. } | Belief::Rate { error, .. } => error > 0.0,
        }
    }

    fn draw(self, stream: &mut ChaCha8Rng) -> f64 {
        match self {
            Belief::Missing => f64::NAN,
            Belief::Exact(value) => value,
            Belief::Mean { mean, error, freedom, .. } => mean + error * student(freedom, stream),
            Belief::Rate { median, error, .. } => median * (error * normal(stream)).exp(),
        }
    }

    /// One more observation, if `truth` is what it observes.
    pub(super) fn observe(self, truth: f64, stream: &mut ChaCha8Rng) -> f64 {
        match self {
            Belief::Missing | Belief::Exact(_) => truth,
            Belief::Mean { deviation, .. } => truth + deviation * normal(stream),
            Belief::Rate { deviation, .. } => truth * (deviation * normal(stream)).exp(),
        }
    }
}

fn normal(stream: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(stream)
}

/// Student's distribution; a normal one without a number of degrees of freedom.
fn student(freedom: f64, stream: &mut ChaCha8Rng) -> f64 {
    let z = normal(stream);
    match ChiSquared::new(freedom) {
        Ok(squares) if freedom.is_finite() => z / (squares.sample(stream) / freedom).sqrt(),
        _ => z,
    }
}

/// What the draws say of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Share of draws in which it is on the front.
    pub probability: f64,
    /// What that amounts to.
    pub verdict: Verdict,
    /// Of the points that beat it by their best values, the one that does so in most draws, and in what share.
    pub beaten_by: Option<(usize, f64)>,
}

/// Whether a point is on the front, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// With a probability of at least [`SURE`].
    Frontier,
    /// It may be.
    Undecided,
    /// It is not, with at least that probability.
    Dominated,
}

impl Verdict {
    fn of(probability: f64) -> Self {
        if probability >= SURE {
            Verdict::Frontier
        } else if probability <= 1.0 - SURE {
            Verdict::Dominated
        } else {
            Verdict::Undecided
        }
    }
}

/// All points, drawn many times from what is known of them.
#[derive(Debug, Clone)]
pub struct Draws {
    points: usize,
    directions: Vec<Direction>,
    /// For each draw, for each point, its values.
    values: Vec<f64>,
    /// For each draw, for each point, whether it is on the front.
    on_front: Vec<bool>,
    centres: Vec<Vec<f64>>,
}

impl Draws {
    /// Draws all points, given by one belief per objective.
    pub fn new(points: &[Vec<Belief>], directions: &[Direction]) -> Self {
        let objectives = directions.len();
        let draws = VALUES.checked_div(points.len() * objectives).unwrap_or(0).clamp(100, DRAWS);
        let mut stream = ChaCha8Rng::seed_from_u64(0);
        let (mut values, mut on_front) = (Vec::new(), Vec::new());
        let belief =
            |point: &[Belief], objective: usize| point.get(objective).copied().unwrap_or(Belief::Missing);
        let likely = shrunken(points, objectives);
        for _ in 0..draws {
            let mut of_source: HashMap<(usize, usize), f64> = HashMap::new();
            let mut value = |point: &[Belief], objective: usize| match belief(point, objective) {
                one @ Belief::Rate { source, .. } => {
                    *of_source.entry((objective, source)).or_insert_with(|| one.draw(&mut stream))
                }
                one => one.draw(&mut stream),
            };
            let drawn: Vec<Vec<f64>> =
                likely.iter().map(|point| (0..objectives).map(|k| value(point, k)).collect()).collect();
            on_front.extend(front(&drawn, directions));
            values.extend(drawn.into_iter().flatten());
        }
        let centres =
            points.iter().map(|point| (0..objectives).map(|k| belief(point, k).centre()).collect()).collect();
        Self { points: points.len(), directions: directions.to_vec(), values, on_front, centres }
    }

    /// What is known of each point; `None` where a value is missing.
    pub fn standings(&self) -> Vec<Option<Standing>> {
        let best = front(&self.centres, &self.directions);
        let standing = |point: usize| {
            let centre = self.centres.get(point)?;
            if centre.iter().any(|value| value.is_nan()) {
                return None;
            }
            let probability = self.probability(point);
            let rivals = (0..self.points).filter(|rival| best.get(*rival) == Some(&true));
            let beating = rivals
                .filter(|rival| self.beats(self.centres.get(*rival).map_or(&[], Vec::as_slice), centre));
            let shares = beating.map(|rival| (rival, self.share_beating(rival, point)));
            let beaten_by = shares.reduce(|best, one| if one.1 > best.1 { one } else { best });
            Some(Standing { probability, verdict: Verdict::of(probability), beaten_by })
        };
        (0..self.points).map(standing).collect()
    }

    /// Number of draws.
    pub(super) fn len(&self) -> usize {
        self.on_front.len().checked_div(self.points).unwrap_or(0)
    }

    /// Whether that point is on the front in each draw.
    pub(super) fn on_front(&self, point: usize) -> impl Iterator<Item = bool> + '_ {
        self.on_front.iter().skip(point).step_by(self.points.max(1)).copied()
    }

    /// That point's value in each draw.
    pub(super) fn values(&self, point: usize, objective: usize) -> impl Iterator<Item = f64> + '_ {
        let objectives = self.directions.len();
        self.values
            .iter()
            .skip(point * objectives + objective)
            .step_by((self.points * objectives).max(1))
            .copied()
    }

    pub(super) fn probability(&self, point: usize) -> f64 {
        self.on_front(point).filter(|on| *on).count() as f64 / self.len().max(1) as f64
    }

    fn share_beating(&self, rival: usize, point: usize) -> f64 {
        let objectives = self.directions.len();
        let each = self.values.chunks_exact((self.points * objectives).max(1));
        let beats = each.filter(|draw| {
            let of = |index: usize| draw.get(index * objectives..(index + 1) * objectives).unwrap_or(&[]);
            self.beats(of(rival), of(point))
        });
        beats.count() as f64 / self.len().max(1) as f64
    }

    /// Whether `a` dominates `b`.
    fn beats(&self, a: &[f64], b: &[f64]) -> bool {
        let mut better = false;
        for ((a, b), direction) in a.iter().zip(b).zip(&self.directions) {
            let (a, b) = match direction {
                Direction::Maximize => (*a, *b),
                Direction::Minimize => (*b, *a),
            };
            match a.partial_cmp(&b) {
                Some(Ordering::Greater) => better = true,
                Some(Ordering::Equal) => {}
                Some(Ordering::Less) | None => return false,
            }
        }
        better
    }
}
