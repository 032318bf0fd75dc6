//! A sweep of seconds: four trials of a very small network on drawings of 16 pixels.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::here::Here;

pub const TINY: &str = r#"
[sweep]
description = "As small as it gets"
objectives = ["max top1", "min macs"]

[data]
set = "shapes"
train_images = 64
test_images = 32

[model]
preset = "nano"
width = 0.25
depth = 0.3

[train]
epochs = 1

[measure]
enabled = false

[grid]
norm = ["bn", "ln+pn"]
batch_size = [8, 16]
resolution = [{ train = 16, test = [16, 24] }]
"#;

/// A folder in which the sweep was run, once for all tests.
pub fn swept() -> &'static Here {
    static SWEPT: OnceLock<Here> = OnceLock::new();
    SWEPT.get_or_init(|| {
        let here = Here::new();
        here.write("tiny.toml", TINY);
        here.call(&["run", "tiny.toml"]).done();
        here
    })
}

/// Lays a copy of that sweep's database where the program looks for it.
pub fn database(here: &Here) {
    let copy = |name: &str| {
        let (from, to): (PathBuf, PathBuf) = (swept().path(name), here.path(name));
        if from.exists() {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        }
    };
    copy("results/effsweep.db");
    copy("results/effsweep.db-wal");
}
