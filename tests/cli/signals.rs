//! Signals, from the flag to the table: what each norm of a network sends on.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::here::Here;
use super::tiny::{TINY, swept};

/// Norms of the sweep, in its order.
const NORMS: [&str; 4] = ["bn", "ln", "ln+pn", "in"];

/// A folder in which a sweep over four norms recorded signals before and after its one epoch; run once.
fn recorded() -> &'static Here {
    static RECORDED: OnceLock<Here> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let here = Here::new();
        let text = TINY
            .replace(r#"norm = ["bn", "ln+pn"]"#, r#"norm = ["bn", "ln", "ln+pn", "in"]"#)
            .replace("batch_size = [8, 16]", "batch_size = [8]");
        here.write("signals.toml", &format!("{text}\n[run]\nsignals = [0, 1]\n"));
        here.call(&["run", "signals.toml"]).done();
        here
    })
}

fn sql(here: &Here, statement: &str) -> Vec<BTreeMap<String, String>> {
    let text = here.call(&["sql", statement, "--format", "csv"]).done().stdout;
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect()
}

/// The trial of that norm, by the beginning of its key.
fn trial(norm: &str) -> String {
    let rows = sql(recorded(), &format!("SELECT trial_key FROM trial_overview WHERE norm = '{norm}'"));
    rows[0]["trial_key"][..8].to_owned()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap()
}

#[test]
fn every_norm_of_every_trial_is_recorded_at_both_moments() {
    let rows = sql(
        recorded(),
        "SELECT norm, finished_epochs, count(*) AS rows, count(DISTINCT name) AS names, sum(place = 'pre') AS pre,
                sum(place = 'post' AND name LIKE '%.project') AS activated_projections, min(images) AS images
         FROM signals GROUP BY norm, finished_epochs",
    );
    assert_eq!(rows.len(), NORMS.len() * 2);
    for row in &rows {
        assert_eq!(row["names"], row["pre"], "{row:?}");
        assert!(number(row, "rows") > number(row, "names"), "{row:?}");
        assert_eq!((row["activated_projections"].as_str(), row["images"].as_str()), ("0", "64"), "{row:?}");
        assert_eq!(row["rows"], rows[0]["rows"], "the same network for every norm");
    }
}

#[test]
fn the_powers_are_what_each_norm_makes_of_them() {
    let rows = sql(recorded(), "SELECT * FROM signals");
    for row in &rows {
        let [power, mean_power, mean_variance, deviation_power, deviation_variance, collapse, variability] =
            [
                "power",
                "mean_power",
                "mean_variance",
                "deviation_power",
                "deviation_variance",
                "channel_collapse",
                "instance_variability",
            ]
            .map(|column| number(row, column));
        let sum = mean_power + mean_variance + deviation_power + deviation_variance;
        assert!(power > 0.0 && (sum / power - 1.0).abs() < 1e-9, "{row:?}");
        assert!((0.0..=1.0).contains(&collapse) && (0.0..=1.0).contains(&variability), "{row:?}");
        if row["place"] != "pre" {
            continue;
        }
        match row["norm"].as_str() {
            // Each image's mean is normalized away.
            "in" => assert!(mean_variance < 1e-9 * power, "{row:?}"),
            // Before training γ is 1 and β is 0: no channel has a mean over images and pixels …
            "bn" if row["finished_epochs"] == "0" => {
                assert!(mean_power < 1e-9 && (0.9..1.001).contains(&power), "{row:?}");
            }
            // … and layer norm leaves a power of 1 over all channels, wherever it lies.
            "ln" | "ln+pn" if row["finished_epochs"] == "0" => {
                assert!((0.9..1.001).contains(&power), "{row:?}");
            }
            _ => {}
        }
    }
    let mean = |norm: &str| {
        let of_norm = rows
            .iter()
            .filter(|row| row["norm"] == norm && row["place"] == "pre" && row["finished_epochs"] == "0");
        let collapses: Vec<f64> = of_norm.map(|row| number(row, "channel_collapse")).collect();
        collapses.iter().sum::<f64>() / collapses.len() as f64
    };
    // The paper's first failure mode, and what proxy norm is for.
    let [bn, pn, ln] = ["bn", "ln+pn", "ln"].map(mean);
    assert!(bn < 1e-9 && bn < pn && pn < ln, "bn {bn}, ln+pn {pn}, ln {ln}");
}

#[test]
fn recording_changes_no_key_and_no_weight() {
    let statement = "SELECT key, weights_checksum FROM trials ORDER BY key";
    let plain: BTreeMap<String, String> = sql(swept(), statement)
        .into_iter()
        .map(|row| (row["key"].clone(), row["weights_checksum"].clone()))
        .collect();
    let both = sql(recorded(), statement).into_iter().filter(|row| plain.contains_key(&row["key"]));
    let both: Vec<_> = both.collect();
    assert_eq!(both.len(), 2, "bn and ln+pn at batch size 8");
    for row in both {
        assert_eq!(plain[&row["key"]], row["weights_checksum"]);
    }
}

#[test]
fn trials_are_laid_side_by_side() {
    let here = recorded();
    let keys = NORMS.map(trial);
    let mut arguments = vec!["show"];
    arguments.extend(keys.iter().map(String::as_str));
    arguments.push("--signals");
    let last = here.call(&arguments).done();
    assert!(last.stdout.starts_with("signals after 1 epoch, over 64 training images\n"), "{}", last.stdout);
    assert!(last.stderr.contains("collapse: "), "{}", last.stderr);
    for part in ["bn G1 s0", "ln+pn G1 s0", keys[3].as_str(), "blocks.0.spatial", "top"] {
        assert!(last.stdout.contains(part), "{part}\n{}", last.stdout);
    }
    let cells = |text: &str, layer: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(layer)).unwrap_or_else(|| panic!("{text}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    arguments.extend(["--epoch", "0"]);
    let first = here.call(&arguments).done().stdout;
    assert!(first.starts_with("signals before training"), "{first}");
    // The name; then collapse and variability of four trials, a bar before each number but those near 0.
    let stem = cells(&first, "stem");
    assert_eq!((stem[0].as_str(), stem[1].as_str()), ("stem", "0.000"), "{first}");
    assert!(stem.iter().any(|cell| cell.starts_with('█')), "{first}");
    // A projection has nothing after an activation.
    assert_eq!(cells(&first, "blocks.0.project").iter().filter(|cell| *cell == "–").count(), 4, "{first}");
}

#[test]
fn programs_get_the_rows_of_the_view() {
    let here = recorded();
    let key = trial("ln");
    let text = here.call(&["show", &key, "--signals", "--format", "csv"]).done().stdout;
    let whole = format!(
        "SELECT * FROM signals WHERE trial_key LIKE '{key}%' ORDER BY finished_epochs, layer, place DESC"
    );
    assert_eq!(text, here.call(&["sql", &whole, "--format", "csv"]).done().stdout);
    let configuration = sql(here, "SELECT configuration_key FROM trial_overview WHERE norm = 'ln'");
    let key = configuration[0]["configuration_key"].as_str();
    let by_configuration = here.call(&["show", key, &trial("ln"), "--signals", "--format", "csv"]).done();
    assert_eq!(by_configuration.stdout, text, "a configuration stands for its trial, which is shown once");
    let other = trial("in");
    let both = here.call(&["show", key, &other, "--signals", "--epoch", "1", "--format", "json"]).done();
    let rows: serde_json::Value = serde_json::from_str(&both.stdout).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), text.lines().count() - 1, "one moment of two trials for two of one");
    assert!(rows.iter().all(|row| row["finished_epochs"] == 1 && row["power"].is_f64()));
}

#[test]
fn a_flag_goes_before_the_file() {
    let here = Here::new();
    let text = TINY.replace(r#"norm = ["bn", "ln+pn"]"#, r#"norm = ["bn"]"#);
    let text = text.replace("batch_size = [8, 16]", "batch_size = [8]");
    here.write("a.toml", &format!("{text}\n[run]\nsignals = [0]\n"));
    here.call(&["run", "a.toml", "--signals", "1"]).done();
    let moments = sql(&here, "SELECT DISTINCT finished_epochs AS moment FROM signals");
    assert_eq!(moments.len(), 1);
    assert_eq!(moments[0]["moment"], "1");
}

#[test]
fn what_was_not_recorded_cannot_be_shown() {
    let here = recorded();
    let refused = here.call(&["show", &trial("bn"), &trial("ln")]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("`--signals` compares"), "{}", refused.stderr);
    let refused = here.call(&["show", &trial("bn"), "--signals", "--epoch", "7"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("has no signals after 7 epochs; it has some after 0 and 1"),
        "{}",
        refused.stderr
    );
    let key = sql(swept(), "SELECT key FROM trials ORDER BY key LIMIT 1").remove(0)["key"].clone();
    let refused = swept().call(&["show", &key, "--signals"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("no signals of ") && refused.stderr.contains("--signals 0,5"),
        "{}",
        refused.stderr
    );
}
