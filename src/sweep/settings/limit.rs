//! Ranges of single settings, each with the words that say what is allowed.

/// Whether one setting's value is in its range.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The setting's key within its section.
    pub key: &'static str,
    /// Whether its value is allowed.
    pub holds: bool,
    /// What is allowed.
    pub allowed: &'static str,
}

/// A [`Limit`] on one line.
pub(super) fn limit(key: &'static str, holds: bool, allowed: &'static str) -> Limit {
    Limit { key, holds, allowed }
}

/// Whether `value` lies in (0, 1).
pub(super) fn share(value: f64) -> bool {
    value > 0.0 && value < 1.0
}

/// Whether `value` lies in [0, 1).
pub(super) fn rate(value: f64) -> bool {
    (0.0..1.0).contains(&value)
}

/// Whether no value comes twice.
pub(super) fn distinct(values: &[usize]) -> bool {
    values.iter().enumerate().all(|(index, value)| !values[..index].contains(value))
}
