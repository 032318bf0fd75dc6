//! `retry`, `forget`, `archive` and `doctor`, as in `transcripts/taking_back.md`.

use super::here::Here;
use super::tiny;
use super::transcript::play;

#[test]
fn trials_are_taken_back_as_told() {
    let here = Here::new();
    tiny::database(&here);
    play("taking_back", &here);
}
