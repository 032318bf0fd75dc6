//! Command lines that cannot be, each with its answer in `transcripts/mistakes.md`; exit code 2.

use std::fs;

use super::here::{Here, ROOT};
use super::transcript::{console_blocks, play};

#[test]
fn every_mistake_is_answered() {
    let here = Here::new();
    here.write("a.toml", "[grid]\nnorm = [\"bn\", \"ln\"]\n");
    here.write(
        "text.db",
        "this is no database, but long enough to be looked at: a header has a hundred bytes, and more",
    );
    here.write("write.sql", "DELETE FROM trials\n");
    super::tiny::database(&here);
    play("mistakes", &here);
    let text = fs::read_to_string(format!("{ROOT}/tests/cli/transcripts/mistakes.md")).unwrap();
    let exchanges: Vec<_> = console_blocks(&text).into_iter().flat_map(|block| block.exchanges()).collect();
    assert!(exchanges.len() >= 25, "{}", exchanges.len());
    for exchange in exchanges {
        assert!(exchange.answer.ends_with("[exit code 2]\n"), "{}", exchange.command);
        assert!(exchange.answer.contains("error: "), "{}", exchange.command);
    }
}
