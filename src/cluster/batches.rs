//! Trials into array tasks of about equal length.

/// Which trials each task gets, by their places in `costs`, in ascending order: at most `most` tasks, none of them
/// empty. The dearest trials are dealt out first, each to the task that has the least yet, which keeps the longest task
/// within 4/3 of the shortest possible one (Graham 1969). Where `enough` is given, in the unit of the costs, no more tasks
/// are made than have that much to do each.
pub fn batches(costs: &[f64], most: usize, enough: Option<f64>) -> Vec<Vec<usize>> {
    let total: f64 = costs.iter().sum();
    let worth = enough.filter(|enough| *enough > 0.0).map(|enough| (total / enough).ceil() as usize);
    let count = costs.len().min(most).min(worth.unwrap_or(usize::MAX)).max(usize::from(!costs.is_empty()));
    let mut tasks: Vec<(f64, Vec<usize>)> = vec![(0.0, Vec::new()); count];
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by(|a, b| costs[*b].total_cmp(&costs[*a]).then(a.cmp(b)));
    let mut least: std::collections::BinaryHeap<Load> =
        (0..count).map(|task| Load { cost: 0.0, task }).collect();
    for trial in order {
        let Some(Load { cost, task }) = least.pop() else { break };
        let cost = cost + costs[trial];
        tasks[task].0 = cost;
        tasks[task].1.push(trial);
        least.push(Load { cost, task });
    }
    let mut tasks: Vec<Vec<usize>> = tasks.into_iter().map(|(_, trials)| trials).collect();
    for trials in &mut tasks {
        trials.sort_unstable();
    }
    // Tasks begin in the order of their numbers, as the sweep wants its trials.
    tasks.sort_by_key(|trials| trials.first().copied());
    tasks
}

/// What a task has so far; the greatest is the one with the least.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Load {
    cost: f64,
    task: usize,
}

impl Eq for Load {}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.cost.total_cmp(&self.cost).then(other.task.cmp(&self.task))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn longest(costs: &[f64], tasks: &[Vec<usize>]) -> f64 {
        tasks.iter().map(|trials| trials.iter().map(|trial| costs[*trial]).sum()).fold(0.0, f64::max)
    }

    #[test]
    fn a_task_each_as_far_as_there_are_tasks() {
        assert_eq!(batches(&[3.0, 1.0, 2.0], 10, None), [[0], [1], [2]]);
        assert_eq!(batches(&[3.0, 1.0, 2.0], 2, None), [vec![0], vec![1, 2]]);
        assert!(batches(&[], 5, None).is_empty());
    }

    #[test]
    fn short_trials_share_a_task() {
        assert_eq!(batches(&[1.0; 6], 100, Some(3.0)), [vec![0, 2, 4], vec![1, 3, 5]]);
        assert_eq!(batches(&[1.0; 3], 100, Some(1e9)), [[0, 1, 2]]);
    }

    proptest! {
        #[test]
        fn every_trial_has_one_place_and_no_task_is_far_too_long(
            costs in prop::collection::vec(0.01f64..100.0, 1..60), most in 1usize..20
        ) {
            let tasks = batches(&costs, most, None);
            let mut all: Vec<usize> = tasks.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..costs.len()).collect::<Vec<_>>());
            prop_assert!(tasks.len() <= most && tasks.iter().all(|trials| !trials.is_empty()));
            let mean = costs.iter().sum::<f64>() / tasks.len() as f64;
            let dearest = costs.iter().copied().fold(0.0, f64::max);
            prop_assert!(longest(&costs, &tasks) <= mean + dearest + 1e-9);
        }
    }
}
