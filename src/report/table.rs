//! Rows as a table for people: aligned, rounded by kind, as wide as there is room for.
//!
//! Numbers stand to the right and are never broken over lines; text may be. Where that still does not fit, rows
//! are told one below the other, a line a value. Control characters, which a stored error message may hold,
//! cannot reach the terminal.

use comfy_table::presets::NOTHING as NO_LINES;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle};

use super::number;
use super::rows::{Kind, Rows, Value};

/// What stands before a row of the front.
pub const FRONT_MARK: &str = "●";

/// How a table is to look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look<'a> {
    /// Columns of the terminal; as wide as the table comes out if absent.
    pub width: Option<u16>,
    /// Whether the front stands out in colour.
    pub colour: Colour,
    /// Which rows are on the front; no column for it if absent.
    pub front: Option<&'a [bool]>,
}

/// Whether escape sequences are welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// Plain text.
    #[default]
    Off,
    /// ANSI colours.
    On,
}

/// `rows` as a table, ending in a newline.
pub fn table(rows: &Rows, look: &Look<'_>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(NO_LINES.header_separator(LineStyle::none().fill('─').junction('─')));
    if let Some(width) = look.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    let marked = usize::from(look.front.is_some());
    table.set_header(std::iter::repeat_n("", marked).chain(rows.columns().iter().map(|c| c.name.as_str())));
    let mut front = look.front.into_iter().flatten();
    for row in rows.iter() {
        let mark = look.front.map(|_| Cell::new(mark(front.next())));
        table.add_row(mark.into_iter().chain(cells(rows, row).map(Cell::new_owned)));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let numbers = index.checked_sub(marked).is_some_and(|index| holds_numbers(rows, index));
        if numbers {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if numbers || index < marked {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        // The absent line between columns takes a place too.
        column.set_padding((0, 1));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let width = |line: &String| line.chars().count();
    match look.width {
        Some(limit) if lines.iter().map(width).max() > Some(limit.into()) => records(rows, look),
        _ => finished(&lines, look.colour),
    }
}

/// `rows` one below the other.
fn records(rows: &Rows, look: &Look<'_>) -> String {
    let name_width = rows.columns().iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
    let indent = format!("\n{:1$}", "", name_width + 4);
    let mut front = look.front.into_iter().flatten();
    let mut lines = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let mark = look.front.map_or("", |_| mark(front.next()));
        lines.push(format!("{mark}{}row {}", if mark.is_empty() { "" } else { " " }, index + 1));
        for (column, cell) in rows.columns().iter().zip(cells(rows, row)) {
            let name = column.name.replace('\n', " ");
            lines.push(format!("  {name:name_width$}  {}", cell.replace('\n', &indent)));
        }
    }
    finished(&lines, look.colour)
}

fn mark(on_front: Option<&bool>) -> &'static str {
    if on_front == Some(&true) { FRONT_MARK } else { "" }
}

/// The lines as one text, marks in colour if it is welcome.
fn finished(lines: &[String], colour: Colour) -> String {
    let mut text = String::new();
    for line in lines {
        match line.strip_prefix(FRONT_MARK) {
            Some(rest) if colour == Colour::On => {
                text.push_str("\x1b[1;32m");
                text.push_str(FRONT_MARK);
                text.push_str(rest);
                text.push_str("\x1b[0m");
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// Whether every value of a column that there is, is a number.
fn holds_numbers(rows: &Rows, column: usize) -> bool {
    let mut values =
        rows.iter().filter_map(|row| row.get(column)).filter(|value| **value != Value::Null).peekable();
    values.peek().is_some() && values.all(|value| value.as_f64().is_some())
}

/// The values of a row as a person reads them.
fn cells(rows: &Rows, row: &[Value]) -> impl Iterator<Item = String> {
    rows.columns().iter().zip(row).map(|(column, value)| shown(column.kind, value))
}

/// A value of a column of that kind, as a person reads it.
pub fn shown(kind: Kind, value: &Value) -> String {
    match (kind, value, value.as_f64()) {
        (_, Value::Null, _) => number::NOTHING.to_owned(),
        (_, Value::Text(text), _) => printable(text),
        (Kind::Plain, Value::Integer(integer), _) => integer.to_string(),
        (Kind::Plain, Value::Real(real), _) => format!("{real:?}"),
        (Kind::Count, _, Some(count)) => number::count(count),
        (Kind::Bytes, _, Some(bytes)) => number::bytes(bytes),
        (Kind::Share, _, Some(share)) => number::share(share),
        (Kind::Points, _, Some(difference)) => number::points(difference),
        (Kind::Factor, _, Some(factor)) => number::factor(factor),
        (Kind::Bar, _, Some(share)) => number::bar(share),
        (Kind::Seconds, _, Some(seconds)) => number::duration(seconds),
        (Kind::Rate, _, Some(rate)) => number::rate(rate),
        (Kind::Rounded, _, Some(real)) => number::rounded(real),
        (_, _, None) => number::NOTHING.to_owned(),
    }
}

/// `text` without control characters other than newlines.
fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() && c != '\n' { '\u{FFFD}' } else { c };
    text.trim_end().chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rows::Column;
    use super::*;

    fn rows() -> Rows {
        let mut rows = Rows::new(vec![
            Column::plain("norm"),
            Column::plain("group_size"),
            Column::new("top1", Kind::Share),
            Column::new("images_per_s", Kind::Rate),
            Column::new("parameters", Kind::Count),
            Column::new("elapsed_s", Kind::Seconds),
        ]);
        for (norm, group_size, top1, rate, parameters, elapsed) in
            [("bn", 1, Some(0.8123), 1234.4, 5_288_548, 192.0), ("ln+pn", 16, None, 98.76, 640, 3.21)]
        {
            let (group_size, parameters) = (Value::Integer(group_size), Value::Integer(parameters));
            rows.push([norm.into(), group_size, top1.into(), rate.into(), parameters, elapsed.into()]);
        }
        rows
    }

    #[test]
    fn numbers_stand_to_the_right_and_the_front_is_marked() {
        let look = Look { front: Some(&[false, true]), ..Look::default() };
        insta::assert_snapshot!(table(&rows(), &look), @"
       norm   group_size    top1  images_per_s  parameters  elapsed_s
    ──────────────────────────────────────────────────────────────────
       bn              1  81.2 %         1,234      5.29 M   3 m 12 s
    ●  ln+pn          16       –          98.8         640     3.21 s
    ");
    }

    #[test]
    fn without_a_front_there_is_no_mark_column() {
        insta::assert_snapshot!(table(&rows(), &Look::default()), @"
    norm   group_size    top1  images_per_s  parameters  elapsed_s
    ───────────────────────────────────────────────────────────────
    bn              1  81.2 %         1,234      5.29 M   3 m 12 s
    ln+pn          16       –          98.8         640     3.21 s
    ");
    }

    #[test]
    fn a_narrow_terminal_gets_rows_one_below_the_other() {
        let look = Look { width: Some(40), front: Some(&[false, true]), ..Look::default() };
        insta::assert_snapshot!(table(&rows(), &look), @"
    row 1
      norm          bn
      group_size    1
      top1          81.2 %
      images_per_s  1,234
      parameters    5.29 M
      elapsed_s     3 m 12 s
    ● row 2
      norm          ln+pn
      group_size    16
      top1          –
      images_per_s  98.8
      parameters    640
      elapsed_s     3.21 s
    ");
    }

    #[test]
    fn bars_begin_below_each_other_under_headings_of_two_lines() {
        let mut rows = Rows::new(vec![Column::plain("\nlayer"), Column::new("bn s0\ncollapse", Kind::Bar)]);
        for (layer, share) in [("stem", Some(0.5)), ("blocks.0.spatial", Some(0.02)), ("top", None)] {
            rows.push([layer.into(), share.into()]);
        }
        insta::assert_snapshot!(table(&rows, &Look::default()), @"
                             bn s0
    layer                 collapse
    ───────────────────────────────
    stem              ███    0.500
    blocks.0.spatial  ▏      0.020
    top                          –
    ");
        let narrow = table(&rows, &Look { width: Some(14), ..Look::default() });
        assert!(narrow.contains("\n  bn s0 collapse  ███    0.500\n"), "{narrow}");
    }

    #[test]
    fn text_wraps_and_numbers_do_not() {
        let mut rows =
            Rows::new(vec![Column::plain("trial"), Column::plain("error"), Column::plain("images")]);
        rows.push([
            1.into(),
            "failed to open the image set for a long list of reasons".into(),
            123_456_789.into(),
        ]);
        let text = table(&rows, &Look { width: Some(40), ..Look::default() });
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(text.contains("123456789"), "{text}");
    }

    #[test]
    fn colour_comes_only_when_asked_for() {
        let front = Some([true, false].as_slice());
        assert!(!table(&rows(), &Look { front, ..Look::default() }).contains('\x1b'));
        let coloured = table(&rows(), &Look { front, colour: Colour::On, width: None });
        let lines: Vec<_> = coloured.lines().filter(|line| line.contains('\x1b')).collect();
        assert!(matches!(lines[..], [line] if line.starts_with("\x1b[1;32m●") && line.ends_with("\x1b[0m")));
    }

    #[test]
    fn a_stored_text_cannot_command_the_terminal() {
        let mut rows = Rows::new(vec![Column::plain("error")]);
        rows.push(["\x1b[2Jgone\tand\r\nback\n".into()]);
        let text = table(&rows, &Look::default());
        assert!(!text.contains(['\x1b', '\t', '\r']) && text.ends_with("back\n"), "{text:?}");
    }

    #[test]
    fn plain_numbers_are_shown_as_stored() {
        assert_eq!(shown(Kind::Plain, &Value::Real(0.1 + 0.2)), "0.30000000000000004");
        assert_eq!(shown(Kind::Plain, &Value::Integer(-7)), "-7");
    }

    #[test]
    fn no_rows_leave_the_header() {
        let rows = Rows::new(vec![Column::plain("norm"), Column::plain("top1")]);
        insta::assert_snapshot!(table(&rows, &Look::default()), @"
    norm  top1
    ───────────
    ");
    }
}
