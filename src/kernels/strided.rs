//! Matrices within slices.

/// A matrix within a slice: element `(i, j)` stands at `i · row_stride + j · column_stride`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strided<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// Some columns of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    /// Columns of the whole matrix.
    pub all: usize,
    /// The first of them.
    pub first: usize,
    /// How many.
    pub count: usize,
}

impl Columns {
    pub fn all(count: usize) -> Self {
        Self { all: count, first: 0, count }
    }
}

impl<'a> Strided<'a> {
    pub fn row_major(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::columns(values, rows, Columns::all(columns))
    }

    /// Some columns of a row-major matrix.
    pub fn columns(values: &'a [f32], rows: usize, columns: Columns) -> Self {
        let Columns { all, first, count } = columns;
        assert!(first + count <= all, "columns {first} to {} of {all}", first + count);
        assert_eq!(values.len(), rows * all, "a {rows} × {all} matrix");
        let values = if rows == 0 { values } else { &values[first..] };
        Self { values, rows, columns: count, row_stride: all, column_stride: 1 }
    }

    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    pub fn row_count(&self) -> usize {
        self.rows
    }

    pub fn column_count(&self) -> usize {
        self.columns
    }

    /// From one row to the next, and from one column to the next: one of both is 1.
    pub fn strides(&self) -> (usize, usize) {
        (self.row_stride, self.column_stride)
    }

    /// From the first element on: all others lie within, where the strides say.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }
}
