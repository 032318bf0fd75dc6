//! The fast sweeps against the definition.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Direction::{Maximize, Minimize};
use super::*;

/// Whether `a` dominates `b`, word for word.
fn dominates(a: &[f64], b: &[f64], directions: &[Direction]) -> bool {
    let better = |a: f64, b: f64, direction| match direction {
        Maximize => a > b,
        Minimize => a < b,
    };
    let objectives = || a.iter().zip(b).zip(directions);
    objectives().all(|((a, b), direction)| a == b || better(*a, *b, *direction))
        && objectives().any(|((a, b), direction)| better(*a, *b, *direction))
}

/// Layers by the definition: the points that none of the remaining ones dominates, again and again.
fn ranks_by_definition(points: &[Vec<f64>], directions: &[Direction]) -> Vec<Option<usize>> {
    let mut ranks = vec![None; points.len()];
    let mut left: Vec<usize> =
        (0..points.len()).filter(|&index| points[index].iter().all(|value| !value.is_nan())).collect();
    for rank in 0.. {
        let beaten =
            |&index: &usize| left.iter().any(|&other| dominates(&points[other], &points[index], directions));
        let (rest, layer): (Vec<usize>, Vec<usize>) = left.iter().partition(|index| beaten(index));
        if layer.is_empty() {
            break;
        }
        layer.into_iter().for_each(|index| ranks[index] = Some(rank));
        left = rest;
    }
    ranks
}

/// Points of one to five objectives with few distinct values, so that ties and duplicates abound.
fn cases() -> impl Strategy<Value = (Vec<Direction>, Vec<Vec<f64>>)> {
    let value = prop_oneof![
        12 => (-2_i8..=2).prop_map(f64::from),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]),
    ];
    let direction = prop::sample::select(vec![Maximize, Minimize]);
    (1_usize..=5).prop_flat_map(move |objectives| {
        (
            prop::collection::vec(direction.clone(), objectives),
            prop::collection::vec(prop::collection::vec(value.clone(), objectives), 0..60),
        )
    })
}

proptest! {
    #[test]
    fn layers_are_those_of_the_definition((directions, points) in cases()) {
        let expected = ranks_by_definition(&points, &directions);
        prop_assert_eq!(ranks(&points, &directions), expected.clone());
        let on_front: Vec<bool> = expected.iter().map(|rank| *rank == Some(0)).collect();
        prop_assert_eq!(front(&points, &directions), on_front);
    }

    #[test]
    fn a_front_does_not_depend_on_the_order_of_points((directions, points) in cases()) {
        let reversed: Vec<_> = points.iter().rev().cloned().collect();
        let mut mask = front(&reversed, &directions);
        mask.reverse();
        prop_assert_eq!(mask, front(&points, &directions));
    }
}

#[test]
fn equal_points_are_all_on_the_front() {
    let points = [[0.9, 100.0], [0.9, 100.0], [0.8, 50.0]];
    assert_eq!(front(&points, &[Maximize, Maximize]), [true, true, false]);
}

#[test]
fn a_tie_in_one_objective_is_decided_by_the_other() {
    let points = [[0.9, 100.0], [0.9, 99.0]];
    assert_eq!(front(&points, &[Maximize, Maximize]), [true, false]);
    assert_eq!(front(&points, &[Maximize, Minimize]), [false, true]);
}

#[test]
fn a_missing_value_is_never_on_the_front_and_beats_nothing() {
    let points = [vec![f64::NAN, 1e9], vec![0.5], vec![0.1, 1.0]];
    assert_eq!(front(&points, &[Maximize, Maximize]), [false, false, true]);
    assert_eq!(ranks(&points, &[Maximize, Maximize]), [None, None, Some(0)]);
}

#[test]
fn zero_and_negative_zero_are_equal() {
    let points = [[0.0, 1.0], [-0.0, 1.0], [-0.0, 2.0]];
    assert_eq!(front(&points, &[Minimize, Minimize]), [true, true, false]);
    assert_eq!(front(&points, &[Maximize, Minimize]), [true, true, false]);
}

#[test]
fn without_points_or_objectives_nothing_is_beaten() {
    assert!(front::<[f64; 2]>(&[], &[Maximize, Maximize]).is_empty());
    assert_eq!(front(&[[1.0], [2.0]], &[]), [true, true]);
}

#[test]
fn one_objective_leaves_the_best() {
    assert_eq!(ranks(&[[3.0], [1.0], [3.0], [2.0]], &[Maximize]), [Some(0), Some(2), Some(0), Some(1)]);
}

fn random_points<const K: usize>(count: usize) -> Vec<[f64; K]> {
    let mut stream = ChaCha8Rng::seed_from_u64(7);
    (0..count).map(|_| std::array::from_fn(|_| stream.random())).collect()
}

/// `points` moved onto the unit sphere's first octant, where none beats another.
fn on_sphere<const K: usize>(points: Vec<[f64; K]>) -> Vec<[f64; K]> {
    let norm = |point: &[f64; K]| point.iter().map(|x| x * x).sum::<f64>().sqrt();
    points.into_iter().map(|point| point.map(|x| x / norm(&point))).collect()
}

#[test]
fn every_point_of_a_sphere_is_on_the_front() {
    assert!(front(&on_sphere(random_points::<3>(2_000)), &[Maximize; 3]).iter().all(|on| *on));
}
