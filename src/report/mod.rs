//! Telling: tables, CSV, JSON, pages and pictures. Rows in, bytes out.
//!
//! People and programs are told different things: a [`table`] rounds, groups and adds units by each column's
//! [`Kind`]; [`csv`] and [`json`] hold every value as it is, to the last bit.
//!
//! *Architecture invariant*: no database handle, no printing, no terminal: whoever calls knows where the bytes
//! go, how wide that is and whether it shows colour.

pub mod csv;
pub mod drawing;
pub mod json;
pub mod number;
pub mod optuna;
pub mod page;
pub mod parquet;
pub mod rows;
pub mod table;

pub use rows::{Column, Kind, Rows, Value};
