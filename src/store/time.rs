//! Times as the database keeps them.

use jiff::Timestamp;

/// Now: ISO 8601, UTC, milliseconds (`2026-01-31T12:00:00.000Z`), which sorts as text.
pub(super) fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_time_has_always_the_same_length() {
        let now = super::now();
        assert_eq!(now.len(), "2026-01-31T12:00:00.000Z".len(), "{now}");
        assert!(now.ends_with('Z') && now.contains('T'), "{now}");
    }
}
