//! The rows that are told: named columns, and values as SQLite knows them.

/// One value.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text.
    Text(String),
}

impl Value {
    /// The value as a number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some(*integer as f64),
            Self::Real(real) => Some(*real),
            Self::Null | Self::Text(_) => None,
        }
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<f64> for Value {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What a column's numbers are, and so how a table shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// Exactly as stored.
    #[default]
    Plain,
    /// A large count: `5.29 M`.
    Count,
    /// Bytes: `1.50 GiB`.
    Bytes,
    /// A share of one: `81.2 %`.
    Share,
    /// A difference of shares, in points of a percent: `+1.3`.
    Points,
    /// A factor: `1.32×`.
    Factor,
    /// A share of one as a bar and a number: `███    0.500`.
    Bar,
    /// Seconds: `3 m 12 s`.
    Seconds,
    /// So many a second: `1,234`.
    Rate,
    /// A measure of any size, rounded: `2.30`, `0.000488`.
    Rounded,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as a program reads it; it says the unit of the values as stored.
    pub name: String,
    /// What its numbers are.
    pub kind: Kind,
}

impl Column {
    /// A column of that name and kind.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }

    /// A column whose values are shown as stored.
    pub fn plain(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Plain)
    }
}

/// Rows of equally many values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    columns: Vec<Column>,
    values: Vec<Value>,
}

impl Rows {
    /// No rows yet, of these columns.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, values: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has not one value for each column.
    pub fn push(&mut self, row: impl IntoIterator<Item = Value>) {
        let before = self.values.len();
        self.values.extend(row);
        assert_eq!(self.values.len() - before, self.columns.len(), "a row has one value for each column");
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[Value]> {
        self.values.chunks_exact(self.columns.len().max(1))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.columns.len().max(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_pushed() {
        let mut rows = Rows::new(vec![Column::plain("norm"), Column::new("top1", Kind::Share)]);
        rows.push(["bn".into(), 0.8.into()]);
        rows.push(["gn".into(), None::<f64>.into()]);
        let seen: Vec<_> = rows.iter().map(<[Value]>::to_vec).collect();
        assert_eq!(seen, [["bn".into(), Value::Real(0.8)], ["gn".into(), Value::Null]]);
        assert_eq!((rows.len(), rows.is_empty()), (2, false));
    }

    #[test]
    #[should_panic(expected = "one value for each column")]
    fn a_short_row_is_a_bug() {
        Rows::new(vec![Column::plain("a"), Column::plain("b")]).push([Value::Null]);
    }

    #[test]
    fn without_columns_there_are_no_rows() {
        assert_eq!(Rows::default().iter().count(), 0);
    }
}
