//! The layers of docs/architecture.md, held against the code: who imports whom, which names have one home,
//! and that the documents name only files that exist.
//!
//! Code here is what a compiler sees outside tests: comments, literals and `#[cfg(test)]` items are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[path = "layers/broken.rs"]
mod broken;
#[path = "layers/source.rs"]
mod source;

use source::{Token, imports, texts, tokens, without_tests};

/// The document that holds the table.
const ARCHITECTURE: &str = "docs/architecture.md";

/// Names that occur only in these places.
const HOMES: [(&str, &[&str]); 4] = [
    ("indicatif", &["src/cli/progress.rs"]),
    ("rusqlite", &["src/store/"]),
    ("rusqlite_migration", &["src/store/"]),
    ("dfdx", &["src/ops/", "src/model/", "src/train/", "src/measure/"]),
];

/// Where the ban on unsafe code may be lifted.
const UNSAFE_HOMES: [&str; 2] = ["src/kernels/", "src/ops/view.rs"];

#[test]
fn the_code_keeps_to_the_layers() {
    let faults = faults(&Tree::read(Path::new(env!("CARGO_MANIFEST_DIR"))));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Everything that is wrong with `tree`.
fn faults(tree: &Tree) -> Vec<String> {
    let table = match Table::parse(tree.text(ARCHITECTURE)) {
        Ok(table) => table,
        Err(fault) => return vec![fault],
    };
    let mut faults = table.upward_permissions();
    let code = tree.code();
    for (path, tokens) in &code {
        faults.extend(import_faults(path, tokens, &table));
        faults.extend(home_faults(path, tokens));
    }
    faults.extend(dead_paths(tree, &table));
    faults
}

/// Files by their path from the project's root.
#[derive(Default)]
struct Tree(BTreeMap<String, String>);

impl Tree {
    fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        let mut left = vec!["src".to_owned(), "docs".to_owned(), "README.md".to_owned()];
        while let Some(path) = left.pop() {
            let here = root.join(&path);
            if let Ok(entries) = fs::read_dir(&here) {
                left.extend(entries.flatten().map(|entry| format!("{path}/{}", entry.file_name().display())));
            } else if let Ok(bytes) = fs::read(&here) {
                tree.0.insert(path, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        tree
    }

    fn text(&self, path: &str) -> &str {
        self.0.get(path).map_or("", String::as_str)
    }

    /// Whether there is a file or folder of that path.
    fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.0.contains_key(path) || self.0.keys().any(|file| file.starts_with(&folder))
    }

    /// The tokens of every source file, without tests.
    fn code(&self) -> Vec<(&str, Vec<Token<'_>>)> {
        let sources = self.0.iter().filter(|(path, _)| path.starts_with("src/") && path.ends_with(".rs"));
        let mut tests = BTreeSet::new();
        let mut code = Vec::new();
        for (path, text) in sources {
            let (tokens, test_modules) = without_tests(&tokens(text));
            let folder = module_folder(path);
            tests.extend(test_modules.iter().map(|name| format!("{folder}/{name}")));
            code.push((path.as_str(), tokens));
        }
        let in_tests = |path: &str| {
            tests
                .iter()
                .any(|test| path.strip_prefix(test.as_str()).is_some_and(|rest| rest.starts_with(['.', '/'])))
        };
        code.retain(|(path, _)| !in_tests(path));
        code
    }
}

/// The folder of a file's child modules: `src/a` for `src/a/mod.rs` and for `src/a.rs`.
fn module_folder(path: &str) -> &str {
    let stem = path.trim_end_matches(".rs");
    ["/mod", "/lib", "/main"].iter().find_map(|root| stem.strip_suffix(root)).unwrap_or(stem)
}

/// The table of layers, top to bottom.
struct Table(Vec<Row>);

struct Row {
    module: String,
    layer: u32,
    /// Paths that it may import; `None` for everything further down.
    may_import: Option<Vec<String>>,
}

impl Table {
    /// The rows whose first cell begins with a digit.
    fn parse(document: &str) -> Result<Self, String> {
        let mut rows = Vec::new();
        for (line, text) in document.lines().enumerate() {
            let cells: Vec<&str> = text.split('|').map(str::trim).collect();
            let ["", layer, module, may_import, ..] = cells[..] else { continue };
            let Some(layer) = layer.split(' ').next().and_then(|number| number.parse().ok()) else {
                continue;
            };
            let may_import = match may_import {
                "everything below" => None,
                "nothing" => Some(Vec::new()),
                names if names.starts_with('`') => {
                    Some(names.split('`').filter(|name| !name.trim().is_empty()).map(str::to_owned).collect())
                }
                other => return Err(format!("`{ARCHITECTURE}:{}` lets a module import `{other}`", line + 1)),
            };
            rows.push(Row { module: module.trim_matches('`').to_owned(), layer, may_import });
        }
        if rows.is_empty() { Err(format!("`{ARCHITECTURE}` has no table of layers")) } else { Ok(Self(rows)) }
    }

    fn row(&self, module: &str) -> Option<&Row> {
        self.0.iter().find(|row| row.module == module)
    }

    /// Permissions of the table itself that do not go down it: without any, no cycle can be allowed.
    fn upward_permissions(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (index, row) in self.0.iter().enumerate() {
            let below: Vec<&str> = self.0[index + 1..].iter().map(|row| row.module.as_str()).collect();
            for path in row.may_import.iter().flatten() {
                if !below.contains(&path.split("::").next().unwrap_or_default()) {
                    let grants = format!("`{ARCHITECTURE}` lets `{}` import `{path}`", row.module);
                    faults.push(format!("{grants}, which is not below it"));
                }
            }
        }
        faults
    }

    /// Whether the module of `row` may name the path `import`.
    fn allows(&self, row: &Row, import: &[&str]) -> bool {
        let leads_to = |path: &String| {
            path.split("::").count() <= import.len() && path.split("::").zip(import).all(|(a, b)| a == *b)
        };
        let mut below = self.0.iter().skip_while(|other| other.module != row.module);
        import[0] == row.module
            || match &row.may_import {
                Some(paths) => paths.iter().any(leads_to),
                None => below.any(|other| other.module == import[0]),
            }
    }
}

/// Imports of one file that its row does not name.
fn import_faults(path: &str, tokens: &[Token<'_>], table: &Table) -> Vec<String> {
    if path == "src/lib.rs" {
        return Vec::new();
    }
    let module_path: Vec<&str> = path
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| *part != "mod")
        .collect();
    let Some(row) = table.row(module_path[0]) else {
        return vec![format!("`{path}` belongs to no module of `{ARCHITECTURE}`")];
    };
    let mut faults = BTreeSet::new();
    for (import, line) in imports(tokens, &module_path) {
        if import.is_empty() || table.allows(row, &import) {
            continue;
        }
        let layer = table.row(import[0]).map_or("no layer".to_owned(), |row| format!("layer {}", row.layer));
        faults.insert(format!("`{path}:{line}` imports `{}` ({layer}) from layer {}", import[0], row.layer));
    }
    faults.into_iter().collect()
}

/// Names of one file that are at home elsewhere.
fn home_faults(path: &str, tokens: &[Token<'_>]) -> Vec<String> {
    let mut faults = Vec::new();
    let file_of = |folder: &str| format!("{}.rs", folder.trim_end_matches('/'));
    let away = |homes: &[&str]| !homes.iter().any(|home| path.starts_with(home) || path == file_of(home));
    for (index, token) in tokens.iter().enumerate() {
        for (name, homes) in HOMES {
            if token.text == name && away(homes) {
                let (line, homes) = (token.line, homes.join(", "));
                faults.push(format!("`{path}:{line}` names `{name}`, at home in {homes}"));
            }
        }
        let lifts = ["allow", "expect"].contains(&token.text)
            && texts(&tokens[index..]).take_while(|text| *text != ")").any(|text| text == "unsafe_code");
        if lifts && away(&UNSAFE_HOMES) {
            let (line, homes) = (token.line, UNSAFE_HOMES.join(", "));
            faults.push(format!("`{path}:{line}` allows unsafe code, at home in {homes}"));
        }
    }
    faults
}

/// Paths in the documents that lead nowhere. Those of a module without any file yet are let be.
fn dead_paths(tree: &Tree, table: &Table) -> Vec<String> {
    let begun = |module: &str| tree.has(&format!("src/{module}")) || tree.has(&format!("src/{module}.rs"));
    let planned = |path: &str| {
        let module = path.strip_prefix("src/").and_then(|rest| rest.split(['/', '.']).next());
        module.is_some_and(|module| table.row(module).is_some() && !begun(module))
    };
    let mut faults = Vec::new();
    for (document, text) in tree.0.iter().filter(|(path, _)| path.ends_with(".md")) {
        for (line, text) in text.lines().enumerate() {
            for path in named_paths(text).filter(|path| !tree.has(path) && !planned(path)) {
                faults.push(format!("`{document}:{}` names `{path}`, which does not exist", line + 1));
            }
        }
    }
    faults
}

/// Paths under `src/` and `docs/` in a line of prose.
fn named_paths(line: &str) -> impl Iterator<Item = &str> {
    let part_of_path = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    let words = line.split(move |c| !part_of_path(c)).map(|word| word.trim_end_matches('.'));
    words.filter(|word| ["src/", "docs/"].iter().any(|root| word.starts_with(root)))
}
