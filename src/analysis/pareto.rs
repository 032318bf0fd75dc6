//! Pareto fronts: the points that no other point beats.
//!
//! A point *dominates* another if it is at least as good in every objective and better in one. From that
//! definition follows what happens in the corners: equal points do not dominate each other, so all copies of
//! a point on the front are on the front; of two points that tie in one objective, the other objectives
//! decide. A point with a missing value (NaN, or fewer values than there are objectives) can be compared
//! with no other: it is never on a front and dominates nothing. Infinities are ordinary values.
//!
//! Points are visited in lexicographic order, best first. A later point cannot dominate an earlier one, so
//! whether a point belongs to a layer is settled the moment it is visited (Kung, Luccio and Preparata 1975);
//! all that a layer has to remember is what it takes to dominate later points. Successive layers are found by
//! binary search, as in the efficient non-dominated sort of Zhang et al. 2015. A front of `m` among `n` points
//! costs O(n log n) for up to three objectives and O(n log n + n m) beyond.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Which way an objective gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Larger is better.
    Maximize,
    /// Smaller is better.
    Minimize,
}

/// Whether each point is on the front. Values beyond `directions` are ignored; without any objective no
/// point beats another and all are on it.
pub fn front<P: AsRef<[f64]>>(points: &[P], directions: &[Direction]) -> Vec<bool> {
    peel(points, directions, 1).iter().map(Option::is_some).collect()
}

/// The layer of each point: 0 for the front, 1 for the front of the rest, and so on. `None` where a value is
/// missing.
pub fn ranks<P: AsRef<[f64]>>(points: &[P], directions: &[Direction]) -> Vec<Option<usize>> {
    peel(points, directions, usize::MAX)
}

/// The layer of each point, of at most `most` layers.
fn peel<P: AsRef<[f64]>>(points: &[P], directions: &[Direction], most: usize) -> Vec<Option<usize>> {
    let mut ranks = vec![None; points.len()];
    let sorted = SortedCosts::new(points, directions);
    match directions.len() {
        0 => ranks.fill(Some(0)),
        1 | 2 => sorted.peel_into::<Lowest>(most, &mut ranks),
        3 => sorted.peel_into::<Staircase>(most, &mut ranks),
        _ => sorted.peel_into::<Members>(most, &mut ranks),
    }
    ranks
}

/// The points without missing values as costs (smaller is better), in lexicographic order.
struct SortedCosts {
    objectives: usize,
    /// One row of `objectives` costs after the other.
    costs: Vec<f64>,
    /// Which point each row is.
    point: Vec<usize>,
}

impl SortedCosts {
    fn new<P: AsRef<[f64]>>(points: &[P], directions: &[Direction]) -> Self {
        let objectives = directions.len();
        let mut unsorted = Vec::with_capacity(points.len() * objectives);
        let mut order = Vec::with_capacity(points.len());
        for (index, point) in points.iter().enumerate() {
            let values = point.as_ref();
            if values.len() < objectives || values.iter().take(objectives).any(|value| value.is_nan()) {
                continue;
            }
            let row = unsorted.len();
            unsorted.extend(values.iter().zip(directions).map(|(value, direction)| cost(*value, *direction)));
            // The first cost lies beside the row, so that most comparisons stay out of the table.
            order.push((unsorted.get(row).copied().unwrap_or_default(), row, index));
        }
        let rest = |row: usize| &unsorted[row..][..objectives];
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then_with(|| lexicographic(rest(a.1), rest(b.1))));
        Self {
            objectives,
            costs: order.iter().flat_map(|&(_, row, _)| rest(row)).copied().collect(),
            point: order.into_iter().map(|(_, _, index)| index).collect(),
        }
    }

    /// Writes the layer of each point into `ranks`, leaving those beyond the `most`th alone.
    fn peel_into<L: Layer>(&self, most: usize, ranks: &mut [Option<usize>]) {
        let mut layers: Vec<L> = Vec::new();
        let mut previous: Option<(&[f64], Option<usize>)> = None;
        for (costs, &point) in self.costs.chunks_exact(self.objectives).zip(&self.point) {
            ranks[point] = match previous {
                Some((equal, rank)) if equal == costs => rank,
                _ => {
                    // A point dominated from one layer is dominated from every layer before it.
                    let rank = layers.partition_point(|layer| layer.dominates(costs));
                    if rank == layers.len() && rank < most {
                        layers.push(L::default());
                    }
                    layers.get_mut(rank).map(|layer| {
                        layer.insert(costs);
                        rank
                    })
                }
            };
            previous = Some((costs, ranks[point]));
        }
    }
}

/// A value as a cost. Adding zero turns −0 into 0, which would otherwise sort apart.
fn cost(value: f64, direction: Direction) -> f64 {
    match direction {
        Direction::Maximize => -value + 0.0,
        Direction::Minimize => value + 0.0,
    }
}

fn lexicographic(a: &[f64], b: &[f64]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Points that do not dominate each other, inserted in lexicographic order.
trait Layer: Default {
    /// Whether a point of this layer dominates `costs`, a distinct point that comes later in the order.
    fn dominates(&self, costs: &[f64]) -> bool;

    /// Takes in a point that it does not dominate.
    fn insert(&mut self, costs: &[f64]);
}

/// One or two objectives: earlier points are no worse in the first, so the lowest last cost decides.
#[derive(Default)]
struct Lowest(Option<f64>);

impl Layer for Lowest {
    fn dominates(&self, costs: &[f64]) -> bool {
        self.0.zip(costs.last()).is_some_and(|(lowest, cost)| lowest <= *cost)
    }

    fn insert(&mut self, costs: &[f64]) {
        self.0 = costs.last().copied();
    }
}

/// Three objectives: the front of the last two costs seen so far, the third falling as the second rises.
#[derive(Default)]
struct Staircase(BTreeMap<Ordered, f64>);

impl Layer for Staircase {
    fn dominates(&self, costs: &[f64]) -> bool {
        let &[_, second, third] = costs else { return false };
        self.0.range(..=Ordered(second)).next_back().is_some_and(|(_, lowest)| *lowest <= third)
    }

    fn insert(&mut self, costs: &[f64]) {
        let &[_, second, third] = costs else { return };
        let hidden = |steps: &BTreeMap<Ordered, f64>| {
            let (step, lowest) = steps.range(Ordered(second)..).next()?;
            (*lowest >= third).then_some(*step)
        };
        while let Some(step) = hidden(&self.0) {
            self.0.remove(&step);
        }
        self.0.insert(Ordered(second), third);
    }
}

/// A number that is not NaN as a key of a tree.
#[derive(Clone, Copy)]
pub(super) struct Ordered(pub(super) f64);

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

/// Any number of objectives: every point, without its first cost.
#[derive(Default)]
struct Members {
    costs: Vec<f64>,
}

impl Layer for Members {
    fn dominates(&self, costs: &[f64]) -> bool {
        let Some((_, costs)) = costs.split_first() else { return false };
        self.costs.chunks_exact(costs.len()).any(|member| member.iter().zip(costs).all(|(a, b)| a <= b))
    }

    fn insert(&mut self, costs: &[f64]) {
        self.costs.extend(costs.iter().skip(1));
    }
}

#[cfg(test)]
mod tests;
