//! Converts a declared schema, Arrow's own or columns by hand, into an Arrow schema.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use proto::v1;
use proto::v1::data_type::Kind;
use proto::v1::schema::Columns;

use crate::rows::{self, SchemaError};

/// The Arrow schema of `schema`.
///
/// # Errors
/// [`SchemaError`] if there are no columns, or one is not fully said; it names the column. Whether
/// its columns can be served is for [`rows::Decoder::compile`] to say.
pub fn decode(schema: &v1::Schema) -> Result<SchemaRef, SchemaError> {
    match &schema.columns {
        Some(Columns::ArrowIpc(bytes)) => rows::schema_from_ipc(bytes),
        Some(Columns::Typed(columns)) => {
            let fields = fields(&columns.columns, "")?;
            Ok(Arc::new(Schema::new(fields)))
        }
        None => Err(SchemaError::Columns {
            reason: "the schema has no columns: set `arrow_ipc` or `typed`".to_owned(),
        }),
    }
}

/// The fields of a record at `path`, or the columns if it is empty.
fn fields(columns: &[v1::Column], path: &str) -> Result<Fields, SchemaError> {
    columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            // Without a name its place must do; that it needs one is said by the compilation.
            let name = match column.name.as_str() {
                "" => format!("#{}", index + 1),
                name => name.to_owned(),
            };
            // Before it is joined to the names of its siblings' columns, each of which repeats it.
            if name.len() > rows::NAME_BYTES_MAX {
                let reason = format!(
                    "the name of field {} is {} bytes long, at most {} are supported",
                    index + 1,
                    name.len(),
                    rows::NAME_BYTES_MAX
                );
                return Err(match path {
                    "" => SchemaError::Columns { reason },
                    _ => SchemaError::Column { column: path.to_owned(), reason },
                });
            }
            let path = if path.is_empty() { name } else { format!("{path}.{name}") };
            field(&column.name, column.r#type.as_ref(), !column.required, &path)
        })
        .collect()
}

fn field(
    name: &str,
    data_type: Option<&v1::DataType>,
    nullable: bool,
    path: &str,
) -> Result<Field, SchemaError> {
    let Some(kind) = data_type.and_then(|data_type| data_type.kind.as_ref()) else {
        return refuse(path, "it has no type: set one of the kinds of `type`");
    };
    let arrow = arrow_type(kind, path)?;
    let field = Field::new(name, arrow, nullable);
    if !matches!(kind, Kind::Primitive(primitive) if *primitive == v1::Primitive::Json as i32) {
        return Ok(field);
    }
    let json = (EXTENSION_TYPE_NAME_KEY.to_owned(), "arrow.json".to_owned());
    Ok(field.with_metadata(HashMap::from([json])))
}

fn arrow_type(kind: &Kind, path: &str) -> Result<DataType, SchemaError> {
    match kind {
        Kind::Primitive(primitive) => primitive_type(*primitive, path),
        Kind::Decimal(decimal) => decimal_type(*decimal, path),
        Kind::Timestamp(timestamp) => {
            let zone = timestamp.utc.then(|| "UTC".into());
            Ok(DataType::Timestamp(unit(timestamp.unit, path)?, zone))
        }
        Kind::Time(time) => Ok(match unit(time.unit, path)? {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
            unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond) => DataType::Time64(unit),
        }),
        Kind::Record(record) => Ok(DataType::Struct(fields(&record.columns, path)?)),
        Kind::Array(item) => {
            let item = field("item", Some(item), true, &format!("{path}[]"))?;
            Ok(DataType::List(Arc::new(item)))
        }
        Kind::Map(value) => {
            let key = Field::new("key", DataType::Utf8, false);
            let value = field("value", Some(value), true, &format!("{path}[].value"))?;
            let entries = DataType::Struct(Fields::from(vec![key, value]));
            Ok(DataType::Map(Arc::new(Field::new("entries", entries, false)), false))
        }
    }
}

fn primitive_type(primitive: i32, path: &str) -> Result<DataType, SchemaError> {
    use v1::Primitive as P;
    let Ok(known) = P::try_from(primitive) else {
        return refuse(path, format!("its primitive type {primitive} is unknown"));
    };
    Ok(match known {
        P::Unspecified => return refuse(path, "its primitive type is not said"),
        P::Bool => DataType::Boolean,
        P::Int8 => DataType::Int8,
        P::Int16 => DataType::Int16,
        P::Int32 => DataType::Int32,
        P::Int64 => DataType::Int64,
        P::Uint8 => DataType::UInt8,
        P::Uint16 => DataType::UInt16,
        P::Uint32 => DataType::UInt32,
        P::Uint64 => DataType::UInt64,
        P::Float32 => DataType::Float32,
        P::Float64 => DataType::Float64,
        P::Text | P::Json => DataType::Utf8,
        P::Binary => DataType::Binary,
        P::Date => DataType::Date32,
    })
}

fn decimal_type(decimal: v1::Decimal, path: &str) -> Result<DataType, SchemaError> {
    let v1::Decimal { precision, scale } = decimal;
    let digits = u8::try_from(precision).ok().filter(|digits| (1..=76).contains(digits));
    let Some(digits) = digits else {
        return refuse(path, format!("a decimal has a precision of 1 to 76, not {precision}"));
    };
    let places = i8::try_from(scale).ok().filter(|places| (-76..=digits as i8).contains(places));
    let Some(places) = places else {
        let range = format!("-76 to its precision {digits}");
        return refuse(path, format!("a decimal has a scale of {range}, not {scale}"));
    };
    Ok(match digits {
        ..=38 => DataType::Decimal128(digits, places),
        _ => DataType::Decimal256(digits, places),
    })
}

fn unit(unit: i32, path: &str) -> Result<TimeUnit, SchemaError> {
    match v1::TimeUnit::try_from(unit) {
        Ok(v1::TimeUnit::Second) => Ok(TimeUnit::Second),
        Ok(v1::TimeUnit::Millisecond) => Ok(TimeUnit::Millisecond),
        Ok(v1::TimeUnit::Microsecond) => Ok(TimeUnit::Microsecond),
        Ok(v1::TimeUnit::Nanosecond) => Ok(TimeUnit::Nanosecond),
        Ok(v1::TimeUnit::Unspecified) => refuse(path, "its unit is not said"),
        Err(_) => refuse(path, format!("its unit {unit} is unknown")),
    }
}

fn refuse<T>(path: &str, reason: impl Into<String>) -> Result<T, SchemaError> {
    Err(SchemaError::Column { column: path.to_owned(), reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use proto::v1::{
        Column, DataType as Type, Decimal, Primitive, TimeOfDay, TimeUnit as Unit, Timestamp,
    };

    use super::*;

    fn of(kind: Kind) -> Option<Type> {
        Some(Type { kind: Some(kind) })
    }

    fn primitive(primitive: Primitive) -> Option<Type> {
        of(Kind::Primitive(primitive as i32))
    }

    fn typed(columns: Vec<(&str, Option<Type>)>) -> v1::Columns {
        let columns = columns.into_iter().map(|(name, r#type)| Column {
            name: name.to_owned(),
            r#type,
            required: false,
        });
        v1::Columns { columns: columns.collect() }
    }

    fn read(columns: v1::Columns) -> Result<SchemaRef, SchemaError> {
        decode(&v1::Schema { id: 1, columns: Some(Columns::Typed(columns)) })
    }

    /// The Arrow type of a column `a`.
    fn arrow(data_type: Option<Type>) -> Result<DataType, String> {
        let schema = read(typed(vec![("a", data_type)])).map_err(|error| error.to_string())?;
        rows::Decoder::compile(Arc::clone(&schema)).map_err(|error| error.to_string())?;
        Ok(schema.field(0).data_type().clone())
    }

    #[test]
    fn every_primitive_has_its_arrow_type() {
        for (came, expected) in [
            (Primitive::Bool, DataType::Boolean),
            (Primitive::Int8, DataType::Int8),
            (Primitive::Int16, DataType::Int16),
            (Primitive::Int32, DataType::Int32),
            (Primitive::Int64, DataType::Int64),
            (Primitive::Uint8, DataType::UInt8),
            (Primitive::Uint16, DataType::UInt16),
            (Primitive::Uint32, DataType::UInt32),
            (Primitive::Uint64, DataType::UInt64),
            (Primitive::Float32, DataType::Float32),
            (Primitive::Float64, DataType::Float64),
            (Primitive::Text, DataType::Utf8),
            (Primitive::Binary, DataType::Binary),
            (Primitive::Date, DataType::Date32),
            (Primitive::Json, DataType::Utf8),
        ] {
            assert_eq!(arrow(primitive(came)), Ok(expected), "{came:?}");
        }
        let schema = read(typed(vec![("a", primitive(Primitive::Json))])).unwrap();
        assert_eq!(schema.field(0).extension_type_name(), Some("arrow.json"));
    }

    #[test]
    fn decimals_and_times_have_their_arrow_types() {
        let decimal = |precision, scale| arrow(of(Kind::Decimal(Decimal { precision, scale })));
        assert_eq!(decimal(38, 2), Ok(DataType::Decimal128(38, 2)));
        assert_eq!(decimal(39, -76), Ok(DataType::Decimal256(39, -76)));
        assert_eq!(
            decimal(77, 0).unwrap_err(),
            "column `a`: a decimal has a precision of 1 to 76, not 77"
        );
        assert!(decimal(0, 0).is_err() && decimal(u32::MAX, 0).is_err());
        assert_eq!(
            decimal(5, 6).unwrap_err(),
            "column `a`: a decimal has a scale of -76 to its precision 5, not 6"
        );
        assert!(decimal(5, -77).is_err() && decimal(5, i32::MIN).is_err());
        for (unit, ours) in [
            (Unit::Second, TimeUnit::Second),
            (Unit::Millisecond, TimeUnit::Millisecond),
            (Unit::Microsecond, TimeUnit::Microsecond),
            (Unit::Nanosecond, TimeUnit::Nanosecond),
        ] {
            let unit = unit as i32;
            let stamp = |utc| arrow(of(Kind::Timestamp(Timestamp { unit, utc })));
            assert_eq!(stamp(true), Ok(DataType::Timestamp(ours, Some("UTC".into()))));
            assert_eq!(stamp(false), Ok(DataType::Timestamp(ours, None)));
            let expected = match ours {
                TimeUnit::Second | TimeUnit::Millisecond => DataType::Time32(ours),
                TimeUnit::Microsecond | TimeUnit::Nanosecond => DataType::Time64(ours),
            };
            assert_eq!(arrow(of(Kind::Time(TimeOfDay { unit }))), Ok(expected));
        }
    }

    #[test]
    fn nested_columns_keep_their_names_and_what_is_required() {
        let mut inner =
            typed(vec![("x", primitive(Primitive::Int8)), ("y", primitive(Primitive::Text))]);
        inner.columns[0].required = true;
        let record = of(Kind::Record(inner));
        let fields = Fields::from(vec![
            Field::new("x", DataType::Int8, false),
            Field::new("y", DataType::Utf8, true),
        ]);
        let record_type = DataType::Struct(fields);
        assert_eq!(arrow(record.clone()), Ok(record_type.clone()));
        let item = Arc::new(Field::new("item", record_type.clone(), true));
        let array = of(Kind::Array(Box::new(record.clone().unwrap())));
        assert_eq!(arrow(array), Ok(DataType::List(item)));
        let pair =
            vec![Field::new("key", DataType::Utf8, false), Field::new("value", record_type, true)];
        let entries = Field::new("entries", DataType::Struct(pair.into()), false);
        let map = of(Kind::Map(Box::new(record.unwrap())));
        assert_eq!(arrow(map), Ok(DataType::Map(Arc::new(entries), false)));
    }

    #[test]
    fn what_is_not_said_is_refused_with_the_path_to_it() {
        let array = |item: Option<Type>| of(Kind::Array(Box::new(item.unwrap())));
        let record = |columns| of(Kind::Record(typed(columns)));
        let no_type = "it has no type: set one of the kinds of `type`";
        assert_eq!(arrow(None).unwrap_err(), format!("column `a`: {no_type}"));
        let unset = Some(Type { kind: None });
        assert_eq!(arrow(unset.clone()).unwrap_err(), format!("column `a`: {no_type}"));
        assert_eq!(
            arrow(record(vec![("b", array(unset))])).unwrap_err(),
            format!("column `a.b[]`: {no_type}")
        );
        assert_eq!(
            arrow(record(vec![("", None)])).unwrap_err(),
            format!("column `a.#1`: {no_type}")
        );
        assert_eq!(
            arrow(primitive(Primitive::Unspecified)).unwrap_err(),
            "column `a`: its primitive type is not said"
        );
        assert_eq!(
            arrow(of(Kind::Primitive(99))).unwrap_err(),
            "column `a`: its primitive type 99 is unknown"
        );
        let time = |unit| arrow(of(Kind::Time(TimeOfDay { unit }))).unwrap_err();
        assert_eq!(time(0), "column `a`: its unit is not said");
        assert_eq!(time(9), "column `a`: its unit 9 is unknown");
        let map = of(Kind::Map(Box::new(Type { kind: None })));
        assert_eq!(arrow(map).unwrap_err(), format!("column `a[].value`: {no_type}"));
        assert_eq!(
            decode(&v1::Schema::default()).unwrap_err().to_string(),
            "the schema has no columns: set `arrow_ipc` or `typed`"
        );
        assert!(read(v1::Columns::default()).is_ok(), "the compilation says it");
    }

    #[test]
    fn an_arrow_schema_is_read_as_it_is() {
        let fields = vec![Field::new("a", DataType::Int8, false)];
        let expected = Schema::new(fields);
        let mut bytes = Vec::new();
        arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &expected).unwrap().finish().unwrap();
        let schema = v1::Schema { id: 0, columns: Some(Columns::ArrowIpc(bytes.into())) };
        assert_eq!(decode(&schema).unwrap().as_ref(), &expected);
        let schema = v1::Schema { id: 0, columns: Some(Columns::ArrowIpc(b"no"[..].into())) };
        assert_eq!(
            decode(&schema).unwrap_err().to_string(),
            "not an Arrow IPC schema message: truncated: 4 bytes are due at byte 0, but only 2 are \
             left"
        );
    }
}
