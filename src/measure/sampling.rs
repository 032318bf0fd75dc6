//! Warm-up, samples, and when they are enough. Times in seconds.
//!
//! The stopping rule looks at the width of an interval, not at where it lies, and only now and then, so that
//! stopping when it suits does not pull the median anywhere.

use std::time::Instant;

use crate::analysis::interval::{median, median_interval};
use crate::protocol::Sample;
use crate::sweep::settings::Measure;

/// Most samples of one measurement: they travel in one line of the protocol, of which this many fill less than
/// half. Only steps of microseconds get there.
pub const MOST_SAMPLES: usize = 10_000;

/// The last warm-up steps, which must agree for the warm-up to be over.
const STEADY_STEPS: usize = 3;

/// How much longer the slowest of these may take than the quickest.
const STEADY_RATIO: f64 = 1.1;

/// Longest warm-up as a multiple of the one asked for: on a machine that never gets steady, samples with a wide
/// interval say more than none.
const WARMUP_LIMIT: f64 = 4.0;

/// What time it is.
pub trait Clock {
    /// Seconds since a moment that stays the same.
    fn now(&self) -> f64;
}

/// The machine's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic(Instant);

impl Monotonic {
    /// A clock that begins at zero.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// The samples of one kind of step.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// Every step after the warm-up, in order.
    pub samples: Vec<Sample>,
    /// Steps of the warm-up.
    pub warmup_steps: usize,
    /// Why there are no more.
    pub end: End,
}

/// Why sampling ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The interval of the median is as narrow as asked for.
    Tight,
    /// The time is spent.
    Budget,
    /// There are [`MOST_SAMPLES`].
    Full,
}

/// Times `step` again and again, as `protocol` says.
///
/// The warm-up lasts `warmup_s`, and on until a few steps in a row take equally long, four times that at
/// most; a warm-up of zero is none. Then samples follow until the median's 95 % interval is at most
/// `relative_width` of the median or `budget_s` is spent, but at least `min_samples` whatever the time: a step
/// longer than the budget is still known by more than one number.
///
/// # Errors
/// The first error of `step`.
pub fn sample<E>(
    protocol: &Measure,
    clock: &impl Clock,
    mut step: impl FnMut() -> Result<(), E>,
) -> Result<Sampled, E> {
    let mut timed = || {
        let start = clock.now();
        step()?;
        Ok(clock.now() - start)
    };
    let warmup_steps = warm_up(protocol.warmup_s, clock, &mut timed)?;
    let start = clock.now();
    let mut times = Vec::new();
    let mut next_look = protocol.min_samples;
    let end = loop {
        times.push(timed()?);
        if times.len() >= MOST_SAMPLES {
            break End::Full;
        }
        if times.len() < protocol.min_samples {
            continue;
        }
        if times.len() >= next_look {
            if relative_width(&times).is_some_and(|width| width <= protocol.relative_width) {
                break End::Tight;
            }
            // Looks get rarer as samples gather: sorting them all each time would take longer than short steps.
            next_look = times.len() + times.len() / 16 + 1;
        }
        if clock.now() - start >= protocol.budget_s {
            break End::Budget;
        }
    };
    let samples = times.into_iter().map(|elapsed_s| Sample { elapsed_s }).collect();
    Ok(Sampled { samples, warmup_steps, end })
}

/// Runs steps until the warm-up is over. Returns how many.
fn warm_up<E>(
    warmup_s: f64,
    clock: &impl Clock,
    timed: &mut impl FnMut() -> Result<f64, E>,
) -> Result<usize, E> {
    let start = clock.now();
    let mut times = Vec::new();
    loop {
        let elapsed = clock.now() - start;
        let over = elapsed >= warmup_s && (steady(&times) || elapsed >= WARMUP_LIMIT * warmup_s);
        if over {
            return Ok(times.len());
        }
        times.push(timed()?);
    }
}

fn steady(times: &[f64]) -> bool {
    let Some(last) = times.len().checked_sub(STEADY_STEPS).and_then(|start| times.get(start..)) else {
        return false;
    };
    let quickest = last.iter().copied().fold(f64::INFINITY, f64::min);
    let slowest = last.iter().copied().fold(0.0, f64::max);
    slowest <= STEADY_RATIO * quickest
}

/// Width of the median's interval as a share of the median; `None` for too few times.
fn relative_width(times: &[f64]) -> Option<f64> {
    Some(median_interval(times)?.width() / median(times)?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;

    /// A clock that only steps move.
    #[derive(Default)]
    struct Hand(Cell<f64>);

    impl Clock for Hand {
        fn now(&self) -> f64 {
            self.0.get()
        }
    }

    impl Hand {
        fn advance(&self, seconds: f64) {
            self.0.set(self.0.get() + seconds);
        }
    }

    /// Samples steps whose times are `time(0)`, `time(1)`, …
    fn sampled(protocol: &Measure, time: impl Fn(usize) -> f64) -> Sampled {
        let (clock, mut count) = (Hand::default(), 0);
        let step = || {
            clock.advance(time(count));
            count += 1;
            Ok::<(), Infallible>(())
        };
        sample(protocol, &clock, step).unwrap()
    }

    /// Two values in turn, so far apart that no interval gets tight.
    fn restless(index: usize) -> f64 {
        if index.is_multiple_of(2) { 0.010 } else { 0.030 }
    }

    #[test]
    fn steady_steps_stop_at_the_fewest_samples() {
        let sampled = sampled(&Measure { warmup_s: 0.2, min_samples: 8, ..Measure::default() }, |_| 0.0625);
        assert_eq!((sampled.samples.len(), sampled.warmup_steps, sampled.end), (8, 4, End::Tight));
        assert!(sampled.samples.iter().all(|sample| sample.elapsed_s == 0.0625));
    }

    #[test]
    fn a_tight_interval_needs_six_samples_even_if_fewer_would_do() {
        let protocol = Measure { warmup_s: 0.0, min_samples: 1, budget_s: 100.0, ..Measure::default() };
        assert_eq!(sampled(&protocol, |_| 0.125).samples.len(), 6);
    }

    #[test]
    fn restless_steps_spend_the_budget_and_no_more() {
        let protocol = Measure { warmup_s: 0.0, budget_s: 1.5, min_samples: 8, ..Measure::default() };
        let sampled = sampled(&protocol, restless);
        let total: f64 = sampled.samples.iter().map(|sample| sample.elapsed_s).sum();
        assert_eq!(sampled.end, End::Budget);
        assert!((1.5..1.5 + 0.031).contains(&total), "{total}");
    }

    #[test]
    fn steps_longer_than_the_budget_are_still_sampled_the_fewest_times() {
        let protocol = Measure { warmup_s: 0.2, budget_s: 1.5, min_samples: 8, ..Measure::default() };
        let sampled = sampled(&protocol, |index| 60.0 + restless(index) * 600.0);
        assert_eq!((sampled.samples.len(), sampled.warmup_steps, sampled.end), (8, 1, End::Budget));
    }

    #[test]
    fn tiny_steps_end_with_the_most_samples() {
        let protocol = Measure { warmup_s: 0.0, budget_s: 1e9, ..Measure::default() };
        let sampled = sampled(&protocol, restless);
        assert_eq!((sampled.samples.len(), sampled.end), (MOST_SAMPLES, End::Full));
    }

    #[test]
    fn a_warm_up_goes_on_until_steps_are_steady() {
        let falling = |index: usize| 0.5 * 0.5_f64.powi(index as i32) + 0.0625;
        let sampled = sampled(&Measure { warmup_s: 0.5, ..Measure::default() }, falling);
        assert_eq!(sampled.warmup_steps, 9);
        let first = sampled.samples[0].elapsed_s;
        assert!(first < 1.05 * 0.0625, "{first}");
    }

    #[test]
    fn a_warm_up_that_never_gets_steady_ends() {
        let sampled = sampled(&Measure { warmup_s: 0.2, ..Measure::default() }, restless);
        assert_eq!(sampled.warmup_steps, 40);
    }

    #[test]
    fn a_warm_up_of_zero_is_none() {
        assert_eq!(sampled(&Measure { warmup_s: 0.0, ..Measure::default() }, |_| 1.0).warmup_steps, 0);
    }

    #[test]
    fn a_failing_step_ends_it() {
        for fails_at in [1, 6] {
            let (clock, mut count) = (Hand::default(), 0);
            let step = || {
                clock.advance(0.1);
                count += 1;
                if count == fails_at { Err(count) } else { Ok(()) }
            };
            assert_eq!(sample(&Measure::default(), &clock, step), Err(fails_at));
        }
    }

    #[test]
    fn the_most_samples_fit_a_line_of_the_protocol() {
        let sample = Sample { elapsed_s: 0.000_123_456_789_012_345_67 };
        let bytes = serde_json::to_string(&sample).unwrap().len() + 1;
        assert!(bytes * MOST_SAMPLES < crate::protocol::MAX_LINE_BYTES / 2, "{bytes} bytes a sample");
    }

    #[test]
    fn the_monotonic_clock_goes_on() {
        let clock = Monotonic::start();
        let before = clock.now();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(clock.now() >= before + 0.002);
    }
}
