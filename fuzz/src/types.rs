//! Schemas in a few bytes: any bytes are some schema, and every supported type has its bytes.
//!
//! Arrow's own schema messages are large and break at the first changed byte. Here a changed byte
//! is another type, so that a fuzzer reaches every column of every carrier.

use std::{collections::HashMap, sync::Arc};

use arrow_schema::{
    DataType, Field, Fields, Schema, SchemaRef, TimeUnit, extension::EXTENSION_TYPE_NAME_KEY,
};

/// Columns of a schema, and fields of a record, at most.
const FIELDS_MAX: u8 = 8;
/// Types inside each other, at most.
const DEPTH_MAX: usize = 6;

const NULLABLE: u8 = 1;
const JSON: u8 = 2;

/// Types without parameters, by their byte.
const PLAIN: [DataType; 27] = [
    DataType::Int64,
    DataType::Utf8,
    DataType::Float64,
    DataType::Boolean,
    DataType::Null,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::UInt64,
    DataType::Float16,
    DataType::Float32,
    DataType::LargeUtf8,
    DataType::Utf8View,
    DataType::Binary,
    DataType::LargeBinary,
    DataType::BinaryView,
    DataType::Date32,
    DataType::Date64,
    DataType::Time32(TimeUnit::Second),
    DataType::Time32(TimeUnit::Millisecond),
    DataType::Time64(TimeUnit::Microsecond),
    DataType::Time64(TimeUnit::Nanosecond),
    DataType::Duration(TimeUnit::Millisecond),
    DataType::Duration(TimeUnit::Nanosecond),
];
/// The bytes of types with parameters come after those without.
const TIMESTAMP: u8 = PLAIN.len() as u8;
const DECIMAL_32: u8 = TIMESTAMP + 1;
const DECIMAL_64: u8 = TIMESTAMP + 2;
const DECIMAL_128: u8 = TIMESTAMP + 3;
const DECIMAL_256: u8 = TIMESTAMP + 4;
const FIXED_BINARY: u8 = TIMESTAMP + 5;
const RECORD: u8 = TIMESTAMP + 6;
const LIST: u8 = TIMESTAMP + 7;
const LARGE_LIST: u8 = TIMESTAMP + 8;
const FIXED_LIST: u8 = TIMESTAMP + 9;
const MAP: u8 = TIMESTAMP + 10;
const DICTIONARY: u8 = TIMESTAMP + 11;
const KINDS: u8 = TIMESTAMP + 12;

const UNITS: [TimeUnit; 4] =
    [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
const ZONES: [Option<&str>; 4] = [None, Some("UTC"), Some("+02:00"), Some("")];
const KEYS: [DataType; 8] = [
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::UInt64,
];

/// Bytes that are taken from the front; behind their end all are 0.
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()].clone()
    }

    /// A schema of at least one column.
    pub fn schema(&mut self) -> SchemaRef {
        Arc::new(Schema::new(self.fields(1, DEPTH_MAX)))
    }

    fn fields(&mut self, min: u8, depth: usize) -> Fields {
        let count = (self.byte() % (FIELDS_MAX + 1)).max(min);
        (0..count).map(|index| self.field(&name(index), depth)).collect()
    }

    fn field(&mut self, name: &str, depth: usize) -> Field {
        let flags = self.byte();
        let field = Field::new(name, self.data_type(depth), flags & NULLABLE != 0);
        if flags & JSON == 0 {
            return field;
        }
        let json = (EXTENSION_TYPE_NAME_KEY.to_owned(), "arrow.json".to_owned());
        field.with_metadata(HashMap::from([json]))
    }

    fn data_type(&mut self, depth: usize) -> DataType {
        let kind = self.byte() % KINDS;
        if let Some(plain) = PLAIN.get(usize::from(kind)) {
            return plain.clone();
        }
        match depth.checked_sub(1) {
            Some(depth) => self.type_with_parameters(kind, depth),
            None => DataType::Int8,
        }
    }

    fn type_with_parameters(&mut self, kind: u8, depth: usize) -> DataType {
        let item = |input: &mut Self| Arc::new(input.field("item", depth));
        match kind {
            DECIMAL_32 => DataType::Decimal32(self.byte(), self.byte() as i8),
            DECIMAL_64 => DataType::Decimal64(self.byte(), self.byte() as i8),
            DECIMAL_128 => DataType::Decimal128(self.byte(), self.byte() as i8),
            DECIMAL_256 => DataType::Decimal256(self.byte(), self.byte() as i8),
            TIMESTAMP => DataType::Timestamp(self.pick(&UNITS), self.pick(&ZONES).map(Arc::from)),
            FIXED_BINARY => DataType::FixedSizeBinary(i32::from(self.byte() as i8)),
            RECORD => DataType::Struct(self.fields(0, depth)),
            LIST => DataType::List(item(self)),
            LARGE_LIST => DataType::LargeList(item(self)),
            FIXED_LIST => {
                let size = i32::from(self.byte() as i8);
                DataType::FixedSizeList(item(self), size)
            }
            MAP => {
                let key = Field::new("key", self.data_type(depth), false);
                let value = self.field("value", depth);
                let entries = DataType::Struct(Fields::from(vec![key, value]));
                DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
            }
            _ => {
                let keys = self.pick(&KEYS);
                DataType::Dictionary(Box::new(keys), Box::new(self.data_type(depth)))
            }
        }
    }
}

/// Columns and fields are named after their places.
pub fn name(index: u8) -> String {
    char::from(b'a' + index).to_string()
}

/// The bytes of a schema whose types are all supported; names and unknown metadata are left out.
pub fn write_schema(schema: &Schema) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_fields(schema.fields(), &mut bytes);
    bytes
}

fn write_fields(fields: &Fields, bytes: &mut Vec<u8>) {
    bytes.push(fields.len() as u8);
    fields.iter().for_each(|field| write_field(field, bytes));
}

fn write_field(field: &Field, bytes: &mut Vec<u8>) {
    let json = field.metadata().contains_key(EXTENSION_TYPE_NAME_KEY);
    bytes.push(if field.is_nullable() { NULLABLE } else { 0 } | if json { JSON } else { 0 });
    write_type(field.data_type(), bytes);
}

fn write_type(data_type: &DataType, bytes: &mut Vec<u8>) {
    use DataType as D;
    let place = |found: Option<usize>| found.expect("the type has its byte") as u8;
    if let Some(plain) = PLAIN.iter().position(|plain| plain == data_type) {
        return bytes.push(plain as u8);
    }
    match data_type {
        D::Timestamp(unit, zone) => bytes.extend([
            TIMESTAMP,
            place(UNITS.iter().position(|known| known == unit)),
            place(ZONES.iter().position(|known| *known == zone.as_deref())),
        ]),
        D::Decimal32(precision, scale) => bytes.extend([DECIMAL_32, *precision, *scale as u8]),
        D::Decimal64(precision, scale) => bytes.extend([DECIMAL_64, *precision, *scale as u8]),
        D::Decimal128(precision, scale) => bytes.extend([DECIMAL_128, *precision, *scale as u8]),
        D::Decimal256(precision, scale) => bytes.extend([DECIMAL_256, *precision, *scale as u8]),
        D::FixedSizeBinary(size) => bytes.extend([FIXED_BINARY, *size as u8]),
        D::Struct(fields) => {
            bytes.push(RECORD);
            write_fields(fields, bytes);
        }
        D::List(item) => {
            bytes.push(LIST);
            write_field(item, bytes);
        }
        D::LargeList(item) => {
            bytes.push(LARGE_LIST);
            write_field(item, bytes);
        }
        D::FixedSizeList(item, size) => {
            bytes.extend([FIXED_LIST, *size as u8]);
            write_field(item, bytes);
        }
        D::Map(entries, _) => {
            let D::Struct(pair) = entries.data_type() else { unreachable!("a map has entries") };
            bytes.push(MAP);
            write_type(pair[0].data_type(), bytes);
            write_field(&pair[1], bytes);
        }
        D::Dictionary(keys, values) => {
            bytes.extend([DICTIONARY, place(KEYS.iter().position(|known| known == keys.as_ref()))]);
            write_type(values, bytes);
        }
        other => unreachable!("no sample has the type {other}"),
    }
}
