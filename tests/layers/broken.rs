//! The checker itself: trees that break each rule, and trees that break none.

use super::*;

const TABLE: &str = "| layer | module | may import |\n| --- | --- | --- |\n| 8 face | `main` | `cli` |\n\
                     | 8 face | `cli` | everything below |\n| 6 parent | `runner` | `store` `measure::machine` |\n\
                     | 5 finding out | `measure` | `sweep` |\n| 3 kept | `store` | `sweep` |\n\
                     | 2 asked | `sweep` | nothing |\n";

/// The faults of a tree of one source file.
fn faults_of(path: &str, text: &str) -> Vec<String> {
    let files = [(ARCHITECTURE, TABLE), (path, text)];
    faults(&Tree(files.map(|(path, text)| (path.to_owned(), text.to_owned())).into()))
}

#[track_caller]
fn assert_fault(path: &str, text: &str, fault: &str) {
    assert_eq!(faults_of(path, text), [fault], "{text}");
}

#[track_caller]
fn assert_clean(path: &str, text: &str) {
    assert_eq!(faults_of(path, text), [""; 0], "{text}");
}

#[test]
fn finds_an_import_upwards() {
    let fault = "`src/runner/process.rs:2` imports `cli` (layer 8) from layer 6";
    assert_fault("src/runner/process.rs", "\nuse crate::cli::progress;", fault);
}

#[test]
fn finds_imports_in_every_form() {
    for text in [
        "use crate::{store::{self, Store}, cli};",
        "use crate::cli;",
        "use crate::cli::*;",
        "pub use crate::cli as face;",
        "fn f() { crate::cli::draw(1) }",
        "fn f() -> Option<crate::cli::Bar<'static>> { None }",
        "use super::super::cli::Bar;",
        "use super::super::{store, cli::Bar};",
        "mod inner { use super::super::super::cli; }",
        "const A: char = '\"'; use crate::cli; const B: char = '\"';",
        "const A: &str = r#\"\"\"#; use crate::cli;",
        "/* /* nested */ */ use crate::cli;",
    ] {
        assert_fault(
            "src/runner/process.rs",
            text,
            "`src/runner/process.rs:1` imports `cli` (layer 8) from layer 6",
        );
    }
}

#[test]
fn finds_a_sibling_that_the_row_does_not_name() {
    assert_fault(
        "src/measure.rs",
        "use crate::store::Db;",
        "`src/measure.rs:1` imports `store` (layer 3) from layer 5",
    );
    let fault = "`src/runner/mod.rs:1` imports `measure` (layer 5) from layer 6";
    assert_fault("src/runner/mod.rs", "use crate::measure::{machine, sampling};", fault);
}

#[test]
fn finds_names_that_are_in_no_layer() {
    let fault = "`src/cli/run.rs:1` imports `Prelude` (no layer) from layer 8";
    assert_fault("src/cli/run.rs", "use crate::Prelude;", fault);
    assert_fault("src/utils.rs", "", "`src/utils.rs` belongs to no module of `docs/architecture.md`");
}

#[test]
fn finds_what_the_binary_reaches_past_the_face() {
    assert_clean("src/main.rs", "fn main() { effsweep::cli::main() }");
    assert_fault(
        "src/main.rs",
        "use effsweep::store;",
        "`src/main.rs:1` imports `store` (layer 3) from layer 8",
    );
}

#[test]
fn lets_be_what_is_allowed() {
    assert_clean("src/lib.rs", "pub mod cli; pub mod store;");
    assert_clean(
        "src/cli/run.rs",
        "use crate::{runner, sweep::Sweep}; use super::progress; use crate::cli::exit;",
    );
    assert_clean(
        "src/runner/mod.rs",
        "use crate::measure::machine::Machine; use self::plan::Plan; pub(crate) mod plan;",
    );
    assert_clean("src/runner/plan.rs", "use super::event; mod inner { use super::super::event; }");
    assert_clean("src/measure/mod.rs", "pub(in crate::measure) fn f() {}");
}

#[test]
fn does_not_read_comments_literals_and_tests() {
    for text in [
        "// use crate::cli;\n/* crate::cli::x */\n/// [`crate::cli`]\nfn f() {}",
        "const A: &str = \"crate::cli \\\" crate::cli\"; const B: &str = r##\"\"# crate::cli\"##;",
        "#[cfg(test)]\nmod tests { use crate::cli; fn f() { if true {} } }",
        "#[cfg(test)]\n#[allow(dead_code)]\nuse crate::{cli, cli::x};\nfn f() {}",
        "#[cfg(all(test, unix))]\nfn f(a: [u8; 3]) -> crate::cli::X { a }",
        "#![cfg(test)]\nuse crate::cli;\nfn f() {}",
    ] {
        assert_clean("src/runner/process.rs", text);
    }
}

#[test]
fn reads_on_after_a_test_item() {
    let text = "#[cfg(test)]\nmod tests { fn f() {} }\n#[cfg(test)]\nmod more;\nuse crate::cli;";
    assert_fault(
        "src/runner/process.rs",
        text,
        "`src/runner/process.rs:5` imports `cli` (layer 8) from layer 6",
    );
}

#[test]
fn does_not_read_files_of_tests() {
    for (parent, child) in [
        ("src/store/mod.rs", "src/store/contract.rs"),
        ("src/store/open.rs", "src/store/open/contract.rs"),
        ("src/store/mod.rs", "src/store/contract/rows.rs"),
    ] {
        let files =
            [(ARCHITECTURE, TABLE), (parent, "#[cfg(test)]\nmod contract;"), (child, "use crate::cli;")];
        let tree = Tree(files.map(|(path, text)| (path.to_owned(), text.to_owned())).into());
        assert_eq!(faults(&tree), [""; 0], "{child}");
    }
}

#[test]
fn finds_names_away_from_home() {
    let fault = "`src/cli/run.rs:1` names `indicatif`, at home in src/cli/progress.rs";
    assert_fault("src/cli/run.rs", "use indicatif::ProgressBar;", fault);
    assert_clean("src/cli/progress.rs", "use indicatif::ProgressBar;");
    assert_fault(
        "src/sweep.rs",
        "use rusqlite as db;",
        "`src/sweep.rs:1` names `rusqlite`, at home in src/store/",
    );
    assert_clean("src/store/open.rs", "fn f() -> rusqlite::Result<()> {}");
    let fault =
        "`src/runner/plan.rs:1` names `dfdx`, at home in src/ops/, src/model/, src/train/, src/measure/";
    assert_fault("src/runner/plan.rs", "fn f(x: dfdx::prelude::Cpu) {}", fault);
}

#[test]
fn finds_unsafe_code_away_from_home() {
    for text in ["#![allow(dead_code, unsafe_code)]", "#[expect(unsafe_code)] fn f() {}"] {
        let fault = "`src/store/open.rs:1` allows unsafe code, at home in src/kernels/, src/ops/view.rs";
        assert_fault("src/store/open.rs", text, fault);
    }
    assert_clean("src/store/open.rs", "#![deny(unsafe_code)] #![allow(dead_code)]");
}

#[test]
fn finds_dead_paths_in_documents() {
    let text =
        "See `src/store/open.rs`, (docs/none.md). https://docs.rs/x and https://x.org/docs/y, src/sweep.rs.";
    let files =
        [(ARCHITECTURE, TABLE), ("src/store/claim.rs", ""), ("src/sweep.rs", ""), ("README.md", text)];
    let tree = Tree(files.map(|(path, text)| (path.to_owned(), text.to_owned())).into());
    let expected = ["src/store/open.rs", "docs/none.md"]
        .map(|path| format!("`README.md:1` names `{path}`, which does not exist"));
    assert_eq!(faults(&tree), expected);
}

#[test]
fn lets_be_paths_of_modules_to_come() {
    assert_clean("README.md", "`src/runner/scheduler.rs` and docs/architecture.md");
}

#[test]
fn finds_permissions_that_go_up_the_table() {
    let upward = TABLE.replace("`sweep` | nothing", "`sweep` | `store`");
    let tree = Tree([(ARCHITECTURE.to_owned(), upward)].into());
    let expected = "`docs/architecture.md` lets `sweep` import `store`, which is not below it";
    assert_eq!(faults(&tree), [expected]);
}

#[test]
fn does_not_pass_without_a_table() {
    assert_eq!(faults(&Tree::default()), ["`docs/architecture.md` has no table of layers"]);
    let vague = TABLE.replace("nothing", "a few things");
    let tree = Tree([(ARCHITECTURE.to_owned(), vague)].into());
    assert_eq!(faults(&tree), ["`docs/architecture.md:8` lets a module import `a few things`"]);
}
