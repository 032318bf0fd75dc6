//! `kill -9` at random moments, of the runner and of workers.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::Signal;

use super::stage::{Stage, pause, signal, sweep};

#[test]
fn a_sweep_survives_twenty_kills() {
    survives(2, 20, 1);
}

#[test]
#[ignore = "minutes: the long form"]
fn a_sweep_of_forty_trials_survives_three_hundred_kills() {
    survives(10, 300, 2);
}

/// Kills until there were so many, over as many sweeps as it takes; each must come to what it comes to in peace.
fn survives(seeds: usize, kills: usize, seed: u64) {
    let undisturbed = Stage::undisturbed(seeds);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut runners, mut workers, mut sweeps) = (0, 0, 0);
    while runners + workers < kills {
        let stage = Stage::new(&sweep(seeds));
        let left = kills - runners - workers;
        let (of_runners, of_workers) = disturb(&stage, left, &mut random);
        (runners, workers, sweeps) = (runners + of_runners, workers + of_workers, sweeps + 1);
        stage.assert_as(undisturbed);
    }
    println!(
        "{} trials each: {sweeps} sweeps survived {runners} kills of the runner and {workers} of workers",
        4 * seeds
    );
    assert!(runners > 0 && workers > 0);
}

/// Runs the stage's sweep to its end with at most so many kills on the way; kills of the runner and of workers.
fn disturb(stage: &Stage, kills: usize, random: &mut impl Rng) -> (usize, usize) {
    let (mut runners, mut workers) = (0, 0);
    let mut run = stage.start();
    while runners + workers < kills {
        pause(random.random_range(0..400));
        if run.is_over() {
            return (runners, workers);
        }
        let there = run.workers();
        if there.is_empty() || random.random_ratio(1, 4) {
            run.kill();
            runners += 1;
            run = stage.start();
        } else {
            signal(there[random.random_range(0..there.len())], Signal::KILL);
            workers += 1;
        }
    }
    let status = run.0.wait().unwrap();
    assert!(status.success(), "{status}");
    (runners, workers)
}
