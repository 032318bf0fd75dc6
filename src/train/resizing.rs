//! Trainings whose images change size: growing over the epochs (progressive resizing, Howard 2018) or drawn anew for every
//! step (MixSize, Hoffer et al. 2019). All sides keep the sampling grids of the last one.

use rand::RngExt;

use super::stream::{Purpose, stream};
use crate::sweep::settings::{Resizing, Train};

/// The sides of a training's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sides {
    resizing: Resizing,
    /// In ascending order; the last is `train.resolution`.
    sides: Vec<usize>,
    epochs: usize,
    seed: u64,
}

impl Sides {
    /// Those of a training of a network with that many stride-2 layers.
    pub(super) fn new(train: &Train, halvings: u32, seed: u64) -> Self {
        Self { resizing: train.resizing, sides: train.sides(halvings), epochs: train.epochs, seed }
    }

    /// The side of every step of an epoch.
    pub(super) fn of_epoch(&self, epoch: usize, steps: usize) -> Vec<usize> {
        let count = self.sides.len();
        match self.resizing {
            // As many epochs each, as far as they divide; the last side takes what is over.
            Resizing::Progressive => {
                let each = (self.epochs / count).max(1);
                vec![self.sides[(epoch / each).min(count - 1)]; steps]
            }
            Resizing::Mixed => {
                let mut draws = stream(Purpose::Resizing, self.seed, epoch as u64);
                (0..steps).map(|_| self.sides[draws.random_range(0..count)]).collect()
            }
            Resizing::None => vec![self.sides[count - 1]; steps],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(resizing: Resizing, epochs: usize) -> Sides {
        let train = Train { resizing, epochs, resolution: 48, ..Train::default() };
        Sides::new(&train, 3, 7)
    }

    #[test]
    fn progressive_resizing_grows_to_the_resolution() {
        let of = |epoch| sides(Resizing::Progressive, 9).of_epoch(epoch, 2);
        // 24, 32, 40, 48: two epochs each, three of the last.
        let grown: Vec<usize> = (0..9).map(|epoch| of(epoch)[0]).collect();
        assert_eq!(grown, [24, 24, 32, 32, 40, 40, 48, 48, 48]);
        assert_eq!(of(0), [24, 24]);
        let short: Vec<usize> =
            (0..2).map(|epoch| sides(Resizing::Progressive, 2).of_epoch(epoch, 1)[0]).collect();
        assert_eq!(short, [24, 32], "fewer epochs than sides");
    }

    #[test]
    fn mixed_sides_are_drawn_evenly_and_the_same_again() {
        let mixed = sides(Resizing::Mixed, 4);
        let drawn = mixed.of_epoch(1, 4000);
        assert_eq!(drawn, mixed.of_epoch(1, 4000));
        assert_ne!(drawn, mixed.of_epoch(2, 4000));
        for side in [24, 32, 40, 48] {
            let share = drawn.iter().filter(|one| **one == side).count();
            assert!((900..1100).contains(&share), "{side}: {share}");
        }
    }

    #[test]
    fn without_resizing_there_is_one_side() {
        assert_eq!(sides(Resizing::None, 3).of_epoch(2, 3), [48, 48, 48]);
    }
}
