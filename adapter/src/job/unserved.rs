//! Keys and values that the design knows and this version does not serve. They are refused by
//! name, and the JSON Schema does not offer them.

/// Keys, by the path of their place; `outputs[]` stands for `defaults`, too.
pub(super) const KEYS: [&str; 3] = ["outputs[].key", "outputs[].headers", "outputs[].timestamp"];

/// Values, by the path of their key.
pub(super) const VALUES: [(&str, &[&str]); 1] =
    [("outputs[].partitioning.strategy", &["partitionKey", "static", "column"])];

/// Whether the key at this path is known, though not served.
pub(super) fn key(path: &str) -> bool {
    KEYS.contains(&place(path).as_str())
}

/// Whether this value of the key at this path is known, though not served.
pub(super) fn value(path: &str, text: &str) -> bool {
    let place = place(path);
    VALUES.iter().any(|(key, values)| *key == place && values.contains(&text))
}

/// `outputs[3].sasl` and `defaults.sasl` are both `outputs[].sasl`.
pub(super) fn place(path: &str) -> String {
    let mut place = String::with_capacity(path.len());
    let mut in_index = false;
    for c in path.chars() {
        in_index &= c != ']';
        if !in_index {
            place.push(c);
        }
        in_index |= c == '[';
    }
    match place.strip_prefix("defaults.") {
        Some(rest) => format!("outputs[].{rest}"),
        None => place,
    }
}
