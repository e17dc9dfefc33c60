//! What an output takes from `defaults`.

use serde_json::{Map, Value};

use super::{security, serialization, walk::DECIDING_KEYS};

/// Puts the defaults under the keys of an output, as the documentation of `defaults` says.
pub(super) fn merge(defaults: &Map<String, Value>, own: Map<String, Value>) -> Map<String, Value> {
    let own_keys = own.keys().cloned().collect::<Vec<_>>();
    let mut merged = defaults.clone();
    for (key, value) in own {
        let merged_value = match (merged.remove(&key), value) {
            (Some(Value::Object(default)), Value::Object(own)) if key == "serialization" => {
                Value::Object(serialization::lend(default, own))
            }
            (Some(Value::Object(default)), Value::Object(own))
                if security::is_merged(&key) && same_kind(&default, &own) =>
            {
                let mut map = default;
                map.extend(own);
                Value::Object(map)
            }
            (_, value) => value,
        };
        merged.insert(key, merged_value);
    }
    security::withhold(&mut merged, &own_keys);
    merged
}

/// Whether two maps describe the same kind of thing: a compression level for Zstd is none for Lz4.
fn same_kind(default: &Map<String, Value>, own: &Map<String, Value>) -> bool {
    DECIDING_KEYS.iter().all(|key| match (default.get(*key), own.get(*key)) {
        (default, Some(own)) => default == Some(own),
        (_, None) => true,
    })
}
