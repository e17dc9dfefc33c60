//! What rows mean, in a form that any reader can compare with: exact, as JSON.
//!
//! | value | form |
//! | --- | --- |
//! | null, booleans | `null`, `true` |
//! | integers | `"i:-1"` |
//! | floats by their bits | `"f:3ff0000000000000"`, of 32 bits `"s:3f800000"`; `"f:nan"` |
//! | decimals | `"d:150:2"`: the digits, and how many of them are behind the point |
//! | text, JSON, bytes | `"t:abc"`, `"j:[1, 2]"`, `"b:00ff"` |
//! | dates | `"D:15706"`: days since 1970-01-01 |
//! | times of day | `"c:18000000:3"`: units since midnight, of so many digits of a second |
//! | timestamps | `"p:1357016400000:3:z"`: units since 1970; `z` is UTC, `l` local |
//! | a number that is written as text | `"q"` and the number's own form |
//! | lists | `[…]` |
//! | records | `{"r": [["name", …], …]}` |
//! | maps | `{"m": [["key", …], …]}` |
//!
//! Options and types that a format lacks are reckoned in here: what is left out, cut off or
//! written out is so in this form too. Nothing here looks at what the encoder wrote.

use arrow_array::{cast::AsArray, types::*, *};
use arrow_buffer::i256;
use arrow_schema::{DataType, Field, Fields, TimeUnit};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use serializers::{Decimals, Format, Integers64, JsonOptions, NonFinite, Nulls, TimestampFormat};

/// How a format writes what it has more than one way to write.
#[derive(Clone, Debug)]
pub struct Meaning {
    is_avro: bool,
    formula_guard: bool,
    /// Those of JSON within CSV too.
    json: JsonOptions,
}

impl Meaning {
    pub fn of(format: &Format) -> Self {
        let (is_avro, formula_guard, json) = match format {
            Format::Json(options) => (false, false, options.clone()),
            Format::Csv(options) => {
                let (timestamps, non_finite) = (options.timestamps, options.non_finite);
                let json = JsonOptions { timestamps, non_finite, ..JsonOptions::default() };
                (false, options.formula_guard, json)
            }
            Format::Avro(_) => (true, false, JsonOptions::default()),
        };
        Self { is_avro, formula_guard, json }
    }

    /// A row as pairs of names and values.
    pub fn row(&self, batch: &RecordBatch, row: usize) -> Value {
        self.members(batch.schema_ref().fields(), batch.columns(), row, self.formula_guard)
    }

    /// The names of the columns as a reader sees them.
    pub fn names(&self, fields: &Fields) -> Vec<String> {
        let guard = |name: String| if self.formula_guard { guarded(&name) } else { name };
        fields.iter().map(|field| guard(self.name(field.name()))).collect()
    }

    /// The rule for names that Avro does not allow; those of these tests do not collide.
    fn name(&self, name: &str) -> String {
        if !self.is_avro {
            return name.to_owned();
        }
        let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = name.chars().map(allowed).collect();
        if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
    }

    /// Texts and bytes of columns may be guarded, but not what is within them.
    fn members(&self, fields: &Fields, columns: &[ArrayRef], row: usize, guard: bool) -> Value {
        let members = fields.iter().zip(columns).filter_map(|(field, column)| {
            let mut value = self.value(field, column, row);
            if guard && let Some(text) = guarded_value(&value, field.data_type()) {
                value = json!(format!("t:{text}"));
            }
            let left_out = value.is_null() && self.json.nulls == Nulls::Omitted;
            (!left_out).then(|| json!([self.name(field.name()), value]))
        });
        members.collect()
    }

    fn value(&self, field: &Field, array: &dyn Array, row: usize) -> Value {
        if array.is_null(row) {
            return Value::Null;
        }
        match array.data_type() {
            DataType::Null => Value::Null,
            DataType::Boolean => json!(array.as_boolean().value(row)),
            DataType::Utf8 => self.text(field, array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => self.text(field, array.as_string::<i64>().value(row)),
            DataType::Utf8View => self.text(field, array.as_string_view().value(row)),
            DataType::Binary => hex(array.as_binary::<i32>().value(row)),
            DataType::LargeBinary => hex(array.as_binary::<i64>().value(row)),
            DataType::BinaryView => hex(array.as_binary_view().value(row)),
            DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row)),
            DataType::List(item) => self.items(item, &array.as_list::<i32>().value(row)),
            DataType::LargeList(item) => self.items(item, &array.as_list::<i64>().value(row)),
            DataType::FixedSizeList(item, _) => {
                self.items(item, &array.as_fixed_size_list().value(row))
            }
            DataType::Struct(fields) => {
                json!({ "r": self.members(fields, array.as_struct().columns(), row, false) })
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(pair) = entries.data_type() else { panic!("{entries}") };
                let entries = array.as_map().value(row);
                let entry = |at| {
                    let key = self.value(&pair[0], entries.column(0), at);
                    json!([key_text(&key), self.value(&pair[1], entries.column(1), at)])
                };
                json!({ "m": (0..entries.len()).map(entry).collect::<Value>() })
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                self.value(field, dictionary.values(), dictionary.normalized_keys()[row])
            }
            of if of.is_integer() => self.integer(array, row),
            of if of.is_floating() => self.float(array, row),
            of if of.is_decimal() => self.decimal(array, row),
            _ => self.time(array, row),
        }
    }

    fn items(&self, item: &Field, list: &ArrayRef) -> Value {
        (0..list.len()).map(|at| self.value(item, list, at)).collect()
    }

    /// Avro has no JSON: there it is text.
    fn text(&self, field: &Field, text: &str) -> Value {
        let is_json = field.extension_type_name() == Some("arrow.json") && !self.is_avro;
        json!(format!("{}:{text}", if is_json { "j" } else { "t" }))
    }

    fn integer(&self, array: &dyn Array, row: usize) -> Value {
        macro_rules! value {
            ($type:ty) => {
                i128::from(array.as_primitive::<$type>().value(row))
            };
        }
        match array.data_type() {
            DataType::Int8 => json!(format!("i:{}", value!(Int8Type))),
            DataType::Int16 => json!(format!("i:{}", value!(Int16Type))),
            DataType::Int32 => json!(format!("i:{}", value!(Int32Type))),
            DataType::UInt8 => json!(format!("i:{}", value!(UInt8Type))),
            DataType::UInt16 => json!(format!("i:{}", value!(UInt16Type))),
            DataType::UInt32 => json!(format!("i:{}", value!(UInt32Type))),
            DataType::Int64 => self.wide(value!(Int64Type)),
            // No integer of Avro holds all of them.
            DataType::UInt64 if self.is_avro => json!(format!("d:{}:0", value!(UInt64Type))),
            DataType::UInt64 => self.wide(value!(UInt64Type)),
            other => panic!("{other} is no integer"),
        }
    }

    fn wide(&self, value: i128) -> Value {
        let quoted = if self.json.integers64 == Integers64::String { "q" } else { "" };
        json!(format!("{quoted}i:{value}"))
    }

    fn float(&self, array: &dyn Array, row: usize) -> Value {
        let single = match array.data_type() {
            DataType::Float16 => array.as_primitive::<Float16Type>().value(row).to_f32(),
            DataType::Float32 => array.as_primitive::<Float32Type>().value(row),
            _ => return self.double(array.as_primitive::<Float64Type>().value(row)),
        };
        match single.is_finite() {
            true => json!(format!("s:{:08x}", single.to_bits())),
            false => self.non_finite(single.into(), &format!("s:{:08x}", single.to_bits())),
        }
    }

    fn double(&self, value: f64) -> Value {
        let bits = format!("f:{:016x}", value.to_bits());
        if value.is_finite() { json!(bits) } else { self.non_finite(value, &bits) }
    }

    fn non_finite(&self, value: f64, bits: &str) -> Value {
        match self.json.non_finite {
            _ if self.is_avro && value.is_nan() => json!(format!("{}nan", &bits[..2])),
            _ if self.is_avro => json!(bits),
            NonFinite::Null => Value::Null,
            NonFinite::String if value.is_nan() => json!("t:NaN"),
            NonFinite::String if value > 0.0 => json!("t:Infinity"),
            NonFinite::String => json!("t:-Infinity"),
            NonFinite::Error => panic!("such a row is no record"),
        }
    }

    fn decimal(&self, array: &dyn Array, row: usize) -> Value {
        let (value, scale) = match *array.data_type() {
            DataType::Decimal32(_, scale) => {
                (i256::from(array.as_primitive::<Decimal32Type>().value(row)), scale)
            }
            DataType::Decimal64(_, scale) => {
                (i256::from(array.as_primitive::<Decimal64Type>().value(row)), scale)
            }
            DataType::Decimal128(_, scale) => {
                (i256::from(array.as_primitive::<Decimal128Type>().value(row)), scale)
            }
            DataType::Decimal256(_, scale) => {
                (array.as_primitive::<Decimal256Type>().value(row), scale)
            }
            ref other => panic!("{other} is no decimal"),
        };
        let quoted = if self.json.decimals == Decimals::String { "q" } else { "" };
        // No format has a negative scale.
        let zeros = if value == i256::ZERO { 0 } else { usize::from(scale.min(0).unsigned_abs()) };
        json!(format!("{quoted}d:{value}{}:{}", "0".repeat(zeros), scale.max(0)))
    }

    fn time(&self, array: &dyn Array, row: usize) -> Value {
        use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
        macro_rules! value {
            ($type:ty) => {
                i128::from(array.as_primitive::<$type>().value(row))
            };
        }
        match array.data_type() {
            DataType::Date32 => json!(format!("D:{}", value!(Date32Type))),
            DataType::Date64 => json!(format!("D:{}", value!(Date64Type) / 86_400_000)),
            DataType::Duration(Second) => self.wide(value!(DurationSecondType)),
            DataType::Duration(Millisecond) => self.wide(value!(DurationMillisecondType)),
            DataType::Duration(Microsecond) => self.wide(value!(DurationMicrosecondType)),
            DataType::Duration(Nanosecond) => self.wide(value!(DurationNanosecondType)),
            DataType::Time32(Second) if self.is_avro => {
                json!(format!("c:{}:3", value!(Time32SecondType) * 1_000))
            }
            DataType::Time32(Second) => json!(format!("c:{}:0", value!(Time32SecondType))),
            DataType::Time32(_) => json!(format!("c:{}:3", value!(Time32MillisecondType))),
            DataType::Time64(Microsecond) => {
                json!(format!("c:{}:6", value!(Time64MicrosecondType)))
            }
            // Avro has no such type.
            DataType::Time64(_) if self.is_avro => self.wide(value!(Time64NanosecondType)),
            DataType::Time64(_) => json!(format!("c:{}:9", value!(Time64NanosecondType))),
            DataType::Timestamp(unit, zone) => {
                let (value, digits) = match unit {
                    Second => (value!(TimestampSecondType), 0),
                    Millisecond => (value!(TimestampMillisecondType), 3),
                    Microsecond => (value!(TimestampMicrosecondType), 6),
                    Nanosecond => (value!(TimestampNanosecondType), 9),
                };
                self.timestamp(value, digits, if zone.is_some() { "z" } else { "l" })
            }
            other => panic!("{other} is no time"),
        }
    }

    /// A timestamp in units of so many digits of a second.
    fn timestamp(&self, value: i128, digits: u32, zone: &str) -> Value {
        // What is finer than the unit that is written is cut off, toward the past.
        let to = |to: u32| (value * 10_i128.pow(to)).div_euclid(10_i128.pow(digits));
        match self.json.timestamps {
            _ if self.is_avro && digits == 0 => json!(format!("p:{}:3:{zone}", to(3))),
            TimestampFormat::Iso => json!(format!("p:{value}:{digits}:{zone}")),
            TimestampFormat::Iso7 => json!(format!("p:{}:7:{zone}", to(7))),
            TimestampFormat::EpochSeconds => json!(format!("i:{}", to(0))),
            TimestampFormat::EpochMilliseconds => json!(format!("i:{}", to(3))),
            TimestampFormat::EpochMicroseconds => json!(format!("i:{}", to(6))),
        }
    }
}

fn is_text(of: &DataType) -> bool {
    match of {
        DataType::Dictionary(_, value) => is_text(value),
        of => matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

/// What is written for a text, or for bytes whose base64 is guarded.
fn guarded_value(value: &Value, of: &DataType) -> Option<String> {
    let (tag, text) = value.as_str()?.split_once(':')?;
    match tag {
        // What stands for NaN and the infinities is text too.
        "t" if is_text(of) => Some(guarded(text)),
        "b" => {
            let base64 = BASE64_STANDARD.encode(bytes_of(text));
            base64.starts_with('+').then(|| guarded(&base64))
        }
        _ => None,
    }
}

/// A text that spreadsheets take for no formula.
fn guarded(text: &str) -> String {
    const ASCII: [char; 8] = ['=', '+', '-', '@', '\t', '\r', '\n', '\0'];
    let formula = text.starts_with(ASCII) || text.starts_with(['＝', '＋', '－', '＠']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

/// Keys are text in every format.
fn key_text(key: &Value) -> String {
    match key {
        Value::Bool(key) => key.to_string(),
        Value::String(key) => {
            let (tag, text) = key.split_once(':').expect("a value has a tag");
            // Without the number of digits that an unsigned integer of 64 bits has in Avro.
            if tag == "d" { text.trim_end_matches(":0").to_owned() } else { text.to_owned() }
        }
        other => panic!("{other} is no key"),
    }
}

/// The bytes of an even number of hexadecimal digits.
fn bytes_of(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits a byte");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> Value {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!(format!("b:{digits}"))
}
