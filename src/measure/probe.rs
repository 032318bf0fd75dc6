//! A fixed piece of work that tells how fast the machine itself is at the moment.
//!
//! One unit is a part that only computes and a part that only moves memory: a machine that lowers its clock
//! slows the first, a neighbour that fills caches and memory channels slows the second. A unit is the same in
//! every version of effsweep, and instructions are not chosen at run time, so that rates can be compared across
//! days. Single-threaded; a probe takes 26 ms on one core of an AMD EPYC.

use std::hint::black_box;
use std::time::Instant;

use crate::analysis::interval::median;

/// Units of one probe. Their median stands for it: one preempted unit does not make a slow machine.
const UNITS: usize = 9;

/// Independent chains of the computing part: enough to hide the latency of an addition, few enough to stay in
/// sixteen registers of four lanes.
const LANES: usize = 32;

/// Links of each chain in a unit.
const LINKS: usize = 400_000;

/// Values that the memory part reads and writes in a unit: 16 MiB, more than the caches that a core has to
/// itself.
const VALUES: usize = 4 << 20;

/// How fast the machine is now, in units of work per second.
pub fn rate() -> f64 {
    // Written once before any time is taken: the first touch of a page belongs to the system.
    let mut values = black_box(vec![0.5_f32; VALUES]);
    let mut unit = || {
        let start = Instant::now();
        compute();
        move_memory(&mut values);
        start.elapsed().as_secs_f64()
    };
    let times: [f64; UNITS] = std::array::from_fn(|_| unit());
    median(&times).map_or(f64::NAN, f64::recip)
}

/// Chains of multiplications and additions. Their fixed point is 1: they neither overflow nor become denormal.
fn compute() {
    let (factor, summand) = black_box((0.75_f32, 0.25_f32));
    let mut lanes: [f32; LANES] = std::array::from_fn(|lane| lane as f32);
    for _ in 0..LINKS {
        for lane in &mut lanes {
            *lane = *lane * factor + summand;
        }
    }
    black_box(lanes);
}

/// Reads and writes every value once.
fn move_memory(values: &mut [f32]) {
    let (factor, summand) = black_box((0.75_f32, 0.25_f32));
    for value in values.iter_mut() {
        *value = *value * factor + summand;
    }
    black_box(values);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(mut work: impl FnMut()) -> f64 {
        let time = |_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        };
        (0..5).map(time).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn no_part_of_the_work_is_optimised_away() {
        // Sixteen operations a cycle at 8 GHz; 500 GB/s.
        let mut values = vec![0.5; VALUES];
        let (computing, moving) = (seconds(compute), seconds(|| move_memory(&mut values)));
        println!("computing {computing:.6} s, moving {moving:.6} s");
        assert!(computing > (2 * LINKS * LANES) as f64 / (16.0 * 8e9));
        assert!(moving > (2 * size_of_val(values.as_slice())) as f64 / 500e9);
    }

    #[test]
    fn a_probe_is_short_and_has_a_rate() {
        let start = Instant::now();
        let rate = rate();
        println!("{rate:.0} units/s, {:?} a probe", start.elapsed());
        assert!(rate.is_finite() && rate > 0.0);
        assert!(start.elapsed().as_secs_f64() < 1.0);
    }
}
