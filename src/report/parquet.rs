//! Rows as Parquet: one row group, a column of 64-bit integers, doubles or text each, every value optional.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::rows::{Rows, Value};

/// Writes `rows` to `writer`.
///
/// # Errors
/// If `writer` fails.
pub fn write(rows: &Rows, writer: impl Write + Send) -> Result<(), ParquetError> {
    let kinds: Vec<Physical> = (0..rows.columns().len()).map(|column| kind(rows, column)).collect();
    let fields = rows.columns().iter().zip(&kinds).map(|(column, kind)| {
        let text = (*kind == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        Type::primitive_type_builder(&column.name, *kind)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(text)
            .build()
            .map(Arc::new)
    });
    let schema =
        Type::group_type_builder("effsweep").with_fields(fields.collect::<Result<_, _>>()?).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut file = SerializedFileWriter::new(writer, Arc::new(schema), Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for (column, kind) in kinds.into_iter().enumerate() {
        let Some(mut writer) = group.next_column()? else { break };
        let values = || rows.iter().filter_map(|row| row.get(column));
        let levels: Vec<i16> = values().map(|value| i16::from(*value != Value::Null)).collect();
        match kind {
            Physical::INT64 => {
                let known: Vec<i64> = values().filter_map(integer).collect();
                writer.typed::<Int64Type>().write_batch(&known, Some(&levels), None)?;
            }
            Physical::DOUBLE => {
                let known: Vec<f64> = values().filter_map(Value::as_f64).collect();
                writer.typed::<DoubleType>().write_batch(&known, Some(&levels), None)?;
            }
            _ => {
                let known: Vec<ByteArray> = values().filter_map(text).collect();
                writer.typed::<ByteArrayType>().write_batch(&known, Some(&levels), None)?;
            }
        }
        writer.close()?;
    }
    group.close()?;
    file.close().map(drop)
}

/// The narrowest type that holds every value of a column; text for one without any.
fn kind(rows: &Rows, column: usize) -> Physical {
    let mut kind = None;
    for value in rows.iter().filter_map(|row| row.get(column)) {
        kind = match (kind, value) {
            (kind, Value::Null) => kind,
            (None | Some(Physical::INT64), Value::Integer(_)) => Some(Physical::INT64),
            (None | Some(Physical::INT64 | Physical::DOUBLE), Value::Integer(_) | Value::Real(_)) => {
                Some(Physical::DOUBLE)
            }
            _ => Some(Physical::BYTE_ARRAY),
        };
    }
    kind.unwrap_or(Physical::BYTE_ARRAY)
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(integer) => Some(*integer),
        _ => None,
    }
}

fn text(value: &Value) -> Option<ByteArray> {
    let text = match value {
        Value::Null => return None,
        Value::Text(text) => text.clone(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => real.to_string(),
    };
    Some(ByteArray::from(text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::super::rows::Column;
    use super::*;

    #[test]
    fn every_value_is_read_back_as_it_was() {
        let mut rows =
            Rows::new(["norm", "group_size", "top1", "train.lr", "empty"].map(Column::plain).to_vec());
        rows.push(["bn".into(), 4.into(), 0.8123.into(), 1.into(), Value::Null]);
        rows.push(["ln".into(), Value::Null, Value::Null, 0.5.into(), Value::Null]);
        let mut bytes = Vec::new();
        write(&rows, &mut bytes).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let read: Vec<Vec<(String, Field)>> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().into_columns()).collect();
        let fields = |row: &[(String, Field)]| row.iter().map(|(_, field)| field.clone()).collect::<Vec<_>>();
        let text = |text: &str| Field::Str(text.to_owned());
        assert_eq!(
            fields(&read[0]),
            [text("bn"), Field::Long(4), Field::Double(0.8123), Field::Double(1.0), Field::Null]
        );
        assert_eq!(fields(&read[1]), [text("ln"), Field::Null, Field::Null, Field::Double(0.5), Field::Null]);
        assert_eq!(read[0][3].0, "train.lr");
    }

    #[test]
    fn no_rows_are_a_file_all_the_same() {
        let mut bytes = Vec::new();
        write(&Rows::new(vec![Column::plain("norm")]), &mut bytes).unwrap();
        assert_eq!((&bytes[..4], &bytes[bytes.len() - 4..]), (b"PAR1".as_slice(), b"PAR1".as_slice()));
    }
}
