//! What a network sees of a JPEG file is what Pillow makes of it, within 1 of 255. `make.py` made photos and answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

use effsweep::data::Photos;

/// Answers, `(file, photo, side, share of the shorter side)`.
fn answers() -> Vec<(PathBuf, PathBuf, usize, f64)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pillow");
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut answers: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "png"))
        .map(|path| {
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let [percent, side, name]: [&str; 3] =
                stem.rsplitn(3, '-').collect::<Vec<_>>().try_into().unwrap();
            let share = percent.parse::<f64>().unwrap() / 100.0;
            (path, folder.join(format!("{name}.jpg")), side.parse().unwrap(), share)
        })
        .collect();
    answers.sort_by(|a, b| a.0.cmp(&b.0));
    answers
}

#[test]
fn a_network_sees_what_pillow_sees() {
    let answers = answers();
    assert_eq!(answers.len(), 15);
    for (answer, photo, side, share) in answers {
        let theirs = image::open(&answer).unwrap().into_rgb8().into_raw();
        let (photos, unreadable) = Photos::open(vec![photo], share, side).unwrap();
        assert_eq!(unreadable, []);
        let ours = photos.pixels(0).unwrap();
        let differences = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b));
        let largest = differences.clone().max().unwrap();
        let share = differences.filter(|difference| *difference > 0).count() as f64 / ours.len() as f64;
        println!("{}: at most {largest}, {:.2} % differ", answer.display(), 100.0 * share);
        assert!(largest <= 1, "{}: {largest}", answer.display());
        assert_eq!(ours.len(), theirs.len());
    }
}
