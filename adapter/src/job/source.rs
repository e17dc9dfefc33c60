//! The text of a job file: the line that a fault shows, with whatever may be secret masked.

use std::ops::Range;

use keyvault::REDACTED;

use super::{
    collect::Collector,
    schema::Shape,
    secrecy,
    tree::{Mark, Node, Tree},
};

/// A line of the file, with the part that a fault is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snippet {
    /// The line, or the part of it around the place.
    pub(super) text: String,
    /// How many characters stand before the place.
    pub(super) indent: usize,
    /// How many characters the place has.
    pub(super) width: usize,
}

/// The text and what is known of its secrets.
pub(super) struct Source<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
    /// What may be shown of scalars, keys included; ordered by place.
    scalars: Vec<Scalar>,
    /// Whether `scalars` is all there is.
    complete: bool,
}

struct Scalar {
    range: Range<usize>,
    hidden: bool,
}

/// What is shown of a line beside keys and values.
const PUNCTUATION: &str = " -?:,[]{}&*!|><";

/// The most characters of a line that are shown.
const LINE_CHARS_MAX: usize = 100;

impl<'a> Source<'a> {
    /// A text that could not be read as YAML, so that nobody knows where its secrets stand.
    pub(super) fn unread(text: &'a str) -> Self {
        // A lone carriage return ends a line of YAML, too.
        let ends = |at: usize, byte: u8| {
            byte == b'\n' || (byte == b'\r' && text.as_bytes().get(at + 1) != Some(&b'\n'))
        };
        let bytes = text.bytes().enumerate();
        let starts = bytes.filter(|(at, byte)| ends(*at, *byte)).map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(starts).collect();
        Self { text, line_starts, scalars: Vec::new(), complete: false }
    }

    /// A text whose tree is known, after the walk along its schema.
    pub(super) fn read(text: &'a str, root: &Node, faults: &Collector) -> Self {
        let mut source = Self { complete: true, ..Self::unread(text) };
        root.each(&mut |node| source.add(node, faults));
        // The same anchor is met once per alias; where one of them hides it, it is hidden.
        source.scalars.sort_by_key(|scalar| (scalar.range.start, !scalar.hidden));
        source.scalars.dedup_by_key(|scalar| scalar.range.start);
        source
    }

    fn add(&mut self, node: &Node, faults: &Collector) {
        match &node.value {
            Tree::Map(entries) => {
                for (key, child) in entries {
                    // YAML compares whole numbers by value and drops the earlier of two equal
                    // keys, and with it what may have been a secret.
                    self.complete &= !key.starts_with(|c: char| c.is_ascii_digit() || c == '-');
                    let mark = child.key.unwrap_or_default();
                    self.add_scalar(mark, child.name == REDACTED || faults.hides(mark));
                }
            }
            Tree::Null | Tree::Text(_) | Tree::Bool(_) | Tree::Integer(_) | Tree::Float(_) => {
                self.add_scalar(node.mark, node.hidden || faults.hides(node.mark));
            }
            Tree::List(_) => {}
        }
    }

    fn add_scalar(&mut self, mark: Mark, hidden: bool) {
        let end = mark.start + mark.len;
        // A text in several lines goes on to the beginning of the next value.
        let text = self.text.get(mark.start..end);
        let end = text.map_or(end, |text| mark.start + text.trim_end().len());
        if mark.start < end {
            self.scalars.push(Scalar { range: mark.start..end, hidden });
        }
    }

    /// The line of a place, without its comment, if it may be shown.
    pub(super) fn snippet(&self, mark: Mark) -> Option<Snippet> {
        let index = usize::try_from(mark.line).ok()?.checked_sub(1)?;
        let line = self.line(index)?;
        if !self.complete && self.may_hold_secret(index) {
            return None;
        }
        let first = self.scalars.partition_point(|scalar| scalar.range.end <= line.start);
        let mut scalars = self.scalars[first..].iter().peekable();
        let mut shown = Vec::new();
        let (mut place, mut width_end) = (None, 0);
        let (mut after, mut column) = (' ', 0);
        for (at, c) in self.text[line.clone()].char_indices().map(|(at, c)| (line.start + at, c)) {
            while scalars.next_if(|scalar| scalar.range.end <= at).is_some() {}
            let inside = scalars.peek().filter(|scalar| scalar.range.contains(&at));
            if self.complete && inside.is_none() && c == '#' && after.is_whitespace() {
                break;
            }
            after = c;
            let hidden = inside.filter(|scalar| scalar.hidden);
            let begins = hidden.is_some_and(|scalar| at == scalar.range.start.max(line.start));
            if begins {
                shown.extend(REDACTED.chars());
            }
            column += 1;
            if column == mark.column {
                place = Some(shown.len() - if hidden.is_some() { REDACTED.len() } else { 0 });
            }
            // Between values stand names of anchors and tags, which a stray `&` makes of a secret.
            let between = self.complete && inside.is_none() && !PUNCTUATION.contains(c);
            if hidden.is_none() && !between {
                shown.push(if c.is_control() { ' ' } else { c });
            }
            if column >= mark.column && at < mark.start + mark.len {
                width_end = shown.len();
            }
        }
        while shown.pop_if(|c| c.is_whitespace()).is_some() {}
        let indent = place.unwrap_or(shown.len());
        Some(crop(&shown, indent, width_end.saturating_sub(indent).max(1)))
    }

    /// The bytes of a line, without its end.
    fn line(&self, index: usize) -> Option<Range<usize>> {
        let start = *self.line_starts.get(index)?;
        let end = self.line_starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        Some(start..start + self.text[start..end].trim_end().len())
    }

    /// Whether a line of a text without a tree may belong to a secret: it, or one above it in the
    /// same output or under the same outermost key, has to do with secrets.
    fn may_hold_secret(&self, index: usize) -> bool {
        for index in (0..=index).rev() {
            let Some(line) = self.line(index) else { continue };
            let line = &self.text[line];
            if secrecy::line_names_secret(line) {
                return true;
            }
            if begins_part(line) {
                return false;
            }
        }
        false
    }
}

/// Whether a part of the job begins with this line: an outermost key or an output. A line of a
/// secret may look like one, so only known keys count.
fn begins_part(line: &str) -> bool {
    let root = Shape::root();
    let known = |shape: Option<Shape>, text: &str| {
        let key = text.trim_start_matches([' ', '{']).split(':').next().unwrap_or_default();
        let properties = shape.map(Shape::properties).unwrap_or_default();
        properties.iter().any(|(name, _)| *name == key)
    };
    match line.trim_start().strip_prefix("- ") {
        Some(item) => known(root.property("outputs").and_then(Shape::items), item),
        None => !line.starts_with(' ') && known(Some(root), line),
    }
}

/// Cuts a line that is too long for a terminal down to the part around the place.
fn crop(line: &[char], indent: usize, width: usize) -> Snippet {
    // The place may be among the blanks at the line's end, which are not shown.
    let indent = indent.min(line.len());
    if line.len() <= LINE_CHARS_MAX {
        return Snippet { text: line.iter().collect(), indent, width };
    }
    let start = indent.saturating_sub(LINE_CHARS_MAX / 2).min(line.len() - LINE_CHARS_MAX);
    let end = start + LINE_CHARS_MAX;
    let ellipsis = |there: bool| if there { "…" } else { "" };
    let part = line[start..end].iter().collect::<String>();
    let text = format!("{}{part}{}", ellipsis(start > 0), ellipsis(end < line.len()));
    let indent = indent - start + usize::from(start > 0);
    Snippet { text, indent, width: width.min(LINE_CHARS_MAX + 1 - indent).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_blanks_behind_a_line_is_its_end() {
        let line = ['x'; LINE_CHARS_MAX + 20];
        for indent in [line.len(), line.len() + 1, line.len() + 500] {
            let Snippet { text, indent, width } = crop(&line, indent, 3);
            assert_eq!((text.chars().count(), indent, width), (LINE_CHARS_MAX + 1, 101, 1));
        }
        assert_eq!(crop(&line[..9], 500, 1).indent, 9);
    }
}
