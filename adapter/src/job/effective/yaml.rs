//! Writes a job as YAML that a job file may hold: plain words where YAML reads them as text, quotes
//! around all others.

use serde_json::{Map, Value};

use super::Step;

/// What is said of a value at the end of its line.
type Note<'a> = dyn Fn(&[Step<'_>], &Value) -> Option<String> + 'a;

/// Keys that say what the others of their map are about.
const FIRST: [&str; 7] =
    ["name", "alias", "topic", "bootstrapServers", "type", "mechanism", "strategy"];

/// The key behind all others: the outputs are long.
const LAST: &str = "outputs";

/// Words that YAML, or an older version of it, reads as something else than text.
const WORDS: [&str; 13] =
    ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan", "infinity", "~"];

/// Units behind a number, of durations and byte sizes.
const UNITS: [&str; 11] = ["ms", "s", "m", "h", "B", "KB", "MB", "GB", "KiB", "MiB", "GiB"];

/// Writes a map.
pub(super) fn print(job: &Value, note: &Note<'_>) -> String {
    let mut writer = Writer { text: String::new(), path: Vec::new(), note };
    if let Value::Object(map) = job {
        writer.map(map, 0, false);
    }
    writer.text
}

struct Writer<'a> {
    text: String,
    path: Vec<Step<'a>>,
    note: &'a Note<'a>,
}

impl<'a> Writer<'a> {
    /// A map; in a list its first key stands behind the dash.
    fn map(&mut self, map: &'a Map<String, Value>, indent: usize, behind_dash: bool) {
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_by_key(|(key, _)| {
            let rank = FIRST.iter().position(|first| first == key);
            (*key == LAST, rank.unwrap_or(FIRST.len()))
        });
        for (nth, (key, value)) in entries.into_iter().enumerate() {
            if nth > 0 || !behind_dash {
                self.indent(indent);
            }
            self.text += &scalar_text(key);
            self.text.push(':');
            self.path.push(Step::Key(key));
            self.value(value, indent);
            self.path.pop();
        }
    }

    /// A value behind its key.
    fn value(&mut self, value: &'a Value, indent: usize) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                self.text.push('\n');
                self.map(map, indent + 2, false);
            }
            Value::Array(items) if !items.is_empty() => {
                self.text.push('\n');
                for (index, item) in items.iter().enumerate() {
                    self.indent(indent + 2);
                    self.text.push('-');
                    self.path.push(Step::Item(index));
                    self.item(item, indent + 4);
                    self.path.pop();
                }
            }
            value => self.scalar(value),
        }
    }

    fn item(&mut self, item: &'a Value, indent: usize) {
        match item {
            Value::Object(map) if !map.is_empty() => {
                self.text.push(' ');
                self.map(map, indent, true);
            }
            // Lists in lists are no part of a job file.
            value => self.scalar(value),
        }
    }

    /// What has no parts, with its note.
    fn scalar(&mut self, value: &Value) {
        self.text.push(' ');
        match value {
            Value::String(text) => self.text += &scalar_text(text),
            other => self.text += &other.to_string(),
        }
        if let Some(note) = (self.note)(&self.path, value) {
            self.text += "  # ";
            self.text += &note;
        }
        self.text.push('\n');
    }

    fn indent(&mut self, indent: usize) {
        self.text.extend(std::iter::repeat_n(' ', indent));
    }
}

/// A text as YAML reads it again.
fn scalar_text(text: &str) -> String {
    if is_plain(text) || is_amount(text) { text.to_owned() } else { quoted(text) }
}

/// Whether YAML reads these characters as this text: neither a number nor another word.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:".contains(c))
        && !text.ends_with(':')
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether this is a number and a unit, as `25s` or `512 MiB`.
fn is_amount(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.len() < text.len() && UNITS.contains(&unit.strip_prefix(' ').unwrap_or(unit))
}

/// In double quotes, with everything escaped that a terminal or YAML would not show.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' ' => quoted.push(c),
            c if c.is_control() || c.is_whitespace() || is_unseen(c) => {
                quoted += &format!("\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Marks that show nothing, or turn the order of what is shown.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}')
        || c > '\u{ffff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_they_were() {
        for (text, written) in [
            ("flights", "flights"),
            ("kafka-1:9092", "kafka-1:9092"),
            ("25s", "25s"),
            ("512 MiB", "512 MiB"),
            ("Null", "\"Null\""),
            ("yes", "\"yes\""),
            ("", "\"\""),
            ("127.0.0.1:7070", "\"127.0.0.1:7070\""),
            ("1e3", "\"1e3\""),
            ("a b", "\"a b\""),
            ("a:", "\"a:\""),
            ("- x #", "\"- x #\""),
            ("q\"\\\n\u{202e}\u{85}", r#""q\"\\\U0000000A\U0000202E\U00000085""#),
        ] {
            assert_eq!(scalar_text(text), written);
            let read: String = serde_saphyr::from_str(written).unwrap();
            assert_eq!(read, text, "{written}");
        }
    }
}
