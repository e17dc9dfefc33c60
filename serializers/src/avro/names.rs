//! Names that Avro allows.

use std::collections::{HashMap, HashSet};

/// Whether Avro allows `name`: `[A-Za-z_][A-Za-z0-9_]*`.
pub(super) fn is_legal(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether Avro allows `name` with dots between its parts.
pub(super) fn is_legal_path(name: &str) -> bool {
    name.split('.').all(is_legal)
}

/// `name` made legal: `_` for what is not allowed, and before a leading digit.
fn mangle(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mangled: String = name.chars().map(allowed).collect();
    if is_legal(&mangled) { mangled } else { format!("_{mangled}") }
}

/// Names in use, and how far the numbers at their ends are.
#[derive(Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// The number that a name got last, so that many equal names take no quadratic time.
    numbers: HashMap<String, usize>,
}

impl Names {
    /// Takes `name`, with the first free number at its end if it is taken.
    pub(super) fn take(&mut self, name: String) -> String {
        if self.taken.insert(name.clone()) {
            return name;
        }
        let number = self.numbers.entry(name.clone()).or_default();
        loop {
            *number += 1;
            let numbered = format!("{name}{number}");
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

/// Legal names for the fields of one record. Those that are legal stay.
pub(super) fn field_names<'a>(fields: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let mut names = Names::default();
    names.taken.extend(fields.clone().filter(|name| is_legal(name)).map(str::to_owned));
    let name = |field: &str| {
        if is_legal(field) { field.to_owned() } else { names.take(mangle(field)) }
    };
    fields.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn illegal_names_are_mangled_and_collisions_numbered() {
        let names = |of: &[&str]| field_names(of.iter().copied());
        assert_eq!(names(&["a", "A9_", "_"]), ["a", "A9_", "_"]);
        assert_eq!(
            names(&["a b", "9", "größe", "", "a.b-c"]),
            ["a_b", "_9", "gr__e", "_", "a_b_c"]
        );
        // A legal name stays, wherever it stands.
        assert_eq!(
            names(&["a b", "a_b", "a-b", "a_b1", "a/b"]),
            ["a_b2", "a_b", "a_b3", "a_b1", "a_b4"]
        );
        let many = vec!["?"; 20_000];
        let many = names(&many);
        assert_eq!((many[0].as_str(), many[19_999].as_str()), ("_", "_19999"));
        assert!(is_legal_path("a.b_1.C") && !is_legal_path("a..b") && !is_legal_path(""));
    }
}
