//! Checkpoints and weights that are not what they were.

use std::fs;
use std::path::{Path, PathBuf};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::stage::{Stage, pause, sweep};

#[test]
fn corrupt_files_are_noticed() {
    survives(2, 6, 3);
}

#[test]
#[ignore = "minutes: the long form"]
fn corrupt_files_are_noticed_sixty_times() {
    survives(10, 60, 4);
}

/// Kills the run so many times, and each time damages what lies beside the database.
fn survives(seeds: usize, times: usize, seed: u64) {
    let undisturbed = Stage::undisturbed(seeds);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let stage = Stage::new(&sweep(seeds));
    let mut damaged = 0;
    for _ in 0..times {
        let mut run = stage.start();
        pause(random.random_range(300..1200));
        run.kill();
        // Workers that outlive it write their last checkpoints.
        pause(300);
        damaged += damage(&stage, &mut random);
        stage.assert_part_of(undisturbed);
    }
    let ended = stage.run(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    stage.assert_as(undisturbed);
    println!("{damaged} files were damaged");
    assert!(damaged > 0);
}

/// Damages every checkpoint, and every file of weights that the database does not know yet, in one of several ways.
fn damage(stage: &Stage, random: &mut impl Rng) -> usize {
    let known = if stage.is_there() {
        stage.ask("SELECT weights_path FROM trials WHERE weights_path IS NOT NULL")
    } else {
        Vec::new()
    };
    let files = files(&stage.path("results/effsweep.files"));
    let unknown = |path: &&PathBuf| {
        !known.iter().any(|known| path.ends_with(known)) && path.extension() != Some("lock".as_ref())
    };
    let mut damaged = 0;
    for path in files.iter().filter(unknown) {
        let Ok(mut bytes) = fs::read(path) else { continue };
        if bytes.is_empty() || random.random_ratio(1, 4) {
            continue;
        }
        let place = random.random_range(0..bytes.len());
        match random.random_range(0..4) {
            0 => bytes[place] ^= 1 << random.random_range(0..8),
            1 => bytes.truncate(place),
            2 => bytes[place..].fill(0),
            _ => bytes.clear(),
        }
        damaged += usize::from(fs::write(path, bytes).is_ok());
    }
    damaged
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
