//! What runner and worker say to each other.

use std::time::Duration;

use effsweep::protocol::{Job, LineReader, Message, Order};

use super::trial::{Target, read};

/// One of each message, job and order.
const LINES: &[&str] = &[
    r#"{"started":{"train_images":100,"test_images":50,"classes":10,"data_id":"d","resumed_epochs":0}}"#,
    r#"{"progress":{"epoch":0,"step":3,"steps":9,"loss":1.5,"images_per_s":812.5}}"#,
    r#"{"epoch":{"epoch":1,"train_loss":1.5,"train_top1":0.5,"learning_rate":0.01,"images":100,"elapsed_s":0.25}}"#,
    r#"{"signals":{"finished_epochs":3,"layer":0,"name":"stem","place":"pre","images":64,"pixels":9,"first_channel":0,"channels":[{"mean":0.5,"mean_variance":1.0,"deviation":2.0,"deviation_variance":3.0}]}}"#,
    r#"{"evaluated":{"test_resolution":32,"fine_tuning":"top","fine_tune_s":2.5,"images":50,"top1_correct":40,"top5_correct":50,"loss":0.5,"elapsed_s":0.1}}"#,
    r#"{"measured":{"kind":"train","resolution":32,"batch_size":64,"threads":1,"samples":[{"elapsed_s":0.5}],"probe_before":1.0,"probe_after":1.0,"foreign_load":0.0,"peak_rss_bytes":9,"clock_mhz":null,"waited_s":0.0,"first_batch_s":null}}"#,
    r#"{"checkpointed":{"epochs":1}}"#,
    r#""working""#,
    r#"{"finished":{"weights":"b3","peak_rss_bytes":1048576}}"#,
    r#"{"diverged":{"epoch":1,"step":7}}"#,
    r#"{"stopped":{"epochs":1}}"#,
    r#"{"failed":{"cause":"disk","message":"No space left on device"}}"#,
    r#""stop""#,
    r#"{"train":{"version":4,"trial":"a","settings":{"model":{"norm":"bn"},"train":{"lr":0.5}},"seed":0,"tests":[{"resolution":32,"fine_tuning":"top epochs=3"}],"threads":1,"checkpoints":"c","weights":"w","weights_checksum":null}}"#,
    r#"{"measure":{"version":4,"settings":{},"classes":10,"test_resolutions":[32,40],"threads":2}}"#,
];

const WORDS: &[&str] =
    &["{", "}", "[", "]", "\"", ":", ",", "null", "true", "\n", "\\u0000", "\\ud800", "[[[[[[[[", "{\"a\":"];

#[test]
fn thousands_of_lines_are_read() {
    reads(20_000);
}

#[test]
#[ignore = "minutes: the long form"]
fn seven_million_lines_are_read() {
    reads(7_000_000);
}

fn reads(count: u64) {
    let corpus: Vec<Vec<u8>> = LINES.iter().map(|line| format!("{line}\n").into_bytes()).collect();
    valid(&corpus);
    let target = Target {
        name: "lines of the protocol",
        corpus: &corpus,
        words: WORDS,
        most_time: Duration::from_secs(5),
        most_bytes: 16 << 20,
    };
    read(&target, count, |input| {
        drop(LineReader::new(input).read::<Job>());
        drop(LineReader::new(input).read::<Order>());
        let mut all = LineReader::new(input);
        while let Ok(Some(_)) = all.read::<Message>() {}
    });
}

/// Every line is what some reader takes: otherwise nearly valid ones would not be tried.
fn valid(lines: &[Vec<u8>]) {
    for line in lines {
        let read = LineReader::new(line.as_slice()).read::<Message>().is_ok()
            || LineReader::new(line.as_slice()).read::<Job>().is_ok()
            || LineReader::new(line.as_slice()).read::<Order>().is_ok();
        assert!(read, "{}", String::from_utf8_lossy(line));
    }
}
