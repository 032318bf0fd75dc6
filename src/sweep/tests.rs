//! Whole sweep files: what they expand to, whose keys stay, and what broken ones are told.

use std::collections::HashSet;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::arch::Norm;

fn sweep(text: &str) -> Sweep {
    Sweep::parse(text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn fault(text: &str) -> String {
    Sweep::parse(text, Path::new("test.toml")).expect_err(text).to_string()
}

fn keys(sweep: &Sweep) -> Vec<ConfigurationKey> {
    sweep.keys().map(|(key, _)| key).collect()
}

fn key_set(sweep: &Sweep) -> HashSet<ConfigurationKey> {
    sweep.keys().map(|(key, _)| key).collect()
}

const GRID: &str = r#"
[grid]
norm = ["bn", "gn", "ln", "ln+pn"]
group_size = [1, 4]
batch_size = [32, 64]
resolution = [{ train = 24, test = [24, 32] }, { train = 32, test = [32, 40] }]
"#;

#[test]
fn a_grid_is_every_combination_and_the_last_axis_is_the_fastest() {
    let sweep = sweep(GRID);
    assert_eq!((sweep.len(), sweep.trial_count()), (32, 32));
    let first = sweep.configuration(0).unwrap();
    let second = sweep.configuration(1).unwrap();
    assert_eq!((first.settings.train.resolution, second.settings.train.resolution), (24, 32));
    assert_eq!(first.test_resolutions.iter().map(|test| test.side).collect::<Vec<_>>(), [24, 32]);
    assert_eq!(sweep.configuration(31).unwrap().settings.model.norm, Norm::Layer { proxy: true });
    assert!(sweep.configuration(32).is_none());
}

#[test]
fn every_network_of_a_grid_is_named_once() {
    let sweep = sweep(GRID);
    // Batch size changes no network; the test half of a resolution changes no training.
    assert_eq!(sweep.networks().len(), 4 * 2 * 2);
    let cost_of = |index: &usize| {
        let settings = sweep.configuration(*index).unwrap().settings;
        (settings.model.norm.to_string(), settings.model.group_size, settings.train.resolution)
    };
    assert_eq!(sweep.networks().iter().map(cost_of).collect::<HashSet<_>>().len(), 16);
}

#[test]
fn no_grid_is_one_point() {
    let sweep = sweep("");
    assert_eq!((sweep.len(), sweep.name()), (1, "test"));
    let configuration = sweep.configuration(0).unwrap();
    assert_eq!(configuration.settings, Settings::default());
    assert_eq!(configuration.test_resolutions, [TestResolution { side: 32, aliased: false }]);
}

#[test]
fn every_key_is_that_of_its_configuration_and_no_two_are_equal() {
    let sweep = sweep(&format!(
        "{GRID}\n[[include]]\nnorm = 'in'\n[[when]]\naxis = 'group_size'\nnorm = ['bn', 'gn']\n[[exclude]]\n\
         norm = 'ln'\nresolution = {{ test = 40 }}\n[train]\nepochs = 3"
    ));
    assert_eq!(key_set(&sweep).len(), sweep.len());
    for configuration in sweep.configurations() {
        assert_eq!(ConfigurationKey::of(&configuration.settings), configuration.key);
    }
}

#[test]
fn one_more_batch_size_runs_its_own_points_and_no_other() {
    let before = "[grid]\nnorm = ['bn', 'gn', 'ln', 'ln+pn']\ngroup_size = [1, 4, 8, 16]\nbatch_size = [32, 64, 128]\n\
                  resolution = [16, 24, 32, 40]";
    let after = before.replace("128]", "128, 256]");
    let (before, after) = (key_set(&sweep(before)), key_set(&sweep(&after)));
    assert_eq!((before.len(), after.difference(&before).count()), (192, 64));
    assert!(before.is_subset(&after));
}

#[test]
fn an_axis_at_its_default_keeps_old_keys() {
    let before = key_set(&sweep(GRID));
    let after = key_set(&sweep(&format!("{GRID}train.mixup = [0, 0.2]")));
    assert!(before.is_subset(&after) && after.len() == 64);
}

#[test]
fn zipped_axes_move_together() {
    let sweep = sweep(
        "[grid]\ngroup_size = [1, 4]\nmodel.expand = [6, 4.5]\nbatch_size = [8, 16]\n[[zip]]\naxes = ['group_size', 'model.expand']\n[model]\nround_to_group = true",
    );
    assert_eq!(sweep.len(), 4);
    for configuration in sweep.configurations() {
        let model = configuration.settings.model;
        assert_eq!(model.expand == settings::Expand::Ratio(6.0), model.group_size == 1);
    }
}

#[test]
fn an_axis_that_does_not_matter_collapses() {
    let text = "[grid]\nnorm = ['bn', 'ln']\n'train.mixup' = [0.1, 0.2, 0.4]\n[[when]]\naxis = 'train.mixup'\nnorm = 'ln'";
    let collapsed = sweep(text);
    assert_eq!(collapsed.len(), 4);
    assert_eq!(collapsed.configuration(0).unwrap().settings.train.mixup, 0.0);
    // A chain: what a switched-off axis decides is decided by its fixed value.
    let chain = sweep(
        &format!("{text}\n[[when]]\naxis = 'batch_size'\ntrain.mixup = [0.1, 0.2]")
            .replace("[grid]", "[grid]\nbatch_size = [8, 16]"),
    );
    assert_eq!(chain.len(), 1 + 2 * 2 + 1);
}

#[test]
fn a_rule_may_leave_out_points_or_their_tests() {
    let points =
        sweep(&format!("{GRID}\n[[exclude]]\nnorm = 'bn'\nbatch_size = [32]\nresolution = {{ train = 24 }}"));
    assert_eq!(points.len(), 32 - 2);
    let tests = sweep(&format!("{GRID}\n[[exclude]]\nnorm = 'bn'\nresolution = {{ test = 32 }}"));
    assert_eq!(tests.len(), 32);
    let of_bn = tests.configuration(0).unwrap().test_resolutions;
    assert_eq!(of_bn, [TestResolution { side: 24, aliased: false }]);
    let none_left = sweep(&format!("{GRID}\n[[exclude]]\nresolution = {{ train = 24, test = [24, 32] }}"));
    assert_eq!(none_left.len(), 16);
}

#[test]
fn points_that_differ_in_their_tests_alone_are_one() {
    let sweep =
        sweep("[grid]\nresolution = [{ train = 32, test = 40 }, 32, { train = 32, test = [24, 40] }]");
    let sides: Vec<usize> = sweep.keys().next().unwrap().1.iter().map(|test| test.side).collect();
    assert_eq!((sweep.len(), sides), (1, vec![24, 32, 40]));
}

#[test]
fn aliased_tests_are_kept_where_they_are_allowed() {
    let text = "[grid]\nresolution = [{ train = 32, test = [32, 36] }]";
    assert!(fault(text).contains("the nearest are 32 and 40"), "{}", fault(text));
    let sweep = sweep(&format!("[sweep]\nallow_aliasing = true\n{text}"));
    let tests = sweep.configuration(0).unwrap().test_resolutions;
    assert_eq!(
        tests.iter().map(|test| (test.side, test.aliased)).collect::<Vec<_>>(),
        [(32, false), (36, true)]
    );
}

#[test]
fn settings_that_no_trial_has_change_no_key() {
    let plain = keys(&sweep(GRID));
    let timed = keys(&sweep(&format!("{GRID}\n[measure]\nrounds = 9\n[run]\nthreads = 2\nsignals = [0, 3]")));
    assert_eq!(plain, timed);
}

#[test]
fn ten_faults_are_enough() {
    let text: String = (0..30).map(|number| format!("unknown{number} = 1\n")).collect();
    let message = fault(&text);
    assert_eq!(message.matches("unknown section").count(), 10);
    assert!(message.ends_with("these are the first 10"), "{message}");
}

#[test]
fn resolved_settings_are_a_sweep_file_of_their_own() {
    let sweep = sweep(&format!("{GRID}\n[train]\nepochs = 3\n[model]\nnorm = {{ kind = 'gn', groups = 8 }}"));
    let resolved = sweep.resolved_toml();
    for setting in Setting::all() {
        assert!(
            resolved.contains(&format!("\n{} = ", setting.key))
                || resolved.contains(&format!("\n# {}: ", setting.key))
        );
    }
    let again = self::sweep(&resolved);
    assert_eq!(again.settings(), sweep.settings());
    assert_eq!(
        (again.name(), again.objectives(), again.seeds()),
        ("test", sweep.objectives(), sweep.seeds())
    );
}

/// Every file of `sweeps`, with its number of configurations. Its images need not be there.
#[test]
fn the_sweeps_that_come_along_are_valid() {
    let expected = [
        ("activations-small.toml", 6),
        ("alignment-small.toml", 2),
        ("cifar10.toml", 32),
        ("paper-group-size-small.toml", 6),
        ("paper-group-size.toml", 8),
        ("paper-headline-small.toml", 10),
        ("paper-headline.toml", 30),
        ("paper-norm-batch-small.toml", 12),
        ("paper-norm-batch.toml", 16),
        ("paper-resolution-small.toml", 8),
        ("paper-resolution.toml", 8),
        ("quickstart.toml", 16),
    ];
    let mut found: Vec<(String, usize)> = std::fs::read_dir("sweeps")
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let here = |line: &str| match line.starts_with("path = ") {
                true => "path = \"src\"\n".to_owned(),
                false => format!("{line}\n"),
            };
            let text: String = text.lines().map(here).collect();
            let sweep = Sweep::parse(&text, &path).unwrap_or_else(|error| panic!("{error}"));
            (path.file_name().unwrap().to_string_lossy().into_owned(), sweep.len())
        })
        .collect();
    found.sort();
    assert_eq!(found, expected.map(|(name, count)| (name.to_owned(), count)));
}

/// 640 points for each epoch count and batch size.
fn large(epochs: usize, batch_sizes: usize) -> String {
    let list = |count: usize| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    format!(
        "[grid]\nnorm = ['gn', 'gn+pn', 'ln', 'ln+pn']\ngroup_size = [1, 4, 8, 16]\nmodel.preset = ['nano', 'b0']\n\
         train.lr = [0.1, 0.2, 0.3, 0.4, 0.5]\nresolution = [24, 32, {{ train = 40, test = [40, 72] }}, 64]\n\
         train.epochs = [{}]\nbatch_size = [{}]",
        list(epochs),
        list(batch_sizes)
    )
}

#[test]
fn a_grid_of_a_hundred_thousand_points_is_counted_without_repeats() {
    let sweep = sweep(&large(16, 10));
    assert_eq!(sweep.len(), 102_400);
    let keys: std::collections::HashSet<_> = sweep.keys().map(|(key, _)| key.to_string()).collect();
    assert_eq!(keys.len(), 102_400);
}

/// Each `tests/broken/NAME.toml` has its message beside it, as `NAME.stderr`.
#[test]
fn every_broken_sweep_file_is_told_what_is_wrong() {
    let accept = std::env::var_os("EFFSWEEP_ACCEPT").is_some();
    let mut names: Vec<String> = std::fs::read_dir("tests/broken")
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().into_string().ok()?.strip_suffix(".toml").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(names.len() >= 22, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let path = format!("tests/broken/{name}.toml");
        let message = match Sweep::load(Path::new(&path)) {
            Ok(_) => "nothing".to_owned(),
            Err(error) => format!("error: {error}\n"),
        };
        let expected_path = format!("tests/broken/{name}.stderr");
        if accept && message != "nothing" {
            std::fs::write(&expected_path, &message).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if message != expected {
            wrong.push(format!("{path}\n--- expected\n{expected}--- found\n{message}"));
        }
    }
    assert!(wrong.is_empty(), "EFFSWEEP_ACCEPT=1 accepts these:\n{}", wrong.join("\n"));
}

/// Rows of the tables under a heading that begins like that, as `(key, default)`.
fn documented(reference: &str, heading: &str) -> Vec<(String, String)> {
    let section = reference.split("\n## ").find(|section| section.starts_with(heading)).unwrap_or_default();
    section
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let key = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
            Some((key.to_owned(), cells.get(3)?.trim_matches('`').to_owned()))
        })
        .collect()
}

#[test]
fn the_reference_has_every_setting_with_its_default_and_no_other() {
    let reference = std::fs::read_to_string("docs/sweep-file.md").unwrap();
    for section in Setting::SECTIONS {
        let settings = Setting::all().iter().filter(|setting| setting.section == section);
        let defined: Vec<(String, String)> = settings
            .map(|setting| {
                let default = setting.of(Settings::defaults());
                // Small numbers are written out: 0.00001, not 1e-5.
                let plain =
                    default.as_f64().filter(|_| default.is_f64() && !default.to_string().ends_with(".0"));
                let default = plain.map_or(default.to_string(), |number| number.to_string());
                (setting.key.to_owned(), setting.absent().map_or(default, str::to_owned))
            })
            .collect();
        assert_eq!(documented(&reference, &format!("`[{section}]`")), defined, "[{section}]");
    }
    let sweep: Vec<String> = documented(&reference, "`[sweep]`").into_iter().map(|(key, _)| key).collect();
    let defined: Vec<&str> = Header::KEYS.into_iter().chain(Metric::NAMES).collect();
    assert_eq!(sweep, defined);
}

#[test]
fn the_examples_of_the_reference_are_sweep_files() {
    let reference = std::fs::read_to_string("docs/sweep-file.md").unwrap();
    let examples: Vec<&str> =
        reference.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let (rules, files): (Vec<&str>, Vec<&str>) =
        examples.into_iter().partition(|example| example.starts_with("[["));
    assert_eq!((files.len(), rules.len()), (2, 4));
    for file in files {
        sweep(file);
    }
    let grid = "[grid]\nnorm = ['bn', 'ln', 'ln+pn']\ngroup_size = [4, 8]\nbatch_size = [2, 32]\n\
                model.expand = [4, 8]\ntrain.mixup = [0.1, 0.2]\n[model]\nround_to_group = true\n";
    sweep(&(grid.to_owned() + &rules.concat()));
}

/// Values of the axes that the properties below play with.
const AXES: [(&str, &[&str]); 5] = [
    ("norm", &["'bn'", "'gn'", "{ kind = 'gn', groups = 2 }", "'ln+pn'"]),
    ("group_size", &["1", "4", "8"]),
    ("batch_size", &["16", "32", "100"]),
    ("train.lr", &["1", "0.5", "1e-3"]),
    ("resolution", &["24", "32", "{ train = 40, test = [32, 40] }"]),
];

/// A grid of some values of some axes, in any order.
fn a_grid() -> impl Strategy<Value = Vec<(&'static str, Vec<&'static str>)>> {
    let axes: Vec<_> = AXES
        .iter()
        .map(|(name, values)| {
            proptest::sample::subsequence(*values, 1..=values.len())
                .prop_shuffle()
                .prop_map(move |values| (*name, values))
        })
        .collect();
    axes.prop_flat_map(|axes| {
        let count = axes.len();
        proptest::sample::subsequence(axes, 1..=count).prop_shuffle()
    })
}

fn text_of(axes: &[(&str, Vec<&str>)]) -> String {
    axes.iter().fold("[grid]\n".to_owned(), |text, (name, values)| {
        text + &format!("{name} = [{}]\n", values.join(", "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn keys_do_not_depend_on_order_or_spelling(axes in a_grid()) {
        let plain = sweep(&text_of(&axes));
        prop_assert_eq!(key_set(&plain).len(), plain.len());
        prop_assert_eq!(plain.len(), axes.iter().map(|(_, values)| values.len()).product::<usize>());
        let mut reversed = axes.clone();
        reversed.reverse();
        for (name, values) in &mut reversed {
            values.reverse();
            *name = match *name {
                "norm" => "model.norm",
                "train.lr" => "'train.lr'",
                other => other,
            };
        }
        let respelled = text_of(&reversed).replace(", ", " ,\n  ").replace("\n  test", " test").replace("\n  groups", " groups");
        let respelled = respelled.replace("[1 ,", "[1.0 ,").replace("group_size = [1.0", "group_size = [1");
        prop_assert_eq!(key_set(&plain), key_set(&sweep(&respelled)));
    }

    #[test]
    fn more_values_and_more_axes_keep_every_key(axes in a_grid()) {
        let before = key_set(&sweep(&text_of(&axes)));
        let mut wider: Vec<(&str, Vec<&str>)> = axes.clone();
        for (name, values) in &mut wider {
            let all = AXES.iter().find(|(axis, _)| axis == name).unwrap().1;
            let more: Vec<&str> = all.iter().copied().filter(|value| !values.contains(value)).collect();
            values.splice(0..0, more);
        }
        wider.insert(0, ("train.momentum", vec!["0.8", "0.9"]));
        prop_assert!(before.is_subset(&key_set(&sweep(&text_of(&wider)))));
    }

    #[test]
    fn every_key_is_that_of_the_settings_it_stands_for(axes in a_grid()) {
        for configuration in sweep(&text_of(&axes)).configurations() {
            prop_assert_eq!(ConfigurationKey::of(&configuration.settings), configuration.key);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[?\\[(grid|sweep|model|zip|when)\\]?\\]\n|(norm|axis|axes|seeds|resolution) = (\\[?['{]?[a-z0-9, =]{0,9}['}]?\\]?|-1|1e400|\u{fc})\n){0,6}") {
        if let Err(error) = Sweep::parse(&text, Path::new("any.toml")) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
