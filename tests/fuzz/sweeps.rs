//! Sweep files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use effsweep::sweep::Sweep;

use super::trial::{Target, read};

/// Words of the language.
const WORDS: &[&str] = &[
    "[grid]\n",
    "[[exclude]]\n",
    "[[include]]\n",
    "[[zip]]\n",
    "[[when]]\n",
    "[model]\n",
    "[train]\n",
    "[run]\n",
    "[measure]\n",
    "[data]\n",
    "[sweep]\n",
    "axes = [\"norm\", \"batch_size\"]\n",
    "norm = [\"gn\", \"ln+pn\"]\n",
    "{ kind = \"gn\", groups = 8 }",
    "{ train = 32, test = [40, 64] }",
    "group_size = [1, 4]\n",
    "batch_size = [2]\n",
    "\"train.lr\" = [0.1, 0.2]\n",
    "seeds = [0, 1]\n",
    "\"\"\"",
    "'''",
    "#",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    "\"",
    "\\u{0}",
    "true",
    "1979-05-27",
    "\r\n",
    "é",
    "\u{feff}",
];

#[test]
fn thousands_of_sweep_files_are_read() {
    reads(3_000);
}

#[test]
#[ignore = "minutes: the long form"]
fn two_million_sweep_files_are_read() {
    reads(2_000_000);
}

fn reads(count: u64) {
    let corpus = files();
    assert!(corpus.len() > 30, "{}", corpus.len());
    let target = Target {
        name: "sweep files",
        corpus: &corpus,
        words: WORDS,
        // Of a point only its key is held: a grid of the ten million that are allowed takes 24 bytes each.
        most_time: Duration::from_secs(20),
        most_bytes: 256 << 20,
    };
    read(&target, count, |input| {
        let text = String::from_utf8_lossy(input);
        match Sweep::parse(&text, Path::new("fuzz.toml")) {
            Ok(sweep) => drop(sweep.resolved_toml()),
            Err(error) => drop(error.to_string()),
        }
    });
}

/// Those that come along, valid and broken.
fn files() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = ["sweeps", "tests/broken"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let mut paths: Vec<_> = entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}
