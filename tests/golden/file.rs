//! A golden file: its cases, what they are given, and what is expected of them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One family's file, which notes what is read of it.
pub struct Golden {
    metadata: String,
    tensors: SafeTensors<'static>,
    read: RefCell<BTreeSet<String>>,
}

/// What the file says of itself.
#[derive(Deserialize)]
struct Metadata<Case> {
    cases: Vec<Case>,
}

/// Numbers with their shape.
pub struct Given {
    pub values: Vec<f32>,
    pub shape: Vec<usize>,
}

impl Golden {
    /// The file of `family`.
    ///
    /// # Panics
    /// If it is missing: there is nothing to be held against.
    pub fn open(family: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let path = folder.join(family).with_extension("safetensors");
        let bytes = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; `python tests/golden/make.py {family}` makes it", path.display())
        });
        // Tensors borrow their file, which may live as long as the test.
        let bytes = &*bytes.leak();
        let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
        let metadata = metadata.metadata().as_ref().unwrap()["golden"].clone();
        Self { metadata, tensors: SafeTensors::deserialize(bytes).unwrap(), read: RefCell::default() }
    }

    /// What every case is, in the order in which they were made.
    pub fn cases<Case: DeserializeOwned>(&self) -> Vec<Case> {
        let metadata: Metadata<Case> = serde_json::from_str(&self.metadata).unwrap();
        assert!(!metadata.cases.is_empty(), "a family without cases");
        metadata.cases
    }

    /// An input.
    pub fn given(&self, name: &str) -> Given {
        let tensor = self.tensor(name, Dtype::F32);
        let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        Given { values: values.collect(), shape: tensor.shape().to_vec() }
    }

    /// An expected result.
    pub fn expected(&self, name: &str) -> Vec<f64> {
        let tensor = self.tensor(name, Dtype::F64);
        tensor.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn tensor(&self, name: &str, dtype: Dtype) -> TensorView<'_> {
        let tensor = self.tensors.tensor(name).unwrap_or_else(|error| panic!("`{name}`: {error}"));
        assert_eq!(tensor.dtype(), dtype, "`{name}`");
        self.read.borrow_mut().insert(name.to_owned());
        tensor
    }

    /// Fails if any tensor was never asked for.
    pub fn assert_all_read(&self) {
        let read = self.read.borrow();
        let names = self.tensors.names();
        let unread: Vec<_> = names.into_iter().filter(|name| !read.contains(*name)).collect();
        assert!(unread.is_empty(), "nothing was held against {unread:?}");
    }
}
