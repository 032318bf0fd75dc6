//! The knee of a front: where a little more of one objective begins to cost a lot of the others.

use super::pareto::Direction;

/// Which of the points of a front is its knee: the one that has, added up over the objectives, most of what there
/// is to have between the front's worst and its best value. In two objectives this is the point farthest from
/// the line through both ends (Das 1999). `None` where no point lies beyond the line or plane of the ends: on a
/// front of fewer than three points, a straight or a hollow one.
pub fn knee<P: AsRef<[f64]>>(front: &[P], directions: &[Direction]) -> Option<usize> {
    let ranges: Vec<(f64, f64)> = (0..directions.len())
        .map(|objective| {
            let values = front.iter().filter_map(|point| point.as_ref().get(objective));
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
        })
        .collect();
    let share = |point: &[f64]| -> f64 {
        let each = point.iter().zip(directions).zip(&ranges).filter(|(_, (low, high))| low < high);
        each.map(|((value, direction), (low, high))| match direction {
            Direction::Maximize => (value - low) / (high - low),
            Direction::Minimize => (high - value) / (high - low),
        })
        .sum()
    };
    let shares = front.iter().map(|point| share(point.as_ref())).enumerate();
    let (best, most) = shares
        .filter(|(_, share)| share.is_finite())
        .reduce(|best, one| if one.1 > best.1 { one } else { best })?;
    // Each end has one objective whole and, in two objectives, nothing of the other.
    (front.len() > 2 && most > 1.0 + 1e-9).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::super::pareto::Direction::{Maximize, Minimize};
    use super::*;

    #[test]
    fn the_knee_is_farthest_from_the_line_through_both_ends() {
        let front = [[0.0, 10.0], [6.0, 9.0], [9.0, 5.0], [10.0, 0.0]];
        assert_eq!(knee(&front, &[Maximize, Maximize]), Some(1));
        let costs = front.map(|[a, b]| [a, -b]);
        assert_eq!(knee(&costs, &[Maximize, Minimize]), Some(1));
    }

    #[test]
    fn a_straight_a_hollow_and_a_short_front_have_none() {
        for front in [vec![[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]], vec![[0.0, 9.0], [1.0, 1.0], [9.0, 0.0]]] {
            assert_eq!(knee(&front, &[Maximize, Maximize]), None, "{front:?}");
        }
        assert_eq!(knee(&[[0.0, 1.0], [1.0, 0.0]], &[Maximize, Maximize]), None);
        assert_eq!(knee(&[] as &[[f64; 2]], &[Maximize, Maximize]), None);
    }

    #[test]
    fn an_objective_in_which_all_agree_decides_nothing() {
        let front = [[1.0, 0.0, 10.0], [1.0, 9.0, 9.0], [1.0, 10.0, 0.0]];
        assert_eq!(knee(&front, &[Maximize, Maximize, Maximize]), Some(1));
    }
}
