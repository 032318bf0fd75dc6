//! What is documented is what happens.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::here::{Here, ROOT};
use super::tiny;
use super::transcript::blocks;

#[test]
fn every_query_in_the_documents_runs_as_printed() {
    let here = Here::new();
    tiny::database(&here);
    let mut queries = 0;
    for path in ["docs/database.md", "README.md"] {
        let text = fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_default();
        for block in blocks(&text, "sql") {
            here.write("question.sql", block.text);
            let called = here.call(&["sql", "--file", "question.sql"]);
            assert_eq!(called.code, Some(0), "{path}:{}\n{}", block.line, called.stderr);
            queries += 1;
        }
    }
    assert!(queries >= 5, "{queries} queries");
}

#[test]
fn other_readers_need_no_effsweep() {
    let here = Here::new();
    tiny::database(&here);
    let script = "import sqlite3; db = sqlite3.connect('file:results/effsweep.db?mode=ro', uri=True); \
                  print(len(db.execute('SELECT top1 FROM results').fetchall()))";
    let python = Command::new("python3")
        .args(["-c", script])
        .current_dir(here.path(""))
        .stdin(Stdio::null())
        .output();
    match python {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "8", "{output:?}"),
        Err(error) => println!("skipped: python3: {error}"),
    }
}
