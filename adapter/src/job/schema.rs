//! The JSON Schema of the job file: for editors, and for the walk that finds its faults.

use std::sync::LazyLock;

use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Value, json};

use super::raw::RawJob;

/// Made once: it depends on the types alone.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(refuse_null))
        .with_transform(RecursiveTransform(allow_bare_null))
        .with_transform(RecursiveTransform(unwrap_lines))
        .into_generator()
        .into_root_schema_for::<RawJob>()
        .to_value()
});

/// The JSON Schema of the job file (draft 2020-12). It describes every key, so that editors
/// complete and check.
pub fn json_schema() -> Value {
    SCHEMA.clone()
}

/// A key that may be left out is an `Option` here, and schemars would allow `null` for it. A key
/// with nothing behind it is more often a mistake, so it is a fault.
fn refuse_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") else { return };
    let before = alternatives.len();
    alternatives.retain(|alternative| alternative.get("type") != Some(&Value::from("null")));
    if let (true, [Value::Object(only)]) = (before == 2, alternatives.as_slice()) {
        let only = only.clone();
        schema.remove("anyOf");
        for (keyword, value) in only {
            // The description of the key says more than that of its type.
            if schema.get(&keyword).is_none() {
                schema.insert(keyword, value);
            }
        }
    }
}

/// YAML reads the word `Null` as nothing unless it has quotes, and so do editors. Where it is one
/// of a key's words, both are meant.
fn allow_bare_null(schema: &mut Schema) {
    let Some(Value::Array(words)) = schema.get_mut("oneOf") else { return };
    if words.iter().any(|word| word.get("const") == Some(&Value::from("Null"))) {
        let description = "The same without quotes, which YAML reads as nothing.";
        words.push(json!({ "description": description, "const": null }));
    }
}

/// A description breaks its lines where the doc comment did; only its paragraphs are meant.
fn unwrap_lines(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
        *text = paragraphs.collect::<Vec<_>>().join("\n\n");
    }
}

/// A part of the schema: what stands at the key, and the definition it refers to.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    site: &'static Value,
    definition: &'static Value,
}

impl Shape {
    /// The shape of the whole file.
    pub(super) fn root() -> Self {
        Self::of(&SCHEMA)
    }

    fn of(site: &'static Value) -> Self {
        let name = site.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next());
        let definition = name.and_then(|name| SCHEMA.get("$defs")?.get(name));
        Self { site, definition: definition.unwrap_or(site) }
    }

    /// A keyword, as the key says it or else as the definition does.
    fn keyword(self, name: &str) -> Option<&'static Value> {
        self.site.get(name).or_else(|| self.definition.get(name))
    }

    /// Whether this refers to the definition of that name.
    pub(super) fn is(self, definition: &str) -> bool {
        SCHEMA
            .get("$defs")
            .and_then(|defs| defs.get(definition))
            .is_some_and(|found| std::ptr::eq(found, self.definition))
    }

    /// What is in the place of `title`: a few words such as `a duration`.
    pub(super) fn title(self) -> Option<&'static str> {
        self.keyword("title").and_then(Value::as_str)
    }

    /// A value that would be right.
    pub(super) fn example(self) -> Option<&'static Value> {
        let examples = self.keyword("examples").and_then(|examples| examples.get(0));
        self.site.get("default").or(examples)
    }

    /// The shapes of which a value has one: itself, if there is no choice.
    pub(super) fn alternatives(self) -> Vec<Self> {
        let listed = ["anyOf", "oneOf"].iter().find_map(|name| self.keyword(name)?.as_array());
        match listed {
            Some(listed) => listed.iter().map(Self::of).collect(),
            None => vec![self],
        }
    }

    /// The JSON types that are allowed here.
    pub(super) fn types(self) -> Vec<&'static str> {
        match self.keyword("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => self
                .alternatives()
                .into_iter()
                .flat_map(|shape| {
                    if std::ptr::eq(shape.site, self.site) { Vec::new() } else { shape.types() }
                })
                .collect(),
        }
    }

    /// The texts that are allowed here, if they are a closed set.
    pub(super) fn choices(self) -> Option<Vec<&'static str>> {
        if let Some(only) = self.keyword("const") {
            return Some(only.as_str().into_iter().collect());
        }
        if let Some(Value::Array(values)) = self.keyword("enum") {
            return Some(values.iter().filter_map(Value::as_str).collect());
        }
        let listed = self.keyword("oneOf")?.as_array()?;
        let choices =
            listed.iter().map(|one| Self::of(one).choices()).collect::<Option<Vec<_>>>()?;
        Some(choices.into_iter().flatten().collect())
    }

    /// Whether `Null` is one of the texts, so that nothing stands for it.
    pub(super) fn takes_null(self) -> bool {
        self.choices().is_some_and(|choices| choices.contains(&"Null"))
    }

    /// The keys of a map and their shapes, in alphabetical order.
    pub(super) fn properties(self) -> Vec<(&'static str, Self)> {
        let properties = self.keyword("properties").and_then(Value::as_object);
        let mut properties = properties
            .into_iter()
            .flatten()
            .map(|(name, site)| (name.as_str(), Self::of(site)))
            .collect::<Vec<_>>();
        properties.sort_by_key(|(name, _)| *name);
        properties
    }

    /// The shape of the keys of a map that it has no names for.
    pub(super) fn rest(self) -> Option<Self> {
        self.keyword("additionalProperties").filter(|rest| rest.is_object()).map(Self::of)
    }

    /// The shape of a key of a map.
    pub(super) fn property(self, key: &str) -> Option<Self> {
        self.keyword("properties").and_then(|properties| properties.get(key)).map(Self::of)
    }

    /// The keys that a map must have.
    pub(super) fn required(self) -> Vec<&'static str> {
        let required = self.keyword("required").and_then(Value::as_array);
        required.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The shape of the items of a list.
    pub(super) fn items(self) -> Option<Self> {
        self.keyword("items").map(Self::of)
    }

    /// A bound: `minimum`, `maximum`, `minItems`, `maxItems` or `minLength`.
    pub(super) fn bound(self, name: &str) -> Option<i128> {
        self.keyword(name).and_then(Value::as_i64).map(i128::from)
    }
}
