//! Hypervolume: how much of the space of objectives a set of points dominates, up to a reference point.
//!
//! Exact. One and two objectives are a sweep, three a sweep over a staircase (O(n log n)); more are sliced one
//! objective at a time by exclusive volumes, as WFG does (While, Bradstreet and Barone 2012, eq. 3 and 4), down to
//! the sweep over three.

use std::collections::BTreeMap;

use super::pareto::{Direction, Ordered};

/// Volume of the region that `points` dominate and `reference` does not exceed. A point that is no better than
/// the reference in some objective, or lacks a value, adds nothing.
pub fn hypervolume<P: AsRef<[f64]>>(points: &[P], directions: &[Direction], reference: &[f64]) -> f64 {
    volume(points.iter().filter_map(|point| gains(point.as_ref(), directions, reference)).collect())
}

/// What each point adds: the volume that no other point dominates. Equal points share theirs, so each adds nothing.
pub fn contributions<P: AsRef<[f64]>>(points: &[P], directions: &[Direction], reference: &[f64]) -> Vec<f64> {
    let all: Vec<Option<Vec<f64>>> =
        points.iter().map(|point| gains(point.as_ref(), directions, reference)).collect();
    let alone = |(index, point): (usize, &Option<Vec<f64>>)| {
        let Some(point) = point else { return 0.0 };
        let others = all.iter().enumerate().filter(|(other, _)| *other != index);
        exclusive(point, others.filter_map(|(_, other)| other.as_deref()))
    };
    all.iter().enumerate().map(alone).collect()
}

/// How far a point is better than the reference in each objective, if it is in all.
fn gains(point: &[f64], directions: &[Direction], reference: &[f64]) -> Option<Vec<f64>> {
    let gain = |(direction, (value, reference)): (&Direction, (&f64, &f64))| match direction {
        Direction::Maximize => value - reference,
        Direction::Minimize => reference - value,
    };
    let gains: Vec<f64> = directions.iter().zip(point.iter().zip(reference)).map(gain).collect();
    (gains.len() == directions.len() && !gains.is_empty() && gains.iter().all(|gain| *gain > 0.0))
        .then_some(gains)
}

/// Volume of the box between the origin and `point` outside the boxes of the others.
fn exclusive<'a>(point: &[f64], others: impl Iterator<Item = &'a [f64]>) -> f64 {
    let limited = others.map(|other| point.iter().zip(other).map(|(a, b)| a.min(*b)).collect::<Vec<f64>>());
    (point.iter().product::<f64>() - volume(maximal(limited.collect()))).max(0.0)
}

/// Volume of the union of the boxes between the origin and each point.
fn volume(mut points: Vec<Vec<f64>>) -> f64 {
    let objectives = points.first().map_or(0, Vec::len);
    let last = |point: &Vec<f64>| point.last().copied().unwrap_or_default();
    points.sort_unstable_by(|a, b| last(b).total_cmp(&last(a)));
    match objectives {
        0 => 0.0,
        1 => points.first().map_or(0.0, last),
        2 => area(&points),
        3 => staircase(&points),
        // Largest last gain first: limited to a point, all before it end with its own last gain, so what it adds
        // is a slice of that height.
        _ => {
            let mut seen: Vec<Vec<f64>> = Vec::new();
            let mut sum = 0.0;
            for point in points {
                let height = last(&point);
                let base: Vec<f64> = point.iter().take(objectives - 1).copied().collect();
                sum += height * exclusive(&base, seen.iter().map(Vec::as_slice));
                seen.push(base);
            }
            sum
        }
    }
}

/// Two objectives, the second falling: every point that reaches further in the first adds a rectangle.
fn area(points: &[Vec<f64>]) -> f64 {
    let (mut reached, mut sum) = (0.0, 0.0);
    for point in points {
        let &[first, second] = point.as_slice() else { continue };
        if first > reached {
            sum += (first - reached) * second;
            reached = first;
        }
    }
    sum
}

/// Three objectives, the third falling: the area that the first two cover grows as the third falls.
fn staircase(points: &[Vec<f64>]) -> f64 {
    // The second gain falls as the first rises.
    let mut steps: BTreeMap<Ordered, f64> = BTreeMap::new();
    let (mut covered, mut sum) = (0.0, 0.0);
    let mut height = None;
    for point in points {
        let &[first, second, third] = point.as_slice() else { continue };
        if let Some(above) = height.replace(third) {
            sum += covered * (above - third);
        }
        let beyond = steps.range(Ordered(first)..).next().map_or(0.0, |(_, second)| *second);
        if beyond >= second {
            continue;
        }
        // From the right: each hidden step's rectangle is replaced, the last one is cut.
        let (mut right, mut floor) = (first, beyond);
        while let Some((&Ordered(step), &level)) = steps.range(..=Ordered(first)).next_back() {
            covered += (right - step) * (second - floor);
            (right, floor) = (step, level);
            if level > second {
                break;
            }
            steps.remove(&Ordered(step));
        }
        if floor <= second {
            covered += right * (second - floor);
        }
        steps.insert(Ordered(first), second);
    }
    sum + covered * height.unwrap_or(0.0)
}

/// The points whose boxes lie within no other's, each once.
fn maximal(points: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut kept: Vec<Vec<f64>> = Vec::new();
    for point in points {
        let within = |inner: &[f64], outer: &[f64]| inner.iter().zip(outer).all(|(a, b)| a <= b);
        if kept.iter().any(|other| within(&point, other)) {
            continue;
        }
        kept.retain(|other| !within(other, &point));
        kept.push(point);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pareto::Direction::{Maximize, Minimize};
    use super::*;

    #[test]
    fn two_objectives_are_rectangles() {
        let points = [[3.0, 1.0], [1.0, 2.0], [2.0, 1.0], [0.5, f64::NAN], [-1.0, 9.0]];
        assert_eq!(hypervolume(&points, &[Maximize; 2], &[0.0, 0.0]), 4.0);
        assert_eq!(contributions(&points, &[Maximize; 2], &[0.0, 0.0]), [1.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn directions_turn_the_axes() {
        let points = [[3.0, 9.0], [1.0, 8.0]];
        assert_eq!(hypervolume(&points, &[Maximize, Minimize], &[0.0, 10.0]), 4.0);
    }

    #[test]
    fn equal_points_add_nothing_each() {
        assert_eq!(contributions(&[[1.0, 1.0], [1.0, 1.0]], &[Maximize; 2], &[0.0, 0.0]), [0.0, 0.0]);
    }

    #[test]
    fn without_points_or_objectives_there_is_no_volume() {
        assert_eq!(hypervolume(&[] as &[[f64; 2]], &[Maximize; 2], &[0.0, 0.0]), 0.0);
        assert_eq!(hypervolume(&[[]], &[], &[]), 0.0);
    }

    /// Points on a small grid, whose volume is the number of unit cells below any of them.
    fn cells() -> impl Strategy<Value = Vec<Vec<f64>>> {
        (1_usize..=5).prop_flat_map(|objectives| {
            prop::collection::vec(prop::collection::vec((0_u8..=4).prop_map(f64::from), objectives), 0..12)
        })
    }

    fn counted(points: &[Vec<f64>]) -> f64 {
        let objectives = points.first().map_or(0, Vec::len);
        let corners = 5_usize.pow(objectives as u32);
        let cell = |index: usize| (0..objectives).map(move |k| (index / 5_usize.pow(k as u32) % 5) as f64);
        let below =
            |index: &usize| points.iter().any(|p| p.iter().zip(cell(*index)).all(|(p, c)| c + 1.0 <= *p));
        (0..corners).filter(below).count() as f64
    }

    proptest! {
        #[test]
        fn volumes_are_the_cells_counted(points in cells()) {
            let objectives = points.first().map_or(1, Vec::len);
            let (directions, reference) = (vec![Maximize; objectives], vec![0.0; objectives]);
            prop_assert_eq!(hypervolume(&points, &directions, &reference), if points.is_empty() { 0.0 } else { counted(&points) });
            let added = contributions(&points, &directions, &reference);
            for (index, added) in added.into_iter().enumerate() {
                let mut others = points.clone();
                others.remove(index);
                let without = if others.is_empty() { 0.0 } else { counted(&others) };
                prop_assert_eq!(added, counted(&points) - without);
            }
        }
    }
}
