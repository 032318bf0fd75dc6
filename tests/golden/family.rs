//! One family of cases, from its file to its table.

use dfdx::prelude::{Cpu, Shape, Tensor};
use effsweep::ops::{Image, Matrix, Vector, image, matrix};
use serde::de::DeserializeOwned;

use super::file::{Given, Golden};
use super::table::{Row, Table};
use super::tape::{Leaf, Taped, backward, vector};

/// The cases of one golden file.
pub struct Family {
    golden: Golden,
    table: Table,
}

/// One case: what it is given, and what it is held to.
pub struct Case<'a> {
    name: &'a str,
    golden: &'a Golden,
    row: &'a mut Row,
}

impl Family {
    /// The family `name`, with the facts of its cases.
    pub fn open<Facts: DeserializeOwned>(name: &'static str) -> (Self, Vec<Facts>) {
        let golden = Golden::open(name);
        let facts = golden.cases();
        (Self { golden, table: Table::new(name) }, facts)
    }

    /// A case.
    pub fn case<'a>(&'a mut self, name: &'a str) -> Case<'a> {
        Case { name, golden: &self.golden, row: self.table.row(name) }
    }

    /// Prints the table. Fails if an error is over its bound, or if anything in the file was not looked at.
    pub fn finish(self) {
        self.table.finish();
        self.golden.assert_all_read();
    }
}

impl Case<'_> {
    /// The case's input `name`.
    pub fn given(&self, name: &str) -> Given {
        self.golden.given(&format!("{}/{name}", self.name))
    }

    /// An input that the case shares with others.
    pub fn shared(&self, name: &str) -> Given {
        self.golden.given(name)
    }

    /// The case's input `name` as a parameter.
    pub fn vector(&self, name: &str) -> Vector {
        vector(self.given(name).values)
    }

    /// The case's input `name` as images.
    pub fn image(&self, name: &str) -> Image {
        self.given(name).into_image()
    }

    /// The case's input `name` as a matrix.
    pub fn matrix(&self, name: &str) -> Matrix {
        let Given { values, shape } = self.given(name);
        matrix(values, (shape[0], shape[1]))
    }

    /// Holds the value `name`.
    #[track_caller]
    pub fn value(&mut self, name: &str, got: &[f32]) {
        self.row.value(name, got, &self.golden.expected(&format!("{}/{name}", self.name)));
    }

    /// Holds the gradient `name`.
    #[track_caller]
    pub fn gradient(&mut self, name: &str, got: &[f32]) {
        self.row.gradient(name, got, &self.golden.expected(&format!("{}/{name}", self.name)));
    }

    /// Holds an operation: its output against `y`, and the gradients that `dy` gives its inputs.
    #[track_caller]
    pub fn operation<S: Shape>(&mut self, y: Tensor<S, f32, Cpu, Taped>, inputs: &[(&str, &dyn Leaf)]) {
        self.value("y", &y.as_vec());
        let mut gradients = backward(y, self.given("dy").values);
        for (name, input) in inputs {
            self.gradient(&format!("d{name}"), &input.gradient(&mut gradients));
        }
    }
}

impl Given {
    /// As images.
    pub fn into_image(self) -> Image {
        let [n, h, w, c] = self.shape[..] else { panic!("{:?} is no shape of images", self.shape) };
        image(self.values, (n, h, w, c))
    }
}
