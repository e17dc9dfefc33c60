//! Readers of CSV: one that sees quotes, and the crate `csv`, which does not.

/// A value as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub text: String,
    pub quoted: bool,
}

/// Reads lines by the grammar of RFC 4180 and nothing beyond it: lines end with CR LF, and quotes
/// surround whole values.
pub fn read(record: &str, delimiter: u8) -> Vec<Vec<Field>> {
    let delimiter = char::from(delimiter);
    let (mut lines, mut line, mut rest) = (Vec::new(), Vec::new(), record);
    loop {
        let field = match rest.strip_prefix('"') {
            Some(within) => quoted(within, &mut rest),
            None => {
                let end = rest.find([delimiter, '\r', '\n']).unwrap_or(rest.len());
                let text = rest[..end].to_owned();
                assert!(!text.contains('"'), "a quote within {text:?}");
                rest = &rest[end..];
                Field { text, quoted: false }
            }
        };
        line.push(field);
        if let Some(behind) = rest.strip_prefix(delimiter) {
            rest = behind;
            continue;
        }
        lines.push(std::mem::take(&mut line));
        match rest.strip_prefix("\r\n") {
            Some(behind) => rest = behind,
            None if rest.is_empty() => return lines,
            None => panic!("no line ends like {rest:?}"),
        }
    }
}

fn quoted<'a>(mut within: &'a str, rest: &mut &'a str) -> Field {
    let mut text = String::new();
    loop {
        let (before, behind) = within.split_once('"').expect("a quote is closed");
        text.push_str(before);
        match behind.strip_prefix('"') {
            Some(behind) => {
                text.push('"');
                within = behind;
            }
            None => {
                *rest = behind;
                return Field { text, quoted: true };
            }
        }
    }
}

/// The texts alone.
pub fn texts(lines: &[Vec<Field>]) -> Vec<Vec<String>> {
    let text = |field: &Field| field.text.clone();
    lines.iter().map(|line| line.iter().map(text).collect()).collect()
}

/// Reads lines with the crate `csv`.
pub fn read_with_crate(record: &str, delimiter: u8) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .from_reader(record.as_bytes());
    let lines = reader.records().map(|line| line.unwrap());
    lines.map(|line| line.iter().map(str::to_owned).collect()).collect()
}
