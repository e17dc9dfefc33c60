//! Small helps with wording: the nearest known name, and lists of names.

use super::secrecy::plain;

/// The longest name that is compared with known ones.
const NAME_BYTES_MAX: usize = 64;

/// The most names that a misspelled one is said to be near.
const NEAR_MAX: usize = 5;

/// The known name that a misspelled one most likely means.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    near_names(name, known).first().copied()
}

/// The known names that a misspelled one may mean, the nearest first.
pub fn near_names<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = plain(name);
    // No known name is so long, and the comparison takes time with the square of the length.
    if wanted.len() > NAME_BYTES_MAX {
        return Vec::new();
    }
    let distance_max = (wanted.chars().count() / 3).max(1);
    let mut near: Vec<_> = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&wanted, &plain(known)), known))
        .filter(|(distance, known)| *distance <= distance_max && *distance < plain(known).len())
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().take(NEAR_MAX).map(|(_, known)| known).collect()
}

/// Names as prose: `` `a`, `b` and `c` ``.
pub(super) fn list(names: &[&str], and: &str) -> String {
    match names {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [first @ .., last] => format!("`{}` {and} `{last}`", first.join("`, `")),
    }
}

/// Phrases as prose: `one, two or three`.
pub(super) fn either(phrases: &[&str]) -> String {
    match phrases {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        few => few.concat(),
    }
}

/// The most characters of a value that a message repeats.
const VALUE_CHARS_MAX: usize = 40;

/// A text of the file as a message may repeat it: short and without control characters.
pub(super) fn excerpt(text: &str) -> String {
    cut(text, VALUE_CHARS_MAX)
}

/// At most so many characters of a text, and no control characters.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    let mut excerpt = text.escape_debug().take(chars_max + 1).collect::<Vec<_>>();
    let cut = excerpt.len() > chars_max;
    excerpt.truncate(chars_max);
    let ellipsis = if cut { "…" } else { "" };
    format!("{}{ellipsis}", excerpt.into_iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near_enough() {
        let known = ["alias", "bootstrapServers", "topic", "acks"];
        assert_eq!(nearest("bootstrap.servers", known), Some("bootstrapServers"));
        assert_eq!(nearest("BOOTSTRAP_SERVER", known), Some("bootstrapServers"));
        assert_eq!(nearest("Topics", known), Some("topic"));
        assert_eq!(nearest("ack", known), Some("acks"));
        assert_eq!(nearest("brokers", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn names_read_as_prose() {
        assert_eq!(list(&["a"], "and"), "`a`");
        assert_eq!(list(&["a", "b", "c"], "or"), "`a`, `b` or `c`");
        assert_eq!(either(&["one"]), "one");
        assert_eq!(either(&["one", "two", "three"]), "one, two or three");
        assert_eq!(excerpt("a\u{1b}[31m"), "a\\u{1b}[31m");
        assert_eq!(excerpt(&"x".repeat(50)), format!("{}…", "x".repeat(40)));
    }
}
