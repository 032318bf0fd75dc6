//! Rows of the database for tables, CSV and JSON: the same views that any SQL tool reads.

use std::path::Path;

use super::exit::Failure;
use crate::report::{Column, Kind, Rows, Value};
use crate::store::{self, Reader};

/// How the numbers of a query are shown in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// As stored: a user's own columns may mean anything.
    AsStored,
    /// By the names of the columns, which are the views' own.
    ByName,
}

/// The database, to ask.
#[derive(Debug)]
pub(super) struct Database(Reader);

impl Database {
    /// Opens it.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self(Reader::open(path)?))
    }

    /// What `sql` answers with `values` for its `?1`, `?2` and so on.
    pub(super) fn ask(&self, sql: &str, values: &[&str], numbers: Numbers) -> Result<Rows, Failure> {
        let mut query = self.0.query(sql)?;
        let column = |name: &String| match numbers {
            Numbers::AsStored => Column::plain(name),
            Numbers::ByName => Column::new(name, kind(name)),
        };
        let mut rows = Rows::new(query.columns().iter().map(column).collect());
        let values: Vec<_> = values.iter().map(|value| store::Value::Text((*value).to_owned())).collect();
        let mut answer = query.run(&values)?;
        while let Some(row) = answer.next()? {
            rows.push(row.into_iter().map(value));
        }
        Ok(rows)
    }

    /// The one text that `sql` answers; `None` for no row.
    pub(super) fn text(&self, sql: &str, values: &[&str]) -> Result<Option<String>, Failure> {
        let rows = self.ask(sql, values, Numbers::AsStored)?;
        let first = rows.iter().next().and_then(<[Value]>::first);
        Ok(match first {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        })
    }
}

/// What the numbers of a view's column are.
pub(super) fn kind(column: &str) -> Kind {
    match column {
        "top1" | "top5" | "train_top1" | "top1_low" | "top1_high" => Kind::Share,
        "macs_deviation" | "parameters_deviation" | "foreign_load" => Kind::Share,
        "parameters" | "macs" => Kind::Count,
        "peak_memory_mib" | "train_loss" | "test_loss" | "learning_rate" | "expand_ratio" => Kind::Rounded,
        name if name.contains("_per_s") => Kind::Rate,
        name if name.ends_with("_bytes") => Kind::Bytes,
        name if name.ends_with("_s") => Kind::Seconds,
        _ => Kind::Plain,
    }
}

/// A stored value as one that can be told; bytes as hexadecimal digits.
fn value(value: store::Value) -> Value {
    match value {
        store::Value::Null => Value::Null,
        store::Value::Integer(integer) => Value::Integer(integer),
        store::Value::Real(real) => Value::Real(real),
        store::Value::Text(text) => Value::Text(text),
        store::Value::Blob(bytes) => Value::Text(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_shown_by_their_names() {
        let shown =
            ["top1", "train_images_per_s_low", "train_time_s", "macs", "peak_rss_bytes", "seed"].map(kind);
        assert_eq!(shown, [Kind::Share, Kind::Rate, Kind::Seconds, Kind::Count, Kind::Bytes, Kind::Plain]);
    }
}
