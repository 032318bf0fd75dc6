//! Commands to type next, that work as they are printed.

use std::path::Path;

/// A few commands for a sweep that has results.
pub(super) fn next(sweep: &str, best: &str, db: &Path) -> String {
    let program = std::env::args().next().filter(|program| program.contains('/'));
    let program = quoted(program.as_deref().unwrap_or("effsweep"));
    let known = std::env::var_os("EFFSWEEP_DB").is_some_and(|path| Path::new(&path) == db)
        || db == Path::new("results/effsweep.db");
    let db = if known { String::new() } else { format!(" --db {}", quoted(&db.display().to_string())) };
    let sweep = quoted(sweep);
    format!(
        "\nnext:\n  \
         {program} pareto {sweep} --objectives \"max top1, min parameters\"{db}\n  \
         {program} show {best}{db}\n  \
         {program} sql \"SELECT norm, round(avg(top1), 4) AS top1 FROM results GROUP BY norm\"{db}\n  \
         {program} export {sweep}{db}"
    )
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+,=:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_program_as_they_are() {
        assert_eq!(quoted("results/a+b.db"), "results/a+b.db");
        assert_eq!(quoted("it's mine"), "'it'\\''s mine'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_database_elsewhere_is_named() {
        let text = next("a sweep", "0123abcd", Path::new("/tmp/x y.db"));
        assert_eq!(text.matches("--db '/tmp/x y.db'").count(), 4, "{text}");
        assert!(text.contains(" pareto 'a sweep' "), "{text}");
        assert!(!next("s", "0123abcd", Path::new("results/effsweep.db")).contains("--db"));
    }
}
