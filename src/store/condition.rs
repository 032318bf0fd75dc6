//! A condition in SQL over rows that stand in no database.

use rusqlite::{Connection, params_from_iter};

use super::StoreError;
use super::query::{Reader, Value};

/// Which of `rows`, of these columns, meet `condition`: an SQL expression, true as SQLite sees it.
///
/// # Errors
/// [`StoreError::BadQuery`] if it is no expression over these columns.
pub fn meeting(
    columns: &[&str],
    rows: impl IntoIterator<Item = Vec<Value>>,
    condition: &str,
) -> Result<Vec<bool>, StoreError> {
    let failed = |error| StoreError::BadQuery { message: format!("{error}") };
    let db = Connection::open_in_memory().map_err(failed)?;
    let quoted: Vec<String> =
        columns.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    db.execute_batch(&format!("CREATE TABLE rows ({})", quoted.join(", "))).map_err(failed)?;
    let marks = vec!["?"; columns.len()].join(", ");
    {
        let mut insert = db.prepare(&format!("INSERT INTO rows VALUES ({marks})")).map_err(failed)?;
        for row in rows {
            insert.execute(params_from_iter(row)).map_err(failed)?;
        }
    }
    let reader = Reader::over(db);
    // A line of its own, so that a comment at its end ends there.
    let asked = format!("SELECT ({condition}\n) IS TRUE FROM rows ORDER BY rowid");
    let mut query = reader.query(&asked).map_err(|error| match error {
        // A place in what was made of the condition is no place in the condition.
        StoreError::BadQuery { message } => {
            StoreError::BadQuery { message: message.split(", line ").next().unwrap_or(&message).to_owned() }
        }
        other => other,
    })?;
    let mut answer = query.run(&[])?;
    let mut met = Vec::new();
    while let Some(row) = answer.next()? {
        met.push(row.first() == Some(&Value::Integer(1)));
    }
    Ok(met)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(condition: &str) -> Result<Vec<bool>, String> {
        let rows = [("bn", Value::Real(2.0)), ("ln", Value::Real(3.0)), ("gn", Value::Null)];
        let rows = rows.map(|(norm, rate)| vec![Value::Text(norm.to_owned()), rate]);
        meeting(&["norm", "train.lr"], rows, condition).map_err(|error| error.to_string())
    }

    #[test]
    fn conditions_are_sql() {
        assert_eq!(asked("norm = 'bn' OR norm = 'ln'").unwrap(), [true, true, false]);
        assert_eq!(asked("\"train.lr\" > 2.5 -- fast").unwrap(), [false, true, false]);
        assert_eq!(asked("norm IN ('gn') AND \"train.lr\" IS NULL").unwrap(), [false, false, true]);
    }

    #[test]
    fn what_is_no_condition_says_so() {
        assert!(asked("nrm = 'bn'").unwrap_err().contains("no such column: nrm"));
        assert!(asked("norm = ").is_err());
        assert!(asked("1) FROM rows; DROP TABLE rows; --").is_err());
        assert!(asked("").is_err());
    }
}
