//! What is wrong with a sweep file, told with its line, its key, what is allowed and the nearest valid value.
//!
//! ```text
//! unknown norm `lnpn`
//!   --> sweeps/cifar10.toml:14:23   grid.norm[2]
//!    |  norm = ["bn", "gn", "lnpn"]
//!    |                      ^^^^^^ allowed: bn, gn, gn+pn, in, ln, ln+pn
//! hint: did you mean `ln+pn`?
//! ```
//!
//! Lines and columns count from 1, columns in characters. All faults of a file are shown together, in the order
//! of the file, up to [`MOST_SHOWN`]; the binary puts `error:` before the first.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// More faults than this help nobody: most of them follow from the first.
pub(super) const MOST_SHOWN: usize = 10;

/// Characters of a source line that an excerpt shows at most; a grid may stand on one very long line.
const EXCERPT_WIDTH: usize = 100;

/// A sweep file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The file cannot be read.
    #[error("cannot read the sweep file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file asks for something that cannot be.
    #[error(transparent)]
    Invalid(Box<InvalidSweep>),
}

/// Everything that is wrong with a sweep file.
#[derive(Debug)]
pub struct InvalidSweep {
    path: PathBuf,
    text: String,
    faults: Faults,
}

impl InvalidSweep {
    pub(super) fn new(path: PathBuf, text: String, mut faults: Faults) -> Self {
        faults.list.sort_by_key(|fault| fault.span.as_ref().map_or(0, |span| span.start));
        Self { path, text, faults }
    }
}

impl std::error::Error for InvalidSweep {}

impl fmt::Display for InvalidSweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.list.iter().enumerate() {
            if index > 0 {
                write!(f, "\n\nerror: ")?;
            }
            fault.write(f, &self.path.display().to_string(), &self.text)?;
        }
        if self.faults.cut {
            write!(f, "\n\nthere may be more: these are the first {MOST_SHOWN}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    message: String,
    span: Option<Range<usize>>,
    key: String,
    allowed: Option<String>,
    hint: Option<String>,
}

impl Fault {
    /// A fault in the words of its first line, as yet without a place.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, key: String::new(), allowed: None, hint: None }
    }

    /// At these bytes of the file, which belong to that key, such as `grid.norm[2]`.
    pub(super) fn at(mut self, span: &Range<usize>, key: impl Into<String>) -> Self {
        self.span = Some(span.clone());
        self.key = key.into();
        self
    }

    /// What is allowed there.
    pub(super) fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }

    /// What the user can do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Hints at the nearest of `names`, if one is near enough.
    pub(super) fn did_you_mean<'a>(self, found: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(found, names) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, path: &str, text: &str) -> fmt::Result {
        write!(f, "{}", self.message)?;
        match &self.span {
            Some(span) => {
                let excerpt = Excerpt::of(text, span);
                let allowed = self.allowed.as_ref().map(|allowed| format!(" allowed: {allowed}"));
                let place = format!("{path}:{}:{}   {}", excerpt.line, excerpt.column, self.key);
                write!(f, "\n  --> {}", place.trim_end())?;
                write!(f, "\n   |  {}", excerpt.shown)?;
                write!(
                    f,
                    "\n   |  {:indent$}{:^<width$}",
                    "",
                    "",
                    indent = excerpt.indent,
                    width = excerpt.width
                )?;
                write!(f, "{}", allowed.unwrap_or_default())?;
            }
            None => write!(f, "\n  --> {path}")?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The line of a fault, and where in it.
struct Excerpt {
    line: usize,
    column: usize,
    shown: String,
    indent: usize,
    width: usize,
}

impl Excerpt {
    fn of(text: &str, span: &Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_text = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let column = before.get(line_start..).map_or(0, |start| start.chars().count());
        let marked =
            text.get(span.clone()).map_or(0, |marked| marked.lines().next().unwrap_or("").chars().count());

        let skipped = if column > EXCERPT_WIDTH / 2 && line_text.chars().count() > EXCERPT_WIDTH {
            column - EXCERPT_WIDTH / 2
        } else {
            0
        };
        let rest = line_text.chars().skip(skipped);
        // A tab is as wide as the terminal likes; a space keeps the carets under what they mark.
        let mut shown: String = rest.map(|c| if c == '\t' { ' ' } else { c }).take(EXCERPT_WIDTH).collect();
        let indent = column - skipped;
        let width = marked.clamp(1, shown.chars().count().saturating_sub(indent).max(1));
        if line_text.chars().count() > skipped + EXCERPT_WIDTH {
            shown.push('…');
        }
        Self { line: before.matches('\n').count() + 1, column: column + 1, shown, indent, width }
    }
}

/// The faults found so far, each once, up to [`MOST_SHOWN`].
#[derive(Debug, Default)]
pub(super) struct Faults {
    list: Vec<Fault>,
    cut: bool,
}

impl Faults {
    /// Keeps a fault that is not known yet.
    pub(super) fn push(&mut self, fault: Fault) {
        if self.list.contains(&fault) {
            return;
        }
        if self.is_full() {
            self.cut = true;
        } else {
            self.list.push(fault);
        }
    }

    /// The value, or `None` with its fault kept.
    pub(super) fn keep<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.push(fault)).ok()
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether looking further is pointless.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MOST_SHOWN
    }
}

/// The name most like `found`, unless all are too far to be a slip of the fingers. A dotted name is also
/// known by its last part.
pub(super) fn nearest<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = found.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&found, name);
    let slips = (found.chars().count() / 3).max(1);
    names
        .into_iter()
        .map(|name| (distance(name).min(name.rsplit('.').next().map_or(usize::MAX, distance)), name))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let names = ["bn", "gn", "gn+pn", "in", "ln", "ln+pn", "train.batch_size"];
        assert_eq!(nearest("lnpn", names), Some("ln+pn"));
        assert_eq!(nearest("batchsize", names), Some("train.batch_size"));
        assert_eq!(nearest("quantum", names), None);
    }

    #[test]
    fn carets_stand_under_characters_not_bytes() {
        let text = "a = 1\nname = \"ü\" # tab\there\n";
        let start = text.find("tab").unwrap();
        let excerpt = Excerpt::of(text, &(start..start + 3));
        assert_eq!((excerpt.line, excerpt.column, excerpt.indent, excerpt.width), (2, 14, 13, 3));
        assert_eq!(excerpt.shown, "name = \"ü\" # tab here");
    }

    #[test]
    fn a_long_line_is_shown_around_its_fault() {
        let text = format!("x = [{}9]", "1, ".repeat(1000));
        let start = text.find('9').unwrap();
        let excerpt = Excerpt::of(&text, &(start..start + 1));
        assert_eq!(excerpt.shown.chars().nth(excerpt.indent), Some('9'));
        assert!(excerpt.shown.chars().count() <= EXCERPT_WIDTH + 1);
    }

    #[test]
    fn a_fault_past_the_end_of_the_file_has_a_place() {
        let excerpt = Excerpt::of("[grid", &(5..5));
        assert_eq!((excerpt.line, excerpt.column, excerpt.width), (1, 6, 1));
    }

    #[test]
    fn a_fault_is_kept_once_and_only_the_first_ten_are() {
        let mut faults = Faults::default();
        for number in [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9] {
            faults.push(Fault::new(format!("{number}")));
        }
        assert!(faults.is_full() && !faults.cut);
        faults.push(Fault::new("one more"));
        assert!(faults.cut && faults.list.len() == MOST_SHOWN);
    }
}
