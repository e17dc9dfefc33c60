//! Which keys of `serialization` go together: each belongs to some formats or to one framing.

use serde::Deserialize;
use serde_json::{Map, Value};

use self::Home::{Formats, Framing};
use super::{
    super::{convert::Section, words},
    raw::{
        RawFormat::{self, Avro, Csv, Json},
        RawFraming::{self, Confluent, Container},
        RawSerialization,
    },
};

/// What a key belongs to.
#[derive(Clone, Copy)]
enum Home {
    Formats(&'static [RawFormat]),
    /// A framing of Avro.
    Framing(RawFraming),
}

/// A key of `serialization`.
struct Key {
    name: &'static str,
    home: Home,
    /// Whether it stands in the file.
    is_given: bool,
}

/// All keys but `type`. Whoever adds one is told by the compiler to say here what it belongs to.
fn keys(raw: &RawSerialization) -> [Key; 16] {
    let RawSerialization {
        kind: _,
        format,
        nulls,
        timestamps,
        integers64,
        decimals,
        non_finite,
        delimiter,
        header,
        null_text,
        formula_guard,
        framing,
        codec,
        schema_id,
        schema_file,
        name,
        namespace,
    } = raw;
    let key = |name, home, is_given| Key { name, home, is_given };
    [
        key("format", Formats(&[Json]), format.is_some()),
        key("nulls", Formats(&[Json]), nulls.is_some()),
        key("timestamps", Formats(&[Json, Csv]), timestamps.is_some()),
        key("integers64", Formats(&[Json]), integers64.is_some()),
        key("decimals", Formats(&[Json]), decimals.is_some()),
        key("nonFinite", Formats(&[Json, Csv]), non_finite.is_some()),
        key("delimiter", Formats(&[Csv]), delimiter.is_some()),
        key("header", Formats(&[Csv]), header.is_some()),
        key("nullText", Formats(&[Csv]), null_text.is_some()),
        key("formulaGuard", Formats(&[Csv]), formula_guard.is_some()),
        key("framing", Formats(&[Avro]), framing.is_some()),
        key("codec", Framing(Container), codec.is_some()),
        key("schemaId", Framing(Confluent), schema_id.is_some()),
        key("schemaFile", Formats(&[Avro]), schema_file.is_some()),
        key("name", Formats(&[Avro]), name.is_some()),
        key("namespace", Formats(&[Avro]), namespace.is_some()),
    ]
}

/// The keys that say something of a derived schema, and so nothing of a given one.
const DERIVED: [&str; 2] = ["name", "namespace"];

/// A format, and the framing if it is Avro.
#[derive(Clone, Copy)]
struct Kind {
    format: RawFormat,
    framing: RawFraming,
}

impl Kind {
    fn of(map: &Map<String, Value>) -> Self {
        Self {
            format: value(map, "type").unwrap_or_default(),
            framing: value(map, "framing").unwrap_or_default(),
        }
    }

    /// Whether this kind has a key of that home.
    fn has(self, home: Home) -> bool {
        match home {
            Formats(formats) => formats.contains(&self.format),
            Framing(framing) => self.format == Avro && self.framing == framing,
        }
    }
}

fn value<T: for<'de> Deserialize<'de>>(map: &Map<String, Value>, key: &str) -> Option<T> {
    map.get(key).and_then(|value| T::deserialize(value).ok())
}

/// Puts the defaults under the keys of an output, but for those that belong to another format,
/// framing or source of the schema than the output's own keys choose.
pub(in crate::job) fn lend(
    mut defaults: Map<String, Value>,
    own: Map<String, Value>,
) -> Map<String, Value> {
    let derives = DERIVED.iter().any(|key| own.contains_key(*key));
    let gives = own.contains_key("schemaFile");
    defaults.retain(|key, _| match key.as_str() {
        "schemaFile" => !derives,
        key if DERIVED.contains(&key) => !gives,
        _ => true,
    });
    let mut merged = defaults;
    // Whether the defaults agree among themselves is checked where they stand.
    let chooses = own.contains_key("type") || own.contains_key("framing");
    let own_keys: Vec<_> = own.keys().cloned().collect();
    merged.extend(own);
    let kind = Kind::of(&merged);
    let keys = keys(&RawSerialization::default());
    let fits = |name: &str| keys.iter().all(|key| key.name != name || kind.has(key.home));
    merged.retain(|key, _| !chooses || own_keys.contains(key) || fits(key));
    merged
}

/// Reports the keys that do not belong to the kind that is chosen, and those that exclude each
/// other.
pub(super) fn check(section: &mut Section<'_>, raw: &RawSerialization) {
    if section.is_wrong("serialization.type") {
        return;
    }
    let format = raw.kind.unwrap_or_default();
    let kind = Kind { format, framing: raw.framing.unwrap_or_default() };
    let given: Vec<_> = keys(raw).into_iter().filter(|key| key.is_given).collect();
    for Key { name: key, home, .. } in given.iter().filter(|key| !kind.has(key.home)) {
        let (belongs, says) = match home {
            Framing(framing) if format == Avro => {
                if section.is_wrong("serialization.framing") {
                    continue;
                }
                (vec![written("framing", framing)], said(section, "framing", &kind.framing))
            }
            Framing(_) => (vec![written("type", &Avro)], said(section, "type", &format)),
            Formats(formats) => {
                let belongs = formats.iter().map(|format| written("type", format)).collect();
                (belongs, said(section, "type", &format))
            }
        };
        let belongs = belongs.iter().map(String::as_str).collect::<Vec<_>>();
        let message = format!("`{key}` belongs to {}, but {says}", words::list(&belongs, "and"));
        let help = format!("take `{key}` out, or write {}", words::list(&belongs, "or"));
        section.fault("CONFLICT", &format!("serialization.{key}"), message, &help);
    }
    for key in DERIVED.into_iter().filter(|key| given.iter().any(|given| given.name == *key)) {
        if raw.schema_file.is_some() && format == Avro {
            let message = format!(
                "`{key}` is for a schema derived from the columns, but `schemaFile` gives one"
            );
            let help = format!("take `{key}` out: the file says it; or take `schemaFile` out");
            section.fault("CONFLICT", &format!("serialization.{key}"), message, &help);
        }
    }
}

/// A key with its value. The values here are called as the file calls them.
fn written(key: &str, value: &impl std::fmt::Debug) -> String {
    format!("{key}: {value:?}")
}

/// What the file says, and where.
pub(super) fn said(section: &Section<'_>, key: &str, value: &impl std::fmt::Debug) -> String {
    match section.node(&format!("serialization.{key}")) {
        Some(node) => format!("line {} says `{}`", node.place().line, written(key, value)),
        None => format!("`{key}` is `{value:?}` by default"),
    }
}
