//! Rows as JSON: one array of objects, or one object a line.
//!
//! Columns keep their order and reals their last bit. A real that is not finite is `null`: JSON has no word
//! for it. Of columns with the same name, later ones get a number (`top1`, `top1_2`), since a reader would keep
//! only one of them.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::rows::{Rows, Value};

/// Writes `rows` to `writer` as an array, one object a line.
///
/// # Errors
/// If `writer` fails.
pub fn write_array(rows: &Rows, writer: impl Write) -> io::Result<()> {
    let mut writer = BufWriter::new(writer);
    let keys = distinct_keys(rows);
    writer.write_all(b"[")?;
    for (index, values) in rows.iter().enumerate() {
        writer.write_all(if index == 0 { b"\n  " } else { b",\n  " })?;
        serde_json::to_writer(&mut writer, &Object { keys: &keys, values })?;
    }
    writer.write_all(if rows.is_empty() { b"]\n" } else { b"\n]\n" })?;
    writer.flush()
}

/// Writes `rows` to `writer` as JSON lines.
///
/// # Errors
/// If `writer` fails.
pub fn write_lines(rows: &Rows, writer: impl Write) -> io::Result<()> {
    let mut writer = BufWriter::new(writer);
    let keys = distinct_keys(rows);
    for values in rows.iter() {
        serde_json::to_writer(&mut writer, &Object { keys: &keys, values })?;
        writer.write_all(b"\n")?;
    }
    writer.flush()
}

/// The column names, numbered where they repeat.
fn distinct_keys(rows: &Rows) -> Vec<String> {
    let mut taken: HashSet<String> = rows.columns().iter().map(|column| column.name.clone()).collect();
    let mut seen = HashSet::new();
    let mut distinct = |name: &String| {
        let mut key = name.clone();
        if !seen.insert(key.clone()) {
            let mut number = 2_usize;
            while !taken.insert({
                key = format!("{name}_{number}");
                key.clone()
            }) {
                number += 1;
            }
        }
        key
    };
    rows.columns().iter().map(|column| distinct(&column.name)).collect()
}

/// One row.
struct Object<'a> {
    keys: &'a [String],
    values: &'a [Value],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.keys.len()))?;
        for (key, value) in self.keys.iter().zip(self.values) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Integer(integer) => serializer.serialize_i64(*integer),
            Self::Real(real) => serializer.serialize_f64(*real),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::Column;
    use super::*;

    fn rows(names: &[&str], values: &[Vec<Value>]) -> Rows {
        let mut rows = Rows::new(names.iter().map(|name| Column::plain(*name)).collect());
        values.iter().for_each(|row| rows.push(row.clone()));
        rows
    }

    fn array(rows: &Rows) -> String {
        let mut bytes = Vec::new();
        write_array(rows, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_array_keeps_columns_in_order_and_values_exact() {
        let rows = rows(
            &["top1", "norm", "images"],
            &[
                vec![0.1.into(), "ln+pn \"x\"".into(), i64::MAX.into()],
                vec![f64::INFINITY.into(), Value::Null, 0.into()],
            ],
        );
        let expected = "[\n  {\"top1\":0.1,\"norm\":\"ln+pn \\\"x\\\"\",\"images\":9223372036854775807},\n  \
                        {\"top1\":null,\"norm\":null,\"images\":0}\n]\n";
        assert_eq!(array(&rows), expected);
    }

    #[test]
    fn no_rows_are_an_empty_array_and_no_lines() {
        let rows = rows(&["top1"], &[]);
        assert_eq!(array(&rows), "[]\n");
        let mut lines = Vec::new();
        write_lines(&rows, &mut lines).unwrap();
        assert!(lines.is_empty());
    }

    #[test]
    fn each_line_is_an_object() {
        let rows = rows(&["epoch"], &[vec![0.into()], vec![1.into()]]);
        let mut lines = Vec::new();
        write_lines(&rows, &mut lines).unwrap();
        assert_eq!(lines, b"{\"epoch\":0}\n{\"epoch\":1}\n");
    }

    #[test]
    fn repeated_columns_are_numbered_past_names_that_exist() {
        let rows = rows(&["a", "a", "a_2", "a"], &[]);
        assert_eq!(distinct_keys(&rows), ["a", "a_3", "a_2", "a_4"]);
    }
}
