//! The schema of columns, as JSON.

use std::fmt::Write;

use arrow_schema::{DataType, Field, Fields, TimeUnit};

use super::names::{Names, field_names, is_legal_path};
use crate::shape::{PlanError, has_zone, without_dictionary};

/// The JSON of a record `name` with a field for every column. The columns' types are checked.
pub(super) fn derive(
    fields: &Fields,
    name: &str,
    namespace: Option<&str>,
) -> Result<String, PlanError> {
    for (option, of) in [("the name", Some(name)), ("the namespace", namespace)] {
        if let Some(of) = of.filter(|of| !is_legal_path(of)) {
            return Err(PlanError::AvroSchemaInvalid {
                at: format!("{option} `{of}`"),
                reason: "it may have A-Z, a-z, 0-9 and _, and begins with no digit".into(),
            });
        }
    }
    let mut deriver = Deriver::default();
    let simple = name.rsplit('.').next().unwrap_or(name);
    let own = deriver.types.take(simple.to_owned());
    deriver.json.push_str("{\"type\":\"record\"");
    deriver.member("name", name);
    if let Some(namespace) = namespace {
        deriver.member("namespace", namespace);
    }
    deriver.fields(fields, &own);
    Ok(deriver.json)
}

#[derive(Default)]
struct Deriver {
    json: String,
    types: Names,
}

impl Deriver {
    /// `,"key":"value"`.
    fn member(&mut self, key: &str, value: &str) {
        let value = serde_json::to_string(value).expect("text is always JSON");
        self.write(format_args!(",\"{key}\":{value}"));
    }

    fn write(&mut self, text: std::fmt::Arguments) {
        self.json.write_fmt(text).expect("a String takes all");
    }

    /// `,"fields":[…]}`, of a record whose nested types are named after `name`.
    fn fields(&mut self, fields: &Fields, name: &str) {
        self.json.push_str(",\"fields\":[");
        let names = field_names(fields.iter().map(|field| field.name().as_str()));
        for (at, (field, own)) in fields.iter().zip(&names).enumerate() {
            self.json.push_str(if at == 0 { "" } else { "," });
            self.write(format_args!("{{\"name\":\"{own}\",\"type\":"));
            self.field_type(field, &format!("{name}_{own}"));
            if field.is_nullable() {
                self.json.push_str(",\"default\":null");
            }
            if own != field.name() {
                self.member("arrowName", field.name());
            }
            self.json.push('}');
        }
        self.json.push_str("]}");
    }

    /// The type of a field, of an array's item or of a map's value; `name` is for a named type.
    fn field_type(&mut self, field: &Field, name: &str) {
        let union = field.is_nullable() && *without_dictionary(field.data_type()) != DataType::Null;
        self.json.push_str(if union { "[\"null\"," } else { "" });
        self.value_type(field.data_type(), name);
        self.json.push_str(if union { "]" } else { "" });
    }

    fn value_type(&mut self, of: &DataType, name: &str) {
        match without_dictionary(of) {
            DataType::Struct(fields) => {
                let name = self.types.take(name.to_owned());
                self.write(format_args!("{{\"type\":\"record\",\"name\":\"{name}\""));
                self.fields(fields, &name);
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                self.json.push_str("{\"type\":\"array\",\"items\":");
                self.field_type(item, name);
                self.json.push('}');
            }
            DataType::Map(entries, _) => {
                self.json.push_str("{\"type\":\"map\",\"values\":");
                if let DataType::Struct(entries) = entries.data_type() {
                    self.field_type(&entries[1], name);
                }
                self.json.push('}');
            }
            DataType::FixedSizeBinary(size) => {
                let name = self.types.take(name.to_owned());
                self.write(format_args!(
                    "{{\"type\":\"fixed\",\"name\":\"{name}\",\"size\":{size}}}"
                ));
            }
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => {
                let (precision, scale) = (i32::from(*precision), i32::from(*scale));
                let precision = (precision - scale.min(0)).max(scale).max(1);
                self.logical("bytes", "decimal", Some((precision, scale.max(0))));
            }
            DataType::UInt64 => self.logical("bytes", "decimal", Some((20, 0))),
            of => self.plain_type(of),
        }
    }

    /// A type of one value without parts.
    fn plain_type(&mut self, of: &DataType) {
        let name = match of {
            DataType::Null => "null",
            DataType::Boolean => "boolean",
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16 => "int",
            DataType::Int64 | DataType::UInt32 => "long",
            DataType::Float16 | DataType::Float32 => "float",
            DataType::Float64 => "double",
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytes",
            DataType::Date32 | DataType::Date64 => return self.logical("int", "date", None),
            DataType::Time32(_) => return self.logical("int", "time-millis", None),
            DataType::Time64(TimeUnit::Microsecond) => {
                return self.logical("long", "time-micros", None);
            }
            DataType::Time64(_) | DataType::Duration(_) => {
                self.write(format_args!("{{\"type\":\"long\",\"arrowType\":\"{of}\"}}"));
                return;
            }
            DataType::Timestamp(unit, zone) => {
                let local = if has_zone(zone.as_deref()) { "" } else { "local-" };
                let unit = match unit {
                    TimeUnit::Second | TimeUnit::Millisecond => "millis",
                    TimeUnit::Microsecond => "micros",
                    TimeUnit::Nanosecond => "nanos",
                };
                return self.logical("long", &format!("{local}timestamp-{unit}"), None);
            }
            // All others were refused with the tree of the schema, but for text.
            _ => "string",
        };
        self.write(format_args!("\"{name}\""));
    }

    fn logical(&mut self, of: &str, logical: &str, digits: Option<(i32, i32)>) {
        self.write(format_args!("{{\"type\":\"{of}\",\"logicalType\":\"{logical}\""));
        if let Some((precision, scale)) = digits {
            self.write(format_args!(",\"precision\":{precision},\"scale\":{scale}"));
        }
        self.json.push('}');
    }
}
