//! The learning rate of every step: linear warm-up to the peak, then a fall.

use crate::sweep::settings::{self, Train};

/// A trial's learning rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    peak: f64,
    fall: settings::Schedule,
    factor: f64,
    /// In steps: the warm-up, one stair of the exponential fall, and the whole training.
    warmup: f64,
    stair: f64,
    total: f64,
}

impl Schedule {
    /// The schedule of `train` with that many steps an epoch.
    pub fn new(train: &Train, steps_per_epoch: usize) -> Self {
        let steps = |epochs: f64| epochs * steps_per_epoch as f64;
        Self {
            peak: train.peak_rate(),
            fall: train.schedule,
            factor: train.decay_factor,
            warmup: steps(train.warmup_epochs),
            stair: steps(train.decay_epochs),
            total: steps(train.epochs as f64),
        }
    }

    /// The rate of step `step` of the whole training, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        let step = step as f64;
        // The first step already moves, the last of the warm-up has the peak.
        if step + 1.0 < self.warmup {
            return self.peak * (step + 1.0) / self.warmup;
        }
        self.peak
            * match self.fall {
                settings::Schedule::Constant => 1.0,
                // Stairs count from the start of training, as in the paper's code.
                settings::Schedule::Exponential => self.factor.powf((step / self.stair).floor()),
                settings::Schedule::Cosine => {
                    let share = (step - self.warmup).max(0.0) / (self.total - self.warmup).max(1.0);
                    0.5 * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos())
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(fall: settings::Schedule) -> Schedule {
        let train = Train {
            epochs: 10,
            lr: Some(0.5),
            warmup_epochs: 1.0,
            schedule: fall,
            decay_factor: 0.5,
            decay_epochs: 2.0,
            ..Train::default()
        };
        Schedule::new(&train, 4)
    }

    #[test]
    fn warm_up_is_linear_and_ends_at_the_peak() {
        let rates: Vec<f64> = (0..4).map(|step| schedule(settings::Schedule::Constant).rate(step)).collect();
        assert_eq!(rates, [0.125, 0.25, 0.375, 0.5]);
    }

    #[test]
    fn exponential_falls_in_stairs() {
        let schedule = schedule(settings::Schedule::Exponential);
        assert_eq!([7, 8, 15, 16].map(|step| schedule.rate(step)), [0.5, 0.25, 0.25, 0.125]);
    }

    #[test]
    fn cosine_is_half_way_in_the_middle_and_near_zero_at_the_end() {
        let schedule = schedule(settings::Schedule::Cosine);
        assert!((schedule.rate(22) - 0.25).abs() < 1e-12);
        assert!(schedule.rate(39) < 0.01 && schedule.rate(39) > 0.0);
    }

    #[test]
    fn the_papers_rate_is_two_to_the_minus_fourteen_an_image() {
        let train = Train { batch_size: 768, warmup_epochs: 0.0, ..Train::default() };
        assert_eq!(Schedule::new(&train, 10).rate(0), 0.046_875);
    }
}
