//! What can be wrong with an image set: which setting or file, what was found, what was expected.

use std::fmt::{self, Display};
use std::io;
use std::path::{Path, PathBuf};

/// Files that an error message names before it only counts.
const NAMED_FILES: usize = 10;

/// Why images cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A setting asks for what the set cannot give.
    #[error("`{key}`: {problem}")]
    Setting {
        /// Its dotted name.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A file or folder could not be read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file or folder holds something else than it should.
    #[error("`{}`: found {found}, expected {expected}", path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
    },
    /// Image files that are not images.
    #[error("{}", list(files))]
    Unreadable {
        /// Every one, in the order of the set.
        files: Vec<UnreadableFile>,
    },
    /// A view that its image does not contain, which is a bug.
    #[error("cannot resize an image: {problem}")]
    View {
        /// What is wrong with it.
        problem: String,
    },
    /// A thread that prepares batches could not be started.
    #[error("cannot start a thread that prepares batches")]
    Thread(#[source] io::Error),
    /// A thread that prepares batches panicked, which is a bug.
    #[error("a thread that prepares batches panicked: {message}")]
    Panicked {
        /// Its last words.
        message: String,
    },
}

/// A file that should be a JPEG or PNG image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl DataError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn format(path: &Path, found: impl Display, expected: impl Display) -> Self {
        Self::Format { path: path.to_owned(), found: found.to_string(), expected: expected.to_string() }
    }
}

/// One line a file, the first ten only.
fn list(files: &[UnreadableFile]) -> String {
    let mut text = match files.len() {
        1 => "1 image file is unreadable:".to_owned(),
        n => format!("{n} image files are unreadable:"),
    };
    for file in files.iter().take(NAMED_FILES) {
        text += &format!("\n  {file}");
    }
    if files.len() > NAMED_FILES {
        text += &format!("\n  and {} more", files.len() - NAMED_FILES);
    }
    text
}

impl Display for UnreadableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.path.display(), self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_files_is_cut_and_counted() {
        let file =
            |i: usize| UnreadableFile { path: format!("{i}.png").into(), problem: "is empty".to_owned() };
        let text = DataError::Unreadable { files: (0..12).map(file).collect() }.to_string();
        assert!(text.starts_with("12 image files are unreadable:\n  `0.png`: is empty\n"), "{text}");
        assert!(text.contains("`9.png`") && !text.contains("`10.png`"), "{text}");
        assert!(text.ends_with("and 2 more"), "{text}");
    }
}
