//! Source files as far as the checker reads them: tokens, without tests, and the paths they name.

/// A word or sign. Literals and comments leave none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// What the tokens say.
pub fn texts<'a>(tokens: &[Token<'a>]) -> impl Iterator<Item = &'a str> {
    tokens.iter().map(|token| token.text)
}

/// The tokens of a file.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = next_length(rest, first);
        let (text, after) = rest.split_at(length);
        if is_token {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// Bytes of what `rest` begins with, and whether it is a token.
fn next_length(rest: &str, first: char) -> (usize, bool) {
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let hashes = rest[word..].len() - rest[word..].trim_start_matches('#').len();
    if rest.starts_with("//") {
        (rest.find('\n').unwrap_or(rest.len()), false)
    } else if rest.starts_with("/*") {
        (block_comment_length(rest), false)
    } else if ["r", "br", "cr"].contains(&&rest[..word]) && rest[word + hashes..].starts_with('"') {
        let (start, end) = (word + hashes + 1, format!("\"{}", "#".repeat(hashes)));
        (rest[start..].find(&end).map_or(rest.len(), |length| start + length + end.len()), false)
    } else if word > 0 {
        (word, true)
    } else if first == '"' {
        (quoted_length(rest, '"'), false)
    } else if first == '\'' {
        let is_char = rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'');
        (if is_char { quoted_length(rest, '\'') } else { 1 }, false)
    } else if rest.starts_with("::") {
        (2, true)
    } else {
        (first.len_utf8(), !first.is_whitespace())
    }
}

/// Bytes of a comment, comments within it included.
fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") || here.starts_with(b"*/") {
            depth = if here[0] == b'/' { depth + 1 } else { depth - 1 };
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Bytes of a literal with escapes.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = true;
    let end = rest.char_indices().find(|&(_, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + quote.len_utf8())
}

/// `tokens` without `#[cfg(test)]` items, and the names of the modules among those that are files.
pub fn without_tests<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<&'a str>) {
    let (mut code, mut modules, mut rest) = (Vec::new(), Vec::new(), tokens);
    while let Some((first, others)) = rest.split_first() {
        if is_for_tests(rest, &["#", "!"]) {
            return (Vec::new(), modules);
        }
        if !is_for_tests(rest, &["#"]) {
            code.push(*first);
            rest = others;
            continue;
        }
        let (item, others) = rest.split_at(item_length(rest));
        if let [.., before, name, end] = item
            && (before.text, end.text) == ("mod", ";")
        {
            modules.push(name.text);
        }
        rest = others;
    }
    (code, modules)
}

/// Whether `tokens` begin with an attribute, opened by `opening`, that leaves them to tests.
fn is_for_tests(tokens: &[Token<'_>], opening: &[&str]) -> bool {
    [["test", ")"].as_slice(), &["all", "(", "test"]].iter().any(|condition| {
        let attribute = [opening, &["[", "cfg", "("], condition].concat();
        texts(tokens).take(attribute.len()).eq(attribute)
    })
}

/// Tokens of the item that `tokens` begin with, its attributes included.
fn item_length(tokens: &[Token<'_>]) -> usize {
    let (mut depth, mut is_use) = (0_usize, false);
    for (index, text) in texts(tokens).enumerate() {
        match text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "use" if depth == 0 => is_use = true,
            _ => {}
        }
        if depth == 0 && (text == ";" || text == "}" && !is_use) {
            return index + 1;
        }
    }
    tokens.len()
}

/// Paths from the crate's root that a file of module `module_path` names, with their lines.
pub fn imports<'a>(tokens: &[Token<'a>], module_path: &[&'a str]) -> Vec<(Vec<&'a str>, usize)> {
    let mut found = Vec::new();
    // Whether each open brace is that of a module, and of which.
    let mut braces: Vec<Option<&str>> = Vec::new();
    let mut before = ["", ""];
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => braces.push((before[0] == "mod").then_some(before[1])),
            "}" => drop(braces.pop()),
            "crate" | "effsweep" | "super" | "self" if before[1] != "::" => {
                let here = module_path.iter().copied().chain(braces.iter().flatten().copied()).collect();
                read_path(&tokens[index..], here, &mut found);
            }
            _ => {}
        }
        before = [before[1], token.text];
    }
    found
}

/// Reads a path that begins with the crate, a parent or the module `base` itself.
fn read_path<'a>(mut rest: &[Token<'a>], mut base: Vec<&'a str>, found: &mut Vec<(Vec<&'a str>, usize)>) {
    while let [start, colons, ..] = rest
        && colons.text == "::"
    {
        match start.text {
            "crate" | "effsweep" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        rest = &rest[2..];
        if !rest.first().is_some_and(|next| ["super", "self"].contains(&next.text)) {
            read_tree(rest, &base, found);
            return;
        }
    }
}

/// Reads names and braces that follow `base`. Returns what comes after them.
fn read_tree<'a, 't>(
    mut rest: &'t [Token<'a>],
    base: &[&'a str],
    found: &mut Vec<(Vec<&'a str>, usize)>,
) -> &'t [Token<'a>] {
    let mut path = base.to_vec();
    while let Some((name, after)) = rest.split_first() {
        if name.text == "{" {
            return read_group(after, &path, found);
        }
        if name.text.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            path.push(name.text);
        }
        rest = after;
        match rest.split_first() {
            Some((colons, after)) if colons.text == "::" => rest = after,
            _ => {
                found.push((path, name.line));
                break;
            }
        }
    }
    rest
}

/// Reads the rest of a group in braces.
fn read_group<'a, 't>(
    mut rest: &'t [Token<'a>],
    base: &[&'a str],
    found: &mut Vec<(Vec<&'a str>, usize)>,
) -> &'t [Token<'a>] {
    while let Some((next, after)) = rest.split_first() {
        match next.text {
            "}" => return after,
            "," => rest = after,
            // What an import is renamed to is no path.
            "as" => rest = after.get(1..).unwrap_or_default(),
            _ => rest = read_tree(rest, base, found),
        }
    }
    rest
}
