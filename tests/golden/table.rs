//! The errors of a family: collected case by case, printed as a table, and held to the bounds.

use std::fmt::Write;

/// Largest relative error of a value. Single precision has about 6 · 10⁻⁸ an operation.
const VALUE_BOUND: f64 = 1e-5;

/// Largest relative error of a gradient, where more cancels.
const GRADIENT_BOUND: f64 = 1e-4;

/// What is expected to be smaller than this, against its neighbours, is 0 but for the rounding of double
/// precision.
const NOTHING: f64 = 1e-12;

/// Every case of one family.
pub struct Table {
    family: &'static str,
    rows: Vec<Row>,
}

/// What was computed in one case, against what is expected.
pub struct Row {
    case: String,
    values: Vec<Comparison>,
    gradients: Vec<Comparison>,
}

/// Norms of one vector, of what is expected of it, and of the difference.
struct Comparison {
    name: String,
    got: f64,
    expected: f64,
    difference: f64,
}

impl Table {
    pub fn new(family: &'static str) -> Self {
        Self { family, rows: Vec::new() }
    }

    /// The row of a further case.
    pub fn row(&mut self, case: &str) -> &mut Row {
        let row = Row { case: case.to_owned(), values: Vec::new(), gradients: Vec::new() };
        self.rows.push(row);
        self.rows.last_mut().unwrap()
    }

    /// Prints the table, then fails if any error is over its bound.
    pub fn finish(self) {
        let (text, faults) = self.report();
        print!("\n{text}");
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }

    /// The table as text, and every error that is over its bound.
    fn report(&self) -> (String, Vec<String>) {
        let width = self.rows.iter().map(|row| row.case.len()).max().unwrap_or(0);
        let mut text = format!("{:width$}  {:>7}  gradient  worst gradient\n", self.family, "value");
        let mut faults = Vec::new();
        for row in &self.rows {
            let mut cell = |comparisons, bound| {
                let (error, name) = worst(comparisons)?;
                // An error that is no number is not below the bound either.
                let held = error < bound;
                if !held {
                    faults.push(format!("{}, {}: `{name}` is off by {error:.1e}", self.family, row.case));
                }
                Some((format!("{error:.1e}"), name))
            };
            let (value, _) = cell(&row.values, VALUE_BOUND).unwrap_or_default();
            let (gradient, name) = cell(&row.gradients, GRADIENT_BOUND).unwrap_or_default();
            let line = format!("{:width$}  {value:>7}  {gradient:>8}  {name}", row.case);
            writeln!(text, "{}", line.trim_end()).unwrap();
        }
        (text, faults)
    }
}

impl Row {
    /// Notes a result.
    #[track_caller]
    pub fn value(&mut self, name: &str, got: &[f32], expected: &[f64]) {
        self.values.push(Comparison::new(name, got, expected));
    }

    /// Notes a gradient.
    #[track_caller]
    pub fn gradient(&mut self, name: &str, got: &[f32], expected: &[f64]) {
        self.gradients.push(Comparison::new(name, got, expected));
    }
}

impl Comparison {
    #[track_caller]
    fn new(name: &str, got: &[f32], expected: &[f64]) -> Self {
        assert_eq!(got.len(), expected.len(), "`{name}`: lengths");
        let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let got: Vec<f64> = got.iter().map(|value| f64::from(*value)).collect();
        let difference: Vec<f64> = got.iter().zip(expected).map(|(got, expected)| got - expected).collect();
        Self {
            name: name.to_owned(),
            got: norm(&got),
            expected: norm(expected),
            difference: norm(&difference),
        }
    }

    /// `‖got − expected‖ / ‖expected‖`; where nothing is expected, `‖got‖ / scale`.
    ///
    /// Some gradients vanish: a shift ahead of a batch norm is taken out by it again, and a lone pixel is
    /// its own mean. There the terms of a sum cancel, in single precision down to their rounding, which no
    /// error relative to 0 can hold. It is held against the size of such terms: that of the largest vector
    /// of the same case.
    fn error(&self, scale: f64) -> f64 {
        let nothing = self.expected <= NOTHING * scale;
        if nothing { self.got / scale } else { self.difference / self.expected }
    }
}

/// The largest error of a case's vectors, with the name of the vector.
fn worst(comparisons: &[Comparison]) -> Option<(f64, &str)> {
    let scale = comparisons.iter().map(|comparison| comparison.expected).fold(f64::MIN_POSITIVE, f64::max);
    let errors = comparisons.iter().map(|comparison| (comparison.error(scale), comparison.name.as_str()));
    // NaN ranks above everything, whatever its sign.
    errors.max_by(|(a, _), (b, _)| a.abs().total_cmp(&b.abs()))
}

#[test]
fn distance_nan_and_something_for_nothing_are_over_the_bound() {
    let mut table = Table::new("family");
    table.row("right").value("y", &[1.0, 2.0], &[1.0, 2.000_001]);
    table.row("far").value("y", &[1.0, 2.000_1], &[1.0, 2.0]);
    table.row("nan").gradient("dx", &[1.0, f32::NAN], &[1.0, 2.0]);
    let row = table.row("nothing");
    row.gradient("dw", &[3.0, 4.0], &[3.0, 4.0]);
    row.gradient("dx", &[1e-8, 0.0], &[1e-17, 0.0]);
    let row = table.row("something");
    row.gradient("dw", &[3.0, 4.0], &[3.0, 4.0]);
    row.gradient("dx", &[1e-2, 0.0], &[1e-17, 0.0]);
    let (_, faults) = table.report();
    let expected = [
        "family, far: `y` is off by 4.5e-5",
        "family, nan: `dx` is off by NaN",
        "family, something: `dx` is off by 2.0e-3",
    ];
    assert_eq!(faults, expected);
}
