//! Decodes JSON lines: values go from the text straight into their columns.
//!
//! One object a line, its keys the columns in any order; a key that is missing is a null. Lines
//! stand for themselves: one that is not JSON is a bad row, and the others go on.

use std::collections::HashMap;
use std::fmt;

use arrow_schema::SchemaRef;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::build::{Column, OpenList};
use super::fault::{Taken, Trouble, code, excerpt};
use super::plan::{Kind, Plan};
use super::scalar::{self, Scalar};
use super::table::{Context, Table};
use super::{DecodeError, Decoded, Limits};

/// Deepest nesting of a JSON value, as serde_json has it for the values that it parses.
const DEPTH_MAX: usize = 128;

/// Decodes the rows of JSON lines; blank lines are no rows.
pub(super) fn decode(
    root: &Plan,
    schema: &SchemaRef,
    bytes: &Bytes,
    limits: &Limits,
    named_max: usize,
) -> Result<Decoded, DecodeError> {
    let mut table = Table::new(root, lines(bytes).count(), limits, named_max)?;
    for line in lines(bytes) {
        table.take(|root, context| take_line(root, line, context))?;
    }
    table.finish(schema)
}

/// The rows: all lines that are not blank.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
}

fn take_line(root: &mut Column<'_>, line: &[u8], context: &mut Context) -> Taken {
    // A row is an object; that it lacks a value is no fault of a column.
    if line.trim_ascii() == b"null" {
        return Err(scalar::mismatch("null", root.plan, context));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let mut state = Line { context, trouble: None };
    let seed = Seed { column: root, line: &mut state };
    let parsed = seed.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (parsed, state.trouble) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(trouble)) => Err(trouble),
        (Err(error), None) => Err(context.fault(code::INVALID_JSON, || {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            format!("the line is not valid JSON: {what}, at byte {} of the line", error.column())
        })),
    }
}

/// What the visitors of a line share.
struct Line<'c> {
    context: &'c mut Context,
    /// What is wrong with the row, if it is valid JSON: serde's error cannot carry it.
    trouble: Option<Trouble>,
}

impl Line<'_> {
    fn settle<E: Error>(&mut self, taken: Taken) -> Result<(), E> {
        taken.map_err(|trouble| {
            self.trouble = Some(trouble);
            E::custom("bad row")
        })
    }

    fn stop<T, E: Error>(&mut self, trouble: Trouble) -> Result<T, E> {
        self.trouble = Some(trouble);
        Err(E::custom("bad row"))
    }

    /// Adds a step to the way to what is wrong.
    fn step(&mut self, step: impl FnOnce(Trouble) -> Trouble) {
        self.trouble = self.trouble.take().map(step);
    }
}

/// Takes one JSON value into a column.
struct Seed<'a, 'c, 'p> {
    column: &'a mut Column<'p>,
    line: &'a mut Line<'c>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.column.plan.plain().kind {
            Kind::Json => {
                let raw = <&RawValue>::deserialize(deserializer)?;
                let taken = take_json(self.column, raw.get(), self.line.context);
                self.line.settle(taken)
            }
            Kind::Decimal { .. } => {
                let raw = <&RawValue>::deserialize(deserializer)?;
                let taken = take_decimal(self.column, raw.get(), self.line.context);
                self.line.settle(taken)
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl Seed<'_, '_, '_> {
    fn take<E: Error>(self, scalar: Scalar<'_>) -> Result<(), E> {
        let taken = scalar::take(self.column, scalar, self.line.context);
        self.line.settle(taken)
    }

    fn mismatch<E: Error>(self, came: &str) -> Result<(), E> {
        let trouble = scalar::mismatch(came, self.column.plan, self.line.context);
        self.line.stop(trouble)
    }

    fn is_float(&self) -> bool {
        matches!(self.column.plan.plain().kind, Kind::Float { .. })
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.take(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        if self.is_float() {
            return self.take(Scalar::Float(value as f64));
        }
        self.take(Scalar::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        if self.is_float() {
            return self.take(Scalar::Float(value as f64));
        }
        self.take(Scalar::UInt(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
        let integers = matches!(self.column.plan.plain().kind, Kind::Int(_) | Kind::Time { .. });
        if integers && value == 0.0 && value.is_sign_negative() {
            return self.take(Scalar::Int(0)); // serde_json reads the integer `-0` as a float
        }
        if integers && value.abs() >= TWO_TO_63 {
            let trouble = self.line.context.fault(code::OUT_OF_RANGE, || {
                format!("{value:e} does not fit the type {}", self.column.plan.plain().data_type)
            });
            return self.line.stop(trouble);
        }
        self.take(Scalar::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        match self.column.plan.plain().kind {
            Kind::Float { .. } => match value {
                "NaN" => self.take(Scalar::Float(f64::NAN)),
                "Infinity" => self.take(Scalar::Float(f64::INFINITY)),
                "-Infinity" => self.take(Scalar::Float(f64::NEG_INFINITY)),
                _ => self.mismatch("a text"),
            },
            Kind::Binary | Kind::FixedBinary { .. } => {
                let taken = scalar::take_base64(self.column, value, self.line.context);
                self.line.settle(taken)
            }
            _ => self.take(Scalar::Text(value)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        let taken = self.column.null(self.line.context);
        self.line.settle(taken)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Some(mut list) = self.column.list() else {
            return self.mismatch("an array");
        };
        let line = &mut *self.line;
        while let Some(()) = elements.next_element_seed(Element { list: &mut list, line })? {}
        let taken = self.column.close(self.line.context);
        self.line.settle(taken)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        match &self.column.plan.kind {
            Kind::Record { fields, lookup } => take_object(self, fields, lookup, entries),
            Kind::Map { key, value } => {
                let bytes = key.slot_bytes.saturating_add(value.slot_bytes);
                take_map(self, bytes, entries)
            }
            _ => self.mismatch("an object"),
        }
    }
}

/// Takes one JSON value into a list.
struct Element<'a, 'c, 'l, 'p> {
    list: &'a mut OpenList<'l, 'p>,
    line: &'a mut Line<'c>,
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { list, line } = self;
        match list.next(line.context) {
            Ok((column, index)) => Seed { column, line }
                .deserialize(deserializer)
                .inspect_err(|_| line.step(|trouble| trouble.in_item(index))),
            Err(trouble) => line.stop(trouble),
        }
    }
}

/// Takes the keys of an object as the fields of a record.
fn take_object<'de, A: MapAccess<'de>>(
    seed: Seed<'_, '_, '_>,
    plans: &[Plan],
    lookup: &HashMap<String, usize>,
    mut entries: A,
) -> Result<(), A::Error> {
    let Seed { column, line } = seed;
    let row = column.len();
    let fields = column.record().expect("a record has fields");
    let mut guess = 0;
    while let Some(index) =
        entries.next_key_seed(FieldKey { plans, lookup, guess, line: &mut *line })?
    {
        let (field, name) = (&mut fields[index], &plans[index].name);
        if field.len() > row {
            let fault = line
                .context
                .fault(code::DUPLICATE_COLUMN, || "the key stands twice in its object".to_owned());
            return line.stop(fault.in_field(name));
        }
        entries.next_value_seed(Seed { column: field, line: &mut *line }).inspect_err(|_| {
            line.step(|trouble| trouble.in_field(name));
        })?;
        guess = index + 1;
    }
    for field in fields.iter_mut().filter(|field| field.len() == row) {
        if field.plan.required {
            let fault = line.context.fault(code::NULL_IN_REQUIRED, || {
                "the key is missing, but the column is required".to_owned()
            });
            return line.stop(fault.in_field(&field.plan.name));
        }
        let taken = field.null(line.context);
        line.settle(taken)?;
    }
    let taken = column.close(line.context);
    line.settle(taken)
}

/// Takes the keys and values of an object as the entries of a map.
fn take_map<'de, A: MapAccess<'de>>(
    seed: Seed<'_, '_, '_>,
    entry_bytes: usize,
    mut entries: A,
) -> Result<(), A::Error> {
    let Seed { column, line } = seed;
    let (keys, values) = column.map().expect("a map has keys and values");
    let (key_name, name) = (&keys.plan.name, &values.plan.name);
    let mut index = 0;
    while let Some(()) =
        entries.next_key_seed(MapKey { keys, entry_bytes, line: &mut *line }).inspect_err(|_| {
            line.step(|trouble| trouble.in_field(key_name).in_item(index));
        })?
    {
        entries.next_value_seed(Seed { column: values, line: &mut *line }).inspect_err(|_| {
            line.step(|trouble| trouble.in_field(name).in_item(index));
        })?;
        index += 1;
    }
    let taken = column.close(line.context);
    line.settle(taken)
}

/// Finds the field of a key; `guess` is tried first, since most writers keep the order.
struct FieldKey<'a, 'c> {
    plans: &'a [Plan],
    lookup: &'a HashMap<String, usize>,
    guess: usize,
    line: &'a mut Line<'c>,
}

impl<'de> DeserializeSeed<'de> for FieldKey<'_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for FieldKey<'_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<usize, E> {
        if self.plans.get(self.guess).is_some_and(|plan| plan.name == key) {
            return Ok(self.guess);
        }
        if let Some(index) = self.lookup.get(key) {
            return Ok(*index);
        }
        let fault = self.line.context.fault(code::UNKNOWN_COLUMN, || {
            let near = nearest(key, self.plans);
            format!("there is no such column; the nearest name is `{near}`")
        });
        self.line.stop(fault.in_field(&excerpt(key)))
    }
}

fn nearest<'p>(key: &str, plans: &'p [Plan]) -> &'p str {
    // Names can be long, and the cost is the product of both lengths.
    let key = excerpt(key);
    let distance = |plan: &&Plan| strsim::osa_distance(&key, &excerpt(&plan.name));
    plans.iter().min_by_key(distance).map_or("", |plan| &plan.name)
}

/// Takes a key of a map.
struct MapKey<'a, 'c, 'p> {
    keys: &'a mut Column<'p>,
    entry_bytes: usize,
    line: &'a mut Line<'c>,
}

impl<'de> DeserializeSeed<'de> for MapKey<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for MapKey<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        let charged = self.line.context.charge(self.entry_bytes);
        self.line.settle(charged)?;
        let taken = scalar::take_key(self.keys, key, self.line.context);
        self.line.settle(taken)
    }
}

/// Takes any JSON value as its text.
fn take_json(column: &mut Column<'_>, json: &str, context: &mut Context) -> Taken {
    if json == "null" {
        return column.null(context);
    }
    if nests_deeper(json, DEPTH_MAX) {
        return Err(context
            .fault(code::INVALID_JSON, || format!("the value nests deeper than {DEPTH_MAX}")));
    }
    scalar::take(column, Scalar::Text(json), context)
}

/// Takes the text of a JSON number, or of a number in a JSON text, digit for digit.
fn take_decimal(column: &mut Column<'_>, json: &str, context: &mut Context) -> Taken {
    let came = match json.as_bytes() {
        [b'-' | b'0'..=b'9', ..] => return scalar::take(column, Scalar::Text(json), context),
        [b'"', ..] => match serde_json::from_str::<String>(json) {
            Ok(text) => return scalar::take(column, Scalar::Text(&text), context),
            Err(_) => "a text with invalid escapes",
        },
        [b'n', ..] => return column.null(context),
        [b'[', ..] => "an array",
        [b'{', ..] => "an object",
        _ => "a boolean",
    };
    Err(scalar::mismatch(came, column.plan, context))
}

/// True if the valid JSON text has more than `depth_max` arrays and objects inside each other.
fn nests_deeper(json: &str, depth_max: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            b']' | b'}' if !in_text => depth -= 1,
            _ => {}
        }
    }
    false
}
