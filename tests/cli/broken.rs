//! Sweep files that cannot be: file, line, key, what is allowed; exit code 2; nothing started.

use std::fs;
use std::path::Path;

use super::here::{ROOT, call_in_root};

#[test]
fn every_broken_file_is_answered_as_it_is_written_beside_it() {
    let folder = Path::new(ROOT).join("tests/broken");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    assert!(names.len() >= 25, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let file = format!("tests/broken/{name}");
        let expected = fs::read_to_string(Path::new(ROOT).join(&file).with_extension("stderr")).unwrap();
        for verb in ["plan", "run"] {
            let called = call_in_root(&[verb, &file, "--db", "target/tmp/never.db"]);
            let as_expected = called.code == Some(2) && called.stdout.is_empty() && called.stderr == expected;
            if !as_expected {
                wrong.push(format!("{verb} {file}: {:?}\n{}{}", called.code, called.stdout, called.stderr));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!Path::new(ROOT).join("target/tmp/never.db").exists(), "nothing is started");
}
