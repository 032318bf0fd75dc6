//! How Rust's values lie in SQLite's columns: row numbers of one table each, words, unsigned counts.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

/// One type a table, so that no row number is taken for another table's.
macro_rules! row_ids {
    ($($(#[$doc:meta])* $Id:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Id(pub i64);

        impl ToSql for $Id {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $Id {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }
    )+};
}

row_ids! {
    /// A row of `machines`.
    MachineId,
    /// A row of `sweeps`.
    SweepId,
    /// A row of `configurations`.
    ConfigurationId,
    /// A row of `trials`.
    TrialId,
    /// A row of `runs`.
    RunId,
    /// A row of `attempts`.
    AttemptId,
    /// A row of `measurements`.
    MeasurementId,
}

/// An enum that lies in the database as a word, the same that its column's CHECK allows.
macro_rules! words {
    (
        $(#[$doc:meta])* pub enum $Words:ident { $($(#[$variant_doc:meta])* $Variant:ident = $word:literal),+ $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Words { $($(#[$variant_doc])* $Variant),+ }

        impl $Words {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$Variant),+];

            /// Its word in the database.
            pub fn name(self) -> &'static str {
                match self { $(Self::$Variant => $word),+ }
            }
        }

        impl rusqlite::ToSql for $Words {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(self.name().into())
            }
        }

        impl rusqlite::types::FromSql for $Words {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                $crate::store::column::word_among(Self::ALL, Self::name, value.as_str()?)
            }
        }
    };
}
pub(super) use words;

/// A word that no variant has.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is none of the known words")]
struct UnknownWord(String);

/// The variant of `all` whose name is `word`.
pub(super) fn word_among<T: Copy>(all: &[T], name: fn(T) -> &'static str, word: &str) -> FromSqlResult<T> {
    let found = all.iter().copied().find(|candidate| name(*candidate) == word);
    found.ok_or_else(|| FromSqlError::Other(Box::new(UnknownWord(word.to_owned()))))
}

/// A count beyond 32 bits (SQLite's integers are signed; one above `i64::MAX` is refused).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub u64);

impl ToSql for Count {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let signed = i64::try_from(self.0);
        signed.map(Into::into).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
    }
}

impl FromSql for Count {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let signed = value.as_i64()?;
        u64::try_from(signed).map(Self).map_err(|_| FromSqlError::OutOfRange(signed))
    }
}

impl From<Count> for u64 {
    fn from(count: Count) -> Self {
        count.0
    }
}
