//! Console sessions in Markdown: what stands after `$ ` is typed, what stands below it is the answer.

use std::path::Path;
use std::{env, fs};

use super::here::Here;

/// A fenced block of a language, in Markdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// Line of its first content, from 1.
    pub line: usize,
    pub text: &'a str,
}

/// One command of a session with the answer that is written below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange<'a> {
    pub command: &'a str,
    pub answer: &'a str,
}

/// The blocks fenced with three backticks and `language`.
pub fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    let mut offset = 0;
    for (index, line) in markdown.split_inclusive('\n').enumerate() {
        let next = offset + line.len();
        match (open, line.trim_end().strip_prefix("```")) {
            (None, Some(found)) if found == language => open = Some((next, index + 2)),
            // Another language: its end must not look like a beginning.
            (None, Some(found)) if !found.is_empty() => open = Some((usize::MAX, 0)),
            (Some((start, line)), Some("")) => {
                blocks.extend(markdown.get(start..offset).map(|text| Block { line, text }));
                open = None;
            }
            _ => {}
        }
        offset = next;
    }
    blocks
}

/// The console blocks of a document.
pub fn console_blocks(markdown: &str) -> Vec<Block<'_>> {
    blocks(markdown, "console")
}

impl<'a> Block<'a> {
    /// The commands typed in a console block.
    pub fn exchanges(&self) -> Vec<Exchange<'a>> {
        let text = self.text;
        let starts: Vec<usize> = std::iter::once(0)
            .chain(text.match_indices("\n$ ").map(|(at, _)| at + 1))
            .filter(|start| text[*start..].starts_with("$ "))
            .collect();
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        let exchange = |(start, end): (&usize, usize)| {
            let (command, answer) = text[start + 2..end].split_once('\n').unwrap_or((&text[start + 2..end], ""));
            Exchange { command, answer }
        };
        starts.iter().zip(ends).map(exchange).collect()
    }
}

/// Plays the sessions of `tests/cli/transcripts/<name>.md` in `here` and holds the answers against the document;
/// with `EFFSWEEP_ACCEPT=1` writes them into it.
#[track_caller]
pub fn play(name: &str, here: &Here) {
    let path = Path::new(super::here::ROOT).join(format!("tests/cli/transcripts/{name}.md"));
    let expected = fs::read_to_string(&path).unwrap();
    let mut found = String::new();
    let mut rest = expected.as_str();
    for block in console_blocks(&expected) {
        let (before, after) = rest.split_once(block.text).unwrap();
        found += before;
        for Exchange { command, .. } in block.exchanges() {
            found += &format!("$ {command}\n{}", here.shell(command).transcript());
        }
        rest = after;
    }
    found += rest;
    if env::var_os("EFFSWEEP_ACCEPT").is_some() {
        fs::write(&path, &found).unwrap();
        return;
    }
    for (index, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, expected, "{}:{} (EFFSWEEP_ACCEPT=1 accepts what is)", path.display(), index + 1);
    }
    assert_eq!(found, expected, "{}", path.display());
}

#[test]
fn sessions_are_read_out_of_markdown() {
    let markdown = "a\n```console\n$ one\nx\n\ny\n$ two\n```\n```toml\n$ no\n```\n```\nplain\n```\n```console\n$ three\n```\n";
    let found = console_blocks(markdown);
    assert_eq!(found.iter().map(|block| block.line).collect::<Vec<_>>(), [3, 16]);
    let exchange = |command, answer| Exchange { command, answer };
    assert_eq!(found[0].exchanges(), [exchange("one", "x\n\ny\n"), exchange("two", "")]);
    assert_eq!(found[1].exchanges(), [exchange("three", "")]);
}
