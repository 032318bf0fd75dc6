//! Rows as CSV (RFC 4180, but with plain newlines): a header, then every value as it is.
//!
//! Reals are written with the fewest digits that read back as the same number, and always with a point or an
//! exponent, so that a column of reals is never taken for one of whole numbers. No value, and a real that is
//! no number, is an empty field; CSV cannot tell that from empty text.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::rows::{Rows, Value};

/// Writes `rows` to `writer`.
///
/// # Errors
/// If `writer` fails.
pub fn write(rows: &Rows, writer: impl Write) -> io::Result<()> {
    let mut csv = ::csv::Writer::from_writer(writer);
    csv.write_record(rows.columns().iter().map(|column| &column.name))?;
    let mut digits = String::new();
    for row in rows.iter() {
        for value in row {
            csv.write_field(field(value, &mut digits))?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()
}

/// The field of `value`; `digits` is reused for numbers.
fn field<'a>(value: &'a Value, digits: &'a mut String) -> &'a str {
    digits.clear();
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Text(text) => return text,
        Value::Integer(integer) => write!(digits, "{integer}"),
        Value::Real(real) if !real.is_nan() => write!(digits, "{real:?}"),
        Value::Real(_) | Value::Null => Ok(()),
    };
    digits
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::super::rows::Column;
    use super::*;

    fn rows(names: &[&str], values: impl IntoIterator<Item = Vec<Value>>) -> Rows {
        let mut rows = Rows::new(names.iter().map(|name| Column::plain(*name)).collect());
        values.into_iter().for_each(|row| rows.push(row));
        rows
    }

    fn text(rows: &Rows) -> String {
        let mut bytes = Vec::new();
        write(rows, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn values_are_written_as_they_are() {
        let rows = rows(
            &["norm", "top1", "images"],
            [
                vec!["ln+pn".into(), 0.1.into(), 12.into()],
                vec!["a \"b\", c\nd".into(), 5.0.into(), Value::Null],
                vec!["".into(), f64::NAN.into(), (-3).into()],
            ],
        );
        assert_eq!(text(&rows), "norm,top1,images\nln+pn,0.1,12\n\"a \"\"b\"\", c\nd\",5.0,\n,,-3\n");
    }

    #[test]
    fn without_rows_there_is_a_header() {
        assert_eq!(text(&rows(&["norm", "top1"], [])), "norm,top1\n");
    }

    #[test]
    fn a_lone_empty_field_is_still_a_row() {
        assert_eq!(text(&rows(&["top1"], [vec![Value::Null]])), "top1\n\"\"\n");
    }

    proptest! {
        #[test]
        fn reals_read_back_to_the_last_bit(real in prop::num::f64::ANY.prop_filter("a number", |x| !x.is_nan())) {
            let text = text(&rows(&["a", "b"], [vec![real.into(), Value::Null]]));
            let field = text.lines().nth(1).unwrap().trim_end_matches(',').to_owned();
            prop_assert_eq!(field.parse::<f64>().unwrap().to_bits(), real.to_bits());
            prop_assert!(field.parse::<i64>().is_err());
        }

        #[test]
        fn any_text_reads_back(value in ".*", other in ".*") {
            let text = text(&rows(&["a", "b"], [vec![value.clone().into(), other.clone().into()]]));
            let record = ::csv::Reader::from_reader(text.as_bytes()).records().next().unwrap().unwrap();
            prop_assert_eq!((&record[0], &record[1]), (value.as_str(), other.as_str()));
        }
    }
}
