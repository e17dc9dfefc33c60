//! Rust sources as their string literals: comments, characters and code of tests left out.
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A piece of code that matters here.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// The text of a string literal, as it is written.
    Text(String),
    /// A name or a number.
    Word(String),
    /// Any other character but white space.
    Sign(char),
}

/// The string literals of the sources below a folder, each with its file.
pub fn literals(root: &Path, folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, tokens) in product(root, folder) {
        found.extend(tokens.into_iter().filter_map(|token| match token {
            Token::Text(text) => Some((name.clone(), text)),
            Token::Word(_) | Token::Sign(_) => None,
        }));
    }
    found
}

/// The names in the calls of these macros below a folder, each call with its file.
pub fn calls(root: &Path, folder: &str, macros: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (file, tokens) in product(root, folder) {
        for at in 0..tokens.len().saturating_sub(2) {
            let is_called = word(&tokens[at]).is_some_and(|name| macros.contains(&name));
            if is_called && is(&tokens[at + 1], "!") {
                let arguments = &tokens[at + 2..at + 2 + arguments(&tokens[at + 2..])];
                let words = arguments.iter().filter_map(word).map(ToOwned::to_owned);
                found.push((file.clone(), words.collect()));
            }
        }
    }
    found
}

/// How many tokens the arguments of a call have, with their parentheses.
fn arguments(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{' | '(' | '[') => depth += 1,
            Token::Sign('}' | ')' | ']') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The code of the product below a folder, by file.
fn product(root: &Path, folder: &str) -> Vec<(String, Vec<Token>)> {
    let (mut files, mut tests) = (Vec::new(), BTreeSet::new());
    for path in rust_files(&root.join(folder)) {
        let mut tokens = tokens(&fs::read_to_string(&path).unwrap());
        let modules = without_tests(&mut tokens);
        // `mod tests;` stands beside its file, or in the file that its folder is named after.
        let own = path.with_extension("");
        let is_folder =
            ["mod", "lib", "main"].contains(&own.file_name().unwrap().to_str().unwrap());
        let beside = if is_folder { path.parent().unwrap().to_owned() } else { own };
        tests.extend(modules.into_iter().map(|module| beside.join(module)));
        files.push((path, tokens));
    }
    let is_test = |path: &Path| {
        let own = path.with_extension("");
        own.ancestors().any(|above| tests.contains(above))
    };
    let product = files.into_iter().filter(|(path, _)| !is_test(path));
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
    product.map(|(path, tokens)| (name(&path), tokens)).collect()
}

/// Every file of Rust below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn tokens(code: &str) -> Vec<Token> {
    let (mut tokens, mut rest) = (Vec::new(), code);
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if let Some((text, bytes)) = raw(rest).or_else(|| quoted(rest)) {
            tokens.push(Token::Text(text));
            bytes
        } else if let Some(bytes) = character(rest) {
            bytes
        } else if is_word(first) {
            let bytes = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..bytes].to_owned()));
            bytes
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            first.len_utf8()
        };
        rest = &rest[taken..];
    }
    tokens
}

/// The length of a comment, with those inside it.
fn comment(code: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        let rest = &code[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().expect("a comment ends").len_utf8();
        }
    }
}

/// `r"…"`, `r#"…"#`, and those of bytes and of C: the text and the length.
fn raw(code: &str) -> Option<(String, usize)> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        code.strip_prefix(*prefix).is_some_and(|rest| rest.starts_with(['"', '#']))
    })?;
    let rest = &code[prefix.len()..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    // `r#type` is a name.
    let text = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let bytes = text.find(&end).expect("a raw string ends");
    Some((text[..bytes].to_owned(), prefix.len() + hashes + 1 + bytes + end.len()))
}

/// `"…"`, `b"…"` and `c"…"`.
fn quoted(code: &str) -> Option<(String, usize)> {
    let prefix = ["", "b", "c"]
        .into_iter()
        .find(|prefix| code.strip_prefix(*prefix).is_some_and(|rest| rest.starts_with('"')))?;
    let text = &code[prefix.len() + 1..];
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some((text[..at].to_owned(), prefix.len() + 1 + at + 1)),
            _ => {}
        }
    }
    panic!("a string ends")
}

/// The length of `'x'`, `b'x'` or `'\u{…}'`; a lifetime is none.
fn character(code: &str) -> Option<usize> {
    let start = if code.starts_with("b'") { 2 } else { 1 };
    let rest = code.strip_prefix("b'").or_else(|| code.strip_prefix('\''))?;
    let first = rest.chars().next()?;
    if first == '\\' {
        let end = rest[2..].find('\'').expect("a character ends");
        return Some(start + 2 + end + 1);
    }
    rest[first.len_utf8()..].starts_with('\'').then_some(start + first.len_utf8() + 1)
}

/// Takes out what is compiled for tests alone; the names of modules that are, and stand elsewhere.
fn without_tests(tokens: &mut Vec<Token>) -> Vec<String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut modules, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        let is_test = TEST
            .iter()
            .enumerate()
            .all(|(ahead, wanted)| tokens.get(at + ahead).is_some_and(|token| is(token, wanted)));
        if !is_test {
            kept.push(std::mem::replace(&mut tokens[at], Token::Sign(' ')));
            at += 1;
            continue;
        }
        at += TEST.len();
        let end = item(&tokens[at..]);
        let words: Vec<_> = tokens[at..at + end].iter().filter_map(word).collect();
        let module = words.windows(2).find(|pair| pair[0] == "mod");
        if let (Some(pair), true) = (module, is(&tokens[at + end - 1], ";")) {
            modules.push(pair[1].to_owned());
        }
        at += end;
    }
    *tokens = kept;
    modules
}

/// How many tokens an item has: up to its `;`, or to the end of its braces.
fn item(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{' | '(' | '[') => depth += 1,
            Token::Sign('}' | ')' | ']') => depth -= 1,
            Token::Sign(';') if depth == 0 => return at + 1,
            _ => {}
        }
        if depth == 0 && is(token, "}") {
            return at + 1;
        }
    }
    tokens.len()
}

fn word(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) => Some(word),
        Token::Text(_) | Token::Sign(_) => None,
    }
}

fn is(token: &Token, wanted: &str) -> bool {
    match token {
        Token::Word(word) => word == wanted,
        Token::Sign(sign) => wanted.chars().eq([*sign]),
        Token::Text(_) => false,
    }
}

#[test]
fn only_literals_of_the_product_are_found() {
    let code = r##"
        // "COMMENT" /* "COMMENT"
        /* "COMMENT" /* "COMMENT" */ "COMMENT" */
        fn of<'a>(x: &'a str) { ['"', '\'', '\u{22}']; b'"'; "ONE \" ONE"; r#"TWO " TWO"#; b"THREE"
            ; Cause
              ::
              new(
                "FOUR",
        ) }
        #[cfg(test)]
        mod tests { fn a() { "TEST { " } }
        #[cfg(test)]
        pub(crate) mod fake;
        #[cfg(test)]
        #[expect(clippy::all, reason = "TEST")]
        fn b(x: [u8; 3]) -> &str { "TEST" }
        const LAST: &str = "FIVE";
    "##;
    let mut tokens = tokens(code);
    assert_eq!(without_tests(&mut tokens), ["fake"]);
    let found = tokens.iter().filter_map(|token| match token {
        Token::Text(text) => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(found.collect::<Vec<_>>(), ["ONE \\\" ONE", "TWO \" TWO", "THREE", "FOUR", "FIVE"]);
}
