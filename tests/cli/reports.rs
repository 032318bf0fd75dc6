//! `report` and `plot`: pages and pictures of a sweep that was run.

use std::fs;

use serde_json::Value;

use super::here::Here;
use super::tiny;

const FIGURES: [&str; 6] = ["front", "effects", "interactions", "parallel", "curves", "grid"];

fn here() -> Here {
    let here = Here::new();
    tiny::database(&here);
    here
}

/// The data that a page holds.
fn account(page: &str) -> Value {
    let (_, rest) = page.split_once("<script id=\"account\" type=\"application/json\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_page_holds_the_whole_sweep() {
    let here = here();
    here.call(&["report", "tiny"]).done();
    let page = here.read("results/tiny-report.html");
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    let account = account(&page);
    let count = |key: &str| account[key].as_array().unwrap().len();
    assert_eq!((count("rows"), count("trials"), count("ended_badly")), (8, 4, 0));
    assert_eq!(account["sweep"]["text"].as_str().unwrap(), tiny::TINY);
    let axes: Vec<&str> =
        account["axes"].as_array().unwrap().iter().map(|axis| axis["name"].as_str().unwrap()).collect();
    assert_eq!(axes, ["norm", "batch_size", "test_resolution"]);
    // Each axis has two values: one effect a metric, over half of the rows.
    let top1: Vec<&Value> =
        account["effects"].as_array().unwrap().iter().filter(|effect| effect["metric"] == "top1").collect();
    assert_eq!(top1.len(), 3);
    assert!(top1.iter().all(|effect| effect["pairs"] == 4), "{top1:?}");
    for row in account["rows"].as_array().unwrap() {
        assert_eq!(row["seeds"].as_array().unwrap().len(), 1);
        let curve = &account["curves"][row["trials"][0].as_str().unwrap()];
        assert_eq!(curve.as_array().unwrap().len(), 1, "{curve}");
    }
}

#[test]
fn every_figure_is_drawn_as_svg_and_png() {
    let here = here();
    for figure in FIGURES {
        here.call(&["plot", figure, "tiny"]).done();
        let svg = here.read(&format!("results/tiny-{figure}.svg"));
        assert!(svg.starts_with("<svg") && svg.contains("tiny"), "{figure}: {}", &svg[..200]);
    }
    // One mark for each of eight configurations and resolutions, beside the legend's.
    let front = here.read("results/tiny-front.svg");
    assert!(front.matches("<path").count() > 8);
    for word in ["bn", "ln+pn", "top-1 accuracy", "multiply-accumulates"] {
        assert!(front.contains(word), "{word}");
    }
    let png =
        here.call(&["plot", "front", "tiny", "--output", "front.png", "--width", "300", "--height", "200"]);
    if png.stderr.contains("no font") {
        eprintln!("SKIPPED: no font on this machine to draw a PNG with");
        return;
    }
    png.done();
    let bytes = fs::read(here.path("front.png")).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((side(16), side(20)), (900, 600));
}

#[test]
fn what_cannot_be_drawn_says_so() {
    let here = here();
    let jpeg = here.call(&["plot", "front", "tiny", "--output", "front.jpg"]);
    assert!(jpeg.stderr.contains("neither .svg nor .png"), "{}", jpeg.stderr);
    let axis = here.call(&["plot", "front", "tiny", "--colour", "group_size"]);
    assert!(axis.stderr.contains("do not differ in `group_size`"), "{}", axis.stderr);
    assert!(axis.stderr.contains("norm, batch_size, test_resolution"), "{}", axis.stderr);
}

#[test]
fn results_go_out_as_a_study_and_in_columns() {
    let here = here();
    here.call(&["export", "tiny", "--format", "optuna", "--output", "tiny.log"]).done();
    let log = here.read("tiny.log");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["study_name"], "tiny");
    assert_eq!(lines[0]["directions"], serde_json::json!([2, 1]));
    let trials: Vec<&Value> = lines.iter().filter(|line| line["op_code"] == 4).collect();
    assert_eq!(trials.len(), 8);
    for trial in trials {
        assert_eq!((&trial["state"], trial["values"].as_array().unwrap().len()), (&1.into(), 2));
        assert_eq!(trial["params"].as_object().unwrap().len(), 3);
    }
    here.call(&["export", "--format", "parquet", "--output", "all.parquet"]).done();
    here.call(&["pareto", "tiny", "--parquet", "front.parquet"]).done();
    for file in ["all.parquet", "front.parquet"] {
        let bytes = fs::read(here.path(file)).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{file}");
    }
}

#[test]
fn without_a_terminal_nothing_is_watched() {
    let here = here();
    let watched = here.call(&["watch", "tiny"]);
    assert!(watched.stderr.contains("this is none"), "{}", watched.stderr);
}
