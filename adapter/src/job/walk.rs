//! The walk of the file's tree along its schema: what is unknown, missing or of the wrong type.
//!
//! What is right comes back as JSON for serde; what is wrong is reported and left out, so that the
//! rest can still be checked.

mod reference;

use std::collections::HashMap;

use serde_json::{Map, Value};

pub(super) use self::reference::hides_wrong;
use self::reference::is_reference;
use super::{
    collect::Collector,
    foreign, places,
    schema::Shape,
    settings,
    tree::{Node, Tree, join},
    unserved, words,
};

/// Keys whose value says what kind of thing their map describes, and so what else may stand in it.
pub(super) const DECIDING_KEYS: [&str; 3] = ["type", "strategy", "mechanism"];

/// Checks the whole file.
pub(super) fn walk(root: &Node, faults: &mut Collector) -> Option<Value> {
    Walk { faults }.value(root, Shape::root())
}

struct Walk<'a> {
    faults: &'a mut Collector,
}

impl Walk<'_> {
    fn value(&mut self, node: &Node, shape: Shape) -> Option<Value> {
        let types = shape.types();
        let takes_text = types.contains(&"string");
        if is_reference(shape) && (!takes_text || matches!(node.value, Tree::Map(_))) {
            return self.reference(node, shape);
        }
        match &node.value {
            Tree::Text(text) if takes_text => self.text(node, text, shape),
            Tree::Bool(value) if types.contains(&"boolean") => Some(Value::Bool(*value)),
            Tree::Integer(value) if types.iter().any(|t| matches!(*t, "integer" | "number")) => {
                self.integer(node, *value, shape)
            }
            Tree::Float(value) if types.contains(&"number") => {
                serde_json::Number::from_f64(*value).map(Value::Number).or_else(|| {
                    self.wrong_type(node, shape);
                    None
                })
            }
            Tree::List(items) if types.contains(&"array") => self.list(node, items, shape),
            Tree::Map(entries) if types.contains(&"object") => self.map(node, entries, shape),
            // A bare `Null` is nothing for YAML. Where nothing is written at all, a value was
            // forgotten.
            Tree::Null if node.is_written() && shape.takes_null() => Some(Value::from("Null")),
            Tree::Null => {
                self.nothing(node, shape);
                None
            }
            Tree::Bool(_)
            | Tree::Integer(_)
            | Tree::Float(_)
            | Tree::Text(_)
            | Tree::List(_)
            | Tree::Map(_) => {
                self.wrong_type(node, shape);
                None
            }
        }
    }

    fn text(&mut self, node: &Node, text: &str, shape: Shape) -> Option<Value> {
        let Some(choices) = shape.choices() else {
            let shape = alternative(shape, "string");
            if text.is_empty() && shape.bound("minLength").is_some_and(|min| min > 0) {
                let message = format!("`{}` is empty", node.name);
                self.faults.add("INVALID_VALUE", node.mark, &node.path, message, "write some text");
                return None;
            }
            return Some(Value::from(text));
        };
        if choices.contains(&text) {
            return Some(Value::from(text));
        }
        if unserved::value(&node.path, text) {
            self.unserved_value(node, text, &choices);
            return None;
        }
        let message = match node.hidden {
            true => format!("this is not a value of `{}`", node.name),
            false => format!("`{}` is not a value of `{}`", words::excerpt(text), node.name),
        };
        let known = match choices.as_slice() {
            [only] => format!("the only value is `{only}`"),
            many => format!("the values are {}", words::list(many, "and")),
        };
        let foreign = foreign::instead(&unserved::place(&node.path), text);
        let help = match words::nearest(text, choices) {
            _ if foreign.is_some() => format!("{}; {known}", foreign.unwrap_or_default()),
            Some(near) => format!("did you mean `{near}`? {known}").replace("? the", "? The"),
            None => known,
        };
        self.faults.add("UNKNOWN_VALUE", node.mark, &node.path, message, help);
        None
    }

    fn unserved_value(&mut self, node: &Node, text: &str, choices: &[&str]) {
        let message = format!("`{}: {text}` is not served by this version", node.name);
        let help = match choices {
            [only] => format!("the only value served is `{only}`"),
            many => format!("the values served are {}", words::list(many, "and")),
        };
        self.faults.add("NOT_SERVED_YET", node.mark, &node.path, message, help);
    }

    fn integer(&mut self, node: &Node, value: i128, shape: Shape) -> Option<Value> {
        let shape = alternative(shape, "integer");
        let (min, max) = (shape.bound("minimum"), shape.bound("maximum"));
        if min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max) {
            let range = match (min, max) {
                (Some(min), Some(max)) => format!("from {min} to {max}"),
                (Some(min), None) => format!("of at least {min}"),
                (None, Some(max)) => format!("of at most {max}"),
                (None, None) => "that fits".to_owned(),
            };
            let value = if node.hidden { "a number".to_owned() } else { value.to_string() };
            let message = format!("`{}` is {value}, which is out of its range", node.name);
            let help = format!("write a whole number {range}");
            self.faults.add("OUT_OF_RANGE", node.mark, &node.path, message, help);
            return None;
        }
        let number = i64::try_from(value).map(Value::from);
        number.or_else(|_| u64::try_from(value).map(Value::from)).ok().or_else(|| {
            self.wrong_type(node, shape);
            None
        })
    }

    /// A list of maps keeps a hole for a map that is wrong, so that places go on to fit; another
    /// list falls with its first wrong item.
    fn list(&mut self, node: &Node, items: &[Node], shape: Shape) -> Option<Value> {
        let shape = alternative(shape, "array");
        let item_shape = shape.items()?;
        let of_maps = item_shape.types().contains(&"object");
        let count = items.len() as i128;
        if shape.bound("minItems").is_some_and(|min| count < min) {
            let message = format!("`{}` is empty", node.name);
            let help = match of_maps {
                true if node.path == "outputs" => {
                    "write at least one, such as `- alias: delays` and its other keys below"
                }
                true => "write at least one, or take it out",
                false => "write at least one item, each on a line of its own after `- `",
            };
            self.faults.add("OUT_OF_RANGE", node.place(), &node.path, message, help);
            return None;
        }
        if let Some(max) = shape.bound("maxItems").filter(|max| count > *max) {
            let message = format!("`{}` has {count} items, more than {max}", node.name);
            let help = "split the job into several";
            self.faults.add("OUT_OF_RANGE", node.place(), &node.path, message, help);
            return None;
        }
        let items = items.iter().map(|item| self.value(item, item_shape));
        match of_maps {
            true => Some(items.map(Option::unwrap_or_default).collect()),
            // Collected twice, since the first wrong item must not hide the others.
            false => items.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Value::Array),
        }
    }

    fn map(&mut self, node: &Node, entries: &[(String, Node)], shape: Shape) -> Option<Value> {
        let properties = shape.properties();
        let shape_of = |key: &str| properties.iter().find(|(name, _)| *name == key);
        for (key, child) in entries.iter().filter(|(key, _)| DECIDING_KEYS.contains(&key.as_str()))
        {
            if let (Some((_, shape)), Tree::Text(text)) = (shape_of(key), &child.value)
                && unserved::value(&child.path, text)
            {
                // The other keys of this map are those of a thing that is not there.
                self.unserved_value(child, text, &shape.choices().unwrap_or_default());
                return None;
            }
        }
        let mut map = Map::new();
        let mut seen: HashMap<_, &Node> = HashMap::with_capacity(entries.len());
        for (key, child) in entries {
            if let Some(first) = seen.get(key) {
                self.duplicate(child, first);
                continue;
            }
            seen.insert(key, child);
            match shape_of(key) {
                Some((_, shape)) => {
                    if let Some(value) = self.value(child, *shape) {
                        map.insert(key.clone(), value);
                    }
                }
                None if shape.rest().is_some() => {
                    if let Some(value) = shape.rest().and_then(|rest| self.value(child, rest)) {
                        map.insert(key.clone(), value);
                    }
                }
                None => {
                    let known = properties.iter().map(|(name, _)| *name).collect::<Vec<_>>();
                    self.unknown_key(node, key, child, &known, shape);
                }
            }
        }
        for key in shape.required() {
            let path = join(&node.path, key);
            if node.get(key).is_none() && !self.faults.is_meant(&path) {
                let example = shape_of(key).and_then(|(_, shape)| shape.example());
                let example = example.map_or("…".to_owned(), plain);
                let message = format!("{} has no `{key}`", whole(node));
                let help = match key {
                    "outputs" => "add `outputs:` and below it at least one output".to_owned(),
                    _ => format!("add `{key}: {example}`"),
                };
                self.faults.add("MISSING_KEY", node.place(), &path, message, help);
            }
        }
        Some(Value::Object(map))
    }

    fn duplicate(&mut self, node: &Node, first: &Node) {
        let line = first.key.unwrap_or(first.mark).line;
        let message = format!("`{}` is given twice", node.name);
        let help = format!("it is already on line {line}; take one of the two out");
        let mark = node.key.unwrap_or(node.mark);
        self.faults.add("DUPLICATE_KEY", mark, &node.path, message, help);
    }

    fn unknown_key(
        &mut self,
        map: &Node,
        key: &str,
        node: &Node,
        known: &[&'static str],
        shape: Shape,
    ) {
        let mark = node.key.unwrap_or(node.mark);
        if unserved::key(&node.path) {
            if places::of(key).is_some_and(|places| places.hold_references) {
                self.faults.hide(node);
            }
            let message = format!("`{}` is not served by this version", node.name);
            let help = "take it out: a key without effect is refused rather than ignored";
            self.faults.add("NOT_SERVED_YET", mark, &node.path, message, help);
            return;
        }
        if shape.is("Librdkafka") {
            self.faults.hide(node);
            let message = format!("`{}` may not be set under `librdkafka`", node.name);
            let help = settings::instead(key);
            self.faults.add("SETTING_NOT_ALLOWED", mark, &node.path, message, help);
            return;
        }
        let message = match node.name == key {
            true => format!("`{}` is not a key of {}", node.name, whole(map)),
            false => format!("this is not a key of {}", whole(map)),
        };
        let help = self.help_for_unknown_key(map, key, node, known, shape);
        let help = help.unwrap_or_else(|| {
            self.faults.hide(node);
            match known {
                [only] => format!("the only key here is `{only}`"),
                many => format!("the keys here are {}", words::list(many, "and")),
            }
        });
        self.faults.add("UNKNOWN_KEY", mark, &node.path, message, help);
    }

    /// What to do about an unknown key, if it is like a known one.
    fn help_for_unknown_key(
        &mut self,
        map: &Node,
        key: &str,
        node: &Node,
        known: &[&'static str],
        shape: Shape,
    ) -> Option<String> {
        if let Some(places) = places::of(key) {
            if places.hold_references {
                self.faults.hide(node);
            }
            return Some(format!("its place is {}", places.words));
        }
        if let Some(inner) = dotted(shape, key) {
            if hides_wrong(inner) {
                self.faults.hide(node);
            }
            let (first, rest) = key.split_once('.').unwrap_or((key, ""));
            self.faults.meant(join(&map.path, first));
            return Some(format!("write it as a map: `{first}: {}`", nested(rest)));
        }
        if let Some(near) = words::nearest(key, known.iter().copied()) {
            if shape.property(near).is_some_and(hides_wrong) {
                self.faults.hide(node);
            }
            self.faults.meant(join(&map.path, near));
            return Some(format!("did you mean `{near}`?"));
        }
        settings::misplaced(key)
    }

    fn nothing(&mut self, node: &Node, shape: Shape) {
        let name = &node.name;
        let message = format!("`{name}` has no value");
        let help = match (shape.types().as_slice(), shape.example()) {
            (["string"], _) if node.is_written() => {
                "put quotes around it: YAML reads this word as nothing".to_owned()
            }
            (["object"], _) => format!("write its keys below it, indented, or take `{name}` out"),
            (["array"], _) => format!("write its items below it, or take `{name}` out"),
            (_, Some(example)) => format!("write `{name}: {}`, or another value", plain(example)),
            (_, None) => format!("write a value, or take `{name}` out"),
        };
        self.faults.add("WRONG_TYPE", node.place(), &node.path, message, help);
    }

    fn wrong_type(&mut self, node: &Node, shape: Shape) {
        let types = shape.types();
        let (expected, by_type) = match types.as_slice() {
            ["object"] => ("a map", "write its keys below it, indented"),
            ["array"] => ("a list", "write each item below it, after `- `"),
            ["boolean"] => ("`true` or `false`", "write `true` or `false`, without quotes"),
            ["integer"] => ("a whole number", "write digits, without quotes and without a unit"),
            ["string"] => ("text", "put quotes around it, so that YAML takes it for text"),
            _ => ("text, a number or a boolean", "write one value"),
        };
        let expected = shape.title().filter(|_| !node.path.is_empty()).unwrap_or(expected);
        let scalar = !matches!(node.value, Tree::List(_) | Tree::Map(_));
        let help = match shape.example() {
            Some(example) if shape.title().is_some() || !scalar || shape.choices().is_some() => {
                format!("write `{}: {}`", node.name, plain(example))
            }
            _ if node.path.is_empty() => "begin with `name:` and `outputs:`".to_owned(),
            _ => by_type.to_owned(),
        };
        let message = format!("{} must be {expected}, but is {}", whole(node), found(node));
        self.faults.add("WRONG_TYPE", node.place(), &node.path, message, help);
    }
}

/// The one of several shapes that has this type.
fn alternative(shape: Shape, type_name: &str) -> Shape {
    let fits = |shape: &Shape| shape.types().contains(&type_name);
    shape.alternatives().into_iter().find(fits).unwrap_or(shape)
}

/// What a path with dots, written as one key, leads to.
fn dotted(shape: Shape, key: &str) -> Option<Shape> {
    let inner = |shape: Shape, part: &str| alternative(shape, "object").property(part);
    key.contains('.').then(|| key.split('.').try_fold(shape, inner))?
}

/// `{ token: { scope: … } }`.
fn nested(path: &str) -> String {
    match path.split_once('.') {
        Some((first, rest)) => format!("{{ {first}: {} }}", nested(rest)),
        None => format!("{{ {path}: … }}"),
    }
}

/// What a value is called in a sentence.
fn whole(node: &Node) -> String {
    match node.path.as_str() {
        "" => "the job file".to_owned(),
        _ => format!("`{}`", node.name),
    }
}

/// What a value is, with the value itself if that is short and no secret.
fn found(node: &Node) -> String {
    let kind = node.value.kind();
    match &node.value {
        _ if node.hidden => kind.to_owned(),
        Tree::Text(text) => format!("the text `{}`", words::excerpt(text)),
        Tree::Bool(value) => format!("`{value}`"),
        Tree::Integer(value) => format!("the number {value}"),
        Tree::Float(value) => format!("the number {value}"),
        Tree::Null | Tree::List(_) | Tree::Map(_) => kind.to_owned(),
    }
}

/// A JSON value as YAML writes it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{key}: {}", plain(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
