//! Accuracies after fine-tuning: asked for later, paid for, and compared.

use super::here::Here;
use super::tiny::TINY;

fn sql(here: &Here, statement: &str) -> String {
    here.call(&["sql", statement, "--format", "csv"]).done().stdout
}

#[test]
fn a_fine_tuning_asked_for_later_trains_no_trial_again() {
    let here = Here::new();
    here.write("tiny.toml", TINY);
    here.call(&["run", "tiny.toml"]).done();
    let before = sql(&here, "SELECT key, weights_checksum, train_s FROM trials ORDER BY key");

    here.write(
        "tiny.toml",
        &format!("{TINY}\n[fine_tune]\ntrained = [\"none\", \"top\"]\nepochs = 1\nbatch_size = 8\n"),
    );
    let plan = here.call(&["plan", "tiny.toml"]).done().stdout;
    assert!(
        plan.contains(
            "16 accuracies from 4 trainings, after fine-tuning top epochs=1 batch_size=8 and as trained"
        ),
        "{plan}"
    );
    assert!(plan.contains("4 kept, 0 new, 4 to be evaluated further"), "{plan}");
    here.call(&["run", "tiny.toml"]).done();
    assert_eq!(before, sql(&here, "SELECT key, weights_checksum, train_s FROM trials ORDER BY key"));

    let counted = "SELECT fine_tuning, count(*) AS accuracies, count(fine_tune_s) AS timed, \
                   count(DISTINCT loss) > 6 AS differ FROM evaluations GROUP BY fine_tuning";
    assert_eq!(
        sql(&here, counted),
        "fine_tuning,accuracies,timed,differ\nnone,8,0,1\ntop epochs=1 batch_size=8,8,8,1\n"
    );
    let moved = "SELECT count(*) AS moved FROM results AS a JOIN results AS b USING (trial_key, test_resolution) \
                 WHERE a.fine_tuning = 'none' AND b.fine_tuning <> 'none' AND a.test_loss <> b.test_loss";
    assert_eq!(sql(&here, moved), "moved\n8\n");
    let cost = "SELECT count(*) AS dearer FROM results AS a JOIN results AS b USING (trial_key, test_resolution) \
                WHERE a.fine_tuning = 'none' AND b.fine_tuning <> 'none' \
                AND abs(b.train_time_s - a.train_time_s - b.fine_tune_time_s) < 1e-9 AND b.fine_tune_time_s > 0";
    assert_eq!(sql(&here, cost), "dearer\n8\n");

    let all = here.call(&["pareto", "tiny", "--all", "--format", "csv"]).done().stdout;
    assert_eq!(all.lines().count(), 1 + 16, "{all}");
    let compared = here.call(&[
        "compare",
        "fine_tuning=top epochs=1 batch_size=8",
        "fine_tuning=none",
        "--sweep",
        "tiny",
        "--format",
        "csv",
    ]);
    let compared = compared.done().stdout;
    let top1 = compared.lines().find(|line| line.contains(",top1,")).unwrap();
    assert!(top1.contains(",configurations,8,"), "{top1}");
    let shown = here.call(&["show", &first_key(&here)]).done().stdout;
    assert!(shown.contains("top epochs=1 batch_size=8"), "{shown}");
}

fn first_key(here: &Here) -> String {
    sql(here, "SELECT min(key) AS key FROM configurations").lines().nth(1).unwrap().to_owned()
}

#[test]
fn what_cannot_be_fine_tuned_is_refused() {
    let here = Here::new();
    for (section, said) in [
        ("trained = [\"blocks.99\"]", "the network has no block `blocks.99`"),
        ("trained = [\"bottom\"]", "`bottom` names no part of a network"),
        ("trained = [\"top\", \"top\"]", "different parts, at least one"),
        ("trained = [\"top\"]\nbatch_size = 1", "batch norm at batch size 1"),
    ] {
        here.write("bad.toml", &format!("[fine_tune]\n{section}\n[grid]\nnorm = [\"bn\"]\n"));
        let told = here.call(&["plan", "bad.toml"]).stderr;
        assert!(told.contains(said), "{told}");
    }
}
