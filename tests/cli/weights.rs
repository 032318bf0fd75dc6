//! Weights out of a trial, into a file, and what they say of images.

use std::fs;

use image::{Rgb, RgbImage};

use super::here::Here;
use super::tiny::swept;

/// Two images and a file that is none.
fn images(here: &Here) {
    fs::create_dir(here.path("photos")).unwrap();
    for (name, shade) in [("dark.png", 20u8), ("light.png", 220)] {
        let image = RgbImage::from_fn(24, 20, |x, y| Rgb([shade, (x * 9) as u8, (y * 9) as u8]));
        image.save(here.path("photos").join(name)).unwrap();
    }
}

fn trial() -> String {
    let keys = swept().call(&["sql", "SELECT key FROM trials ORDER BY key", "--format", "csv"]).done();
    keys.stdout.lines().nth(1).unwrap().to_owned()
}

fn words(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_trial_and_its_exported_weights_say_the_same_of_images() {
    let here = Here::new();
    images(&here);
    let (key, db) = (trial(), words(&swept().path("results/effsweep.db")));
    here.call(&["weights", "export", &key[..8], "--output", "w.safetensors", "--db", &db]).done();
    let look = ["--images", "photos", "--format", "csv", "--top", "3", "--logits"];
    let from_file =
        here.call(&[&["predict", "--weights", "w.safetensors"], &look[..], &["a.csv"]].concat()).done();
    let from_trial =
        here.call(&[&["predict", "--trial", &key[..8], "--db", &db], &look[..], &["b.csv"]].concat()).done();
    assert_eq!(from_file, from_trial);
    assert_eq!(here.read("a.csv"), here.read("b.csv"));
    // A header, and three guesses of two images, the likeliest first.
    let rows: Vec<Vec<&str>> = from_file.stdout.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 7, "{}", from_file.stdout);
    assert_eq!((rows[1][0], rows[4][0]), ("photos/dark.png", "photos/light.png"));
    let probability = |row: usize| rows[row][3].parse::<f64>().unwrap();
    assert!(probability(1) >= probability(2) && probability(2) >= probability(3));
    let logits = here.read("a.csv");
    let mut logits = logits.lines();
    let classes = logits.next().unwrap().split(',').count() - 1;
    assert!(
        logits.all(|line| line.split(',').skip(1).filter(|v| v.parse::<f32>().is_ok()).count() == classes)
    );
}

#[test]
fn guesses_are_told_in_a_table_and_pixels_written() {
    let here = Here::new();
    images(&here);
    let (key, db) = (trial(), words(&swept().path("results/effsweep.db")));
    let called = here
        .call(&[
            "predict",
            "--trial",
            &key,
            "--db",
            &db,
            "--images",
            "photos",
            "--resolution",
            "24",
            "--pixels",
            "seen",
        ])
        .done();
    assert!(called.stdout.contains("photos/dark.png") && called.stdout.contains('%'), "{}", called.stdout);
    let seen = image::open(here.path("seen/00001-light.png")).unwrap().into_rgb8();
    assert_eq!(seen.dimensions(), (24, 24));
    assert_eq!(seen.get_pixel(12, 12)[0], 220);
}

#[test]
fn an_unreadable_image_is_named_and_the_others_are_shown() {
    let here = Here::new();
    images(&here);
    here.write("photos/torn.jpg", "no image");
    let db = words(&swept().path("results/effsweep.db"));
    let called = here.call(&["predict", "--trial", &trial(), "--db", &db, "--images", "photos"]);
    assert_eq!(called.code, Some(1), "{}", called.transcript());
    assert!(called.stderr.contains("left out `photos/torn.jpg`"), "{}", called.stderr);
    assert!(called.stdout.contains("photos/light.png"), "{}", called.stdout);
}

#[test]
fn weights_are_imported_as_the_network_of_a_sweep_and_as_no_other() {
    let here = Here::new();
    images(&here);
    let (key, db) = (trial(), words(&swept().path("results/effsweep.db")));
    here.call(&["weights", "export", &key, "--output", "w.safetensors", "--db", &db]).done();
    let configurations = swept()
        .call(&[
            "sql",
            &format!("SELECT configuration_key FROM results WHERE trial_key = '{key}'"),
            "--format",
            "csv",
        ])
        .done();
    let configuration = configurations.stdout.lines().nth(1).unwrap();
    let sweep = words(&swept().path("tiny.toml"));
    let import = ["weights", "import", "w.safetensors", "--output", "again.safetensors"];
    here.call(&[&import[..], &["--sweep", &sweep, "--at", configuration]].concat()).done();
    let guesses = |weights: &str| {
        let called =
            here.call(&["predict", "--weights", weights, "--images", "photos", "--format", "json"]).done();
        let rows: serde_json::Value = serde_json::from_str(&called.stdout).unwrap();
        rows.as_array().unwrap().iter().map(|row| row["logit"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(guesses("w.safetensors"), guesses("again.safetensors"));
    let refused = here.call(&[&import[..], &["--model", "efficientnet_b0"]].concat());
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("`conv_stem.weight` is F32 of shape [8, 3, 3, 3]"), "{}", refused.stderr);
}
