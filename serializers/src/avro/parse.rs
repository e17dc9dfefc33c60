//! The JSON of a schema, read and checked.

use std::collections::{HashMap, HashSet};

use arrow_schema::TimeUnit;
use serde_json::{Map, Value};

use super::{
    default::Defaults,
    names::{is_legal, is_legal_path},
    schema::{Definition, Field, Logical, Named, Plain, Schema, Type},
    text,
};
use crate::shape::{DEPTH_MAX, PlanError};

/// How deep a schema may be nested: a column of [`DEPTH_MAX`] levels has a union around each.
const NESTED_MAX: usize = 2 * DEPTH_MAX + 2;

/// How deep its JSON may be nested: a record in a union is an array, an object, an array and an
/// object deeper. Reading it recurses.
const JSON_NESTED_MAX: usize = 4 * DEPTH_MAX + 4;

type Parsed<T> = Result<T, PlanError>;

impl Schema {
    /// Reads the text of an `.avsc` file.
    pub(super) fn parse(json: &str) -> Parsed<Self> {
        let mut parser = Parser::default();
        if text::depth(json) > JSON_NESTED_MAX {
            let reason = format!("its JSON is nested deeper than {JSON_NESTED_MAX} levels");
            return Err(parser.invalid(reason));
        }
        let json =
            text::read(json).map_err(|error| parser.invalid(format!("it is not JSON: {error}")))?;
        let root = parser.schema(&json, None, 0)?;
        let Type::Named(root) = root else {
            return Err(parser.invalid("a row is a record, so the top level must be one"));
        };
        if !matches!(parser.named[root].definition, Definition::Record(_)) {
            return Err(parser.invalid("a row is a record, so the top level must be one"));
        }
        let mut schema = Self { named: parser.named, root };
        schema.write_defaults()?;
        Ok(schema)
    }

    /// Writes every default as a value of its field. Only now are all types known.
    fn write_defaults(&mut self) -> Parsed<()> {
        let mut defaults = Defaults::new(self);
        let mut written = Vec::new();
        for (number, Named { name, .. }) in self.named.iter().enumerate() {
            for (at, field) in self.fields(number).iter().enumerate() {
                let Some(value) = &field.default else { continue };
                let bytes = defaults.write(&field.of, value).map_err(|reason| {
                    let at = format!("{name}.{}.default", field.name);
                    PlanError::AvroSchemaInvalid { at, reason }
                })?;
                written.push((number, at, bytes));
            }
        }
        for (number, at, bytes) in written {
            if let Definition::Record(fields) = &mut self.named[number].definition {
                fields[at].default_bytes = Some(bytes.into());
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Parser {
    named: Vec<Named>,
    by_name: HashMap<String, usize>,
    /// Where we are: `fields[2].type.items`.
    path: String,
}

impl Parser {
    fn invalid(&self, reason: impl Into<String>) -> PlanError {
        let at = if self.path.is_empty() { "the top level" } else { &self.path };
        PlanError::AvroSchemaInvalid { at: at.to_owned(), reason: reason.into() }
    }

    fn below<T>(&mut self, step: &str, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let len = self.path.len();
        if len > 0 && !step.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(step);
        let parsed = parse(self)?;
        self.path.truncate(len);
        Ok(parsed)
    }

    /// A schema in any of its three forms: a name, an object, a union.
    fn schema(&mut self, json: &Value, namespace: Option<&str>, depth: usize) -> Parsed<Type> {
        if depth >= NESTED_MAX {
            return Err(self.invalid(format!("it is nested deeper than {NESTED_MAX} levels")));
        }
        match json {
            Value::String(name) => self.reference(name, namespace),
            Value::Array(branches) => self.union(branches, namespace, depth),
            Value::Object(object) => match object.get("type") {
                Some(Value::String(name)) => self.object(name, object, namespace, depth),
                Some(nested) => self.below("type", |p| p.schema(nested, namespace, depth + 1)),
                None => Err(self.invalid("it has no `type`")),
            },
            _ => Err(self.invalid("a type must be a name, an object or a list of types")),
        }
    }

    fn reference(&self, name: &str, namespace: Option<&str>) -> Parsed<Type> {
        if let Some(plain) = Plain::from_name(name) {
            return Ok(Type::Plain(plain, None));
        }
        // A name without dots is of the namespace around it, even if there is none of that name.
        let full = match namespace {
            Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
            _ => name.to_owned(),
        };
        let number = self.by_name.get(&full);
        let reason = || self.invalid(format!("`{full}` is no type, nor a name defined before"));
        number.map(|&number| Type::Named(number)).ok_or_else(reason)
    }

    fn union(&mut self, of: &[Value], namespace: Option<&str>, depth: usize) -> Parsed<Type> {
        let mut branches = Vec::with_capacity(of.len());
        for (at, branch) in of.iter().enumerate() {
            let branch = self.below(&format!("[{at}]"), |parser| {
                let branch = parser.schema(branch, namespace, depth + 1)?;
                let same = |other: &Type| match (other, &branch) {
                    (Type::Plain(a, _), Type::Plain(b, _)) => a == b,
                    (Type::Array(_), Type::Array(_)) | (Type::Map(_), Type::Map(_)) => true,
                    (Type::Named(a), Type::Named(b)) => a == b,
                    _ => false,
                };
                if matches!(branch, Type::Union(_)) {
                    return Err(parser.invalid("a union must not hold a union"));
                }
                if branches.iter().any(same) {
                    return Err(parser.invalid("the union holds this type already"));
                }
                Ok(branch)
            })?;
            branches.push(branch);
        }
        if branches.is_empty() || branches.len() > UNION_BRANCHES_MAX {
            let reason = format!("a union holds 1 to {UNION_BRANCHES_MAX} types");
            return Err(self.invalid(reason));
        }
        Ok(Type::Union(branches))
    }

    fn object(
        &mut self,
        of: &str,
        object: &Map<String, Value>,
        namespace: Option<&str>,
        depth: usize,
    ) -> Parsed<Type> {
        let part = |parser: &mut Self, key: &str| match object.get(key) {
            Some(part) => parser.below(key, |p| p.schema(part, namespace, depth + 1)).map(Box::new),
            None => Err(parser.invalid(format!("it has no `{key}`"))),
        };
        match of {
            "array" => Ok(Type::Array(part(self, "items")?)),
            "map" => Ok(Type::Map(part(self, "values")?)),
            "record" => self.record(object, namespace, depth),
            "enum" => self.symbols(object, namespace),
            "fixed" => self.fixed(object, namespace),
            name => match (Plain::from_name(name), self.reference(name, namespace)?) {
                (Some(plain), _) => Ok(Type::Plain(plain, self.logical(object, Some(plain), 0)?)),
                (None, reference) => Ok(reference),
            },
        }
    }

    /// Enters a named type; returns its number and the namespace of what is in it.
    fn define(
        &mut self,
        object: &Map<String, Value>,
        namespace: Option<&str>,
        definition: Definition,
    ) -> Parsed<(usize, Option<String>)> {
        let Some(name) = object.get("name").and_then(Value::as_str) else {
            return Err(self.invalid("it has no `name`"));
        };
        let own = self.text(object, "namespace")?;
        let full = match own.or(namespace).filter(|namespace| !namespace.is_empty()) {
            Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
            _ => name.to_owned(),
        };
        if Plain::from_name(&full).is_some() {
            return Err(self.invalid(format!("`{full}` is a type of Avro's: choose another name")));
        }
        if !is_legal_path(&full) {
            let rule = "parts of A-Z, a-z, 0-9 and _, not beginning with a digit";
            return Err(self.invalid(format!("`{full}` is no legal name: {rule}")));
        }
        let number = self.named.len();
        if self.by_name.insert(full.clone(), number).is_some() {
            return Err(self.invalid(format!("`{full}` is defined twice")));
        }
        let inner = full.rsplit_once('.').map(|(namespace, _)| namespace.to_owned());
        self.named.push(Named { name: full, definition });
        Ok((number, inner))
    }

    fn record(
        &mut self,
        object: &Map<String, Value>,
        namespace: Option<&str>,
        depth: usize,
    ) -> Parsed<Type> {
        // Defined before its fields are read: they may refer to it.
        let (number, namespace) = self.define(object, namespace, Definition::Record(Vec::new()))?;
        let Some(list) = object.get("fields").and_then(Value::as_array) else {
            return Err(self.invalid("it has no list of `fields`"));
        };
        let mut fields = Vec::with_capacity(list.len());
        let mut seen = HashSet::new();
        for (at, field) in list.iter().enumerate() {
            let field = self.below(&format!("fields[{at}]"), |parser| {
                let field = parser.field(field, namespace.as_deref(), depth)?;
                if !seen.insert(field.name.clone()) {
                    return Err(parser.invalid(format!("`{}` is defined twice", field.name)));
                }
                Ok(field)
            })?;
            fields.push(field);
        }
        self.named[number].definition = Definition::Record(fields);
        Ok(Type::Named(number))
    }

    fn field(&mut self, json: &Value, namespace: Option<&str>, depth: usize) -> Parsed<Field> {
        let Some((object, name)) =
            json.as_object().and_then(|object| Some((object, object.get("name")?.as_str()?)))
        else {
            return Err(self.invalid("it has no `name`"));
        };
        if !is_legal(name) {
            return Err(self.invalid(format!("`{name}` is no legal name")));
        }
        let Some(of) = object.get("type") else {
            return Err(self.invalid(format!("field `{name}` has no `type`")));
        };
        let aliases = self.strings(object.get("aliases"), "aliases")?;
        let of = self.below("type", |parser| parser.schema(of, namespace, depth + 1))?;
        let arrow_name = self.text(object, "arrowName")?.map(str::to_owned);
        let default = object.get("default").cloned();
        let name = name.to_owned();
        Ok(Field { name, aliases, arrow_name, of, default, default_bytes: None })
    }

    fn symbols(&mut self, of: &Map<String, Value>, namespace: Option<&str>) -> Parsed<Type> {
        let Some(symbols) = of.get("symbols") else {
            return Err(self.invalid("it has no `symbols`"));
        };
        let symbols = self.strings(Some(symbols), "symbols")?;
        let mut seen = HashSet::new();
        if let Some(symbol) = symbols.iter().find(|s| !is_legal(s) || !seen.insert(s.as_str())) {
            return Err(self.invalid(format!("symbol `{symbol}` is not legal or occurs twice")));
        }
        if let Some(default) = of.get("default")
            && symbols.iter().all(|symbol| Some(symbol.as_str()) != default.as_str())
        {
            return Err(self.invalid(format!("the default {default} is none of the symbols")));
        }
        let (number, _) = self.define(of, namespace, Definition::Enum(symbols))?;
        Ok(Type::Named(number))
    }

    fn fixed(&mut self, of: &Map<String, Value>, namespace: Option<&str>) -> Parsed<Type> {
        let size = of.get("size").and_then(Value::as_u64).filter(|&size| size <= FIXED_BYTES_MAX);
        let Some(size) = size else {
            return Err(self.invalid(format!("it has no `size` of 0 to {FIXED_BYTES_MAX}")));
        };
        let size = size as usize;
        let logical = self.logical(of, None, size)?;
        let (number, _) = self.define(of, namespace, Definition::Fixed(size, logical))?;
        Ok(Type::Named(number))
    }

    /// The text of an attribute. Null is as good as none.
    fn text<'a>(&self, object: &'a Map<String, Value>, key: &str) -> Parsed<Option<&'a str>> {
        match object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.invalid(format!("`{key}` must be a string"))),
        }
    }

    fn strings(&self, list: Option<&Value>, key: &str) -> Parsed<Vec<String>> {
        let text = |item: &Value| item.as_str().map(str::to_owned);
        let strings = match list {
            None => Some(Vec::new()),
            Some(list) => list.as_array().and_then(|list| list.iter().map(text).collect()),
        };
        strings.ok_or_else(|| self.invalid(format!("`{key}` must be a list of strings")))
    }

    /// The logical type of a plain type, or of a fixed one of `size` bytes. One that is unknown, or
    /// on another type than its own, does not count.
    fn logical(
        &self,
        object: &Map<String, Value>,
        on: Option<Plain>,
        size: usize,
    ) -> Parsed<Option<Logical>> {
        use TimeUnit::{Microsecond, Millisecond, Nanosecond};
        let timestamp = |unit, local| Some(Logical::Timestamp { unit, local });
        let name = object.get("logicalType").and_then(Value::as_str);
        Ok(match (name.unwrap_or_default(), on) {
            ("decimal", Some(Plain::Bytes) | None) => Some(self.decimal(object, on, size)?),
            ("uuid", Some(Plain::String)) => Some(Logical::Uuid),
            ("uuid", None) if size == 16 => Some(Logical::Uuid),
            ("date", Some(Plain::Int)) => Some(Logical::Date),
            ("time-millis", Some(Plain::Int)) => Some(Logical::TimeMillis),
            ("time-micros", Some(Plain::Long)) => Some(Logical::TimeMicros),
            ("timestamp-millis", Some(Plain::Long)) => timestamp(Millisecond, false),
            ("timestamp-micros", Some(Plain::Long)) => timestamp(Microsecond, false),
            ("timestamp-nanos", Some(Plain::Long)) => timestamp(Nanosecond, false),
            ("local-timestamp-millis", Some(Plain::Long)) => timestamp(Millisecond, true),
            ("local-timestamp-micros", Some(Plain::Long)) => timestamp(Microsecond, true),
            ("local-timestamp-nanos", Some(Plain::Long)) => timestamp(Nanosecond, true),
            _ => None,
        })
    }

    fn decimal(
        &self,
        object: &Map<String, Value>,
        on: Option<Plain>,
        size: usize,
    ) -> Parsed<Logical> {
        let number = |key: &str| match object.get(key) {
            None => Some(0),
            Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        match (number("precision"), number("scale")) {
            (Some(precision @ 1..), Some(scale)) if scale <= precision => {
                // What a signed integer of so many bytes holds whatever its digits are.
                let digits = ((8.0 * size as f64 - 1.0) * std::f64::consts::LOG10_2).floor();
                if on.is_none() && f64::from(precision) > digits {
                    let reason = format!("{size} bytes cannot hold {precision} digits");
                    return Err(self.invalid(reason));
                }
                Ok(Logical::Decimal { precision, scale })
            }
            _ => Err(self.invalid(
                "a decimal needs a `precision` of at least 1 and a `scale` that is not larger",
            )),
        }
    }
}

/// Branches whose number is written in two bytes at most.
const UNION_BRANCHES_MAX: usize = 1 << 13;

/// The specification names no limit. Such a value is repeated in every row.
const FIXED_BYTES_MAX: u64 = 1 << 30;
