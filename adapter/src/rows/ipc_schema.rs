//! Reads a schema from its Arrow IPC message, and compares such a message with a schema.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::{DateUnit, Endianness, Field as IpcField, Int, Precision, Schema as IpcSchema};
use arrow_ipc::{TimeUnit as IpcTimeUnit, Type};
use arrow_schema::{DataType, Field, Fields, SchemaRef, TimeUnit};
use bytes::Bytes;

use super::SchemaError;
use super::guard::Malformed;
use super::ipc_frame::Frames;
use super::plan::FIELDS_MAX;
use crate::quiet;

const BIG_ENDIAN: &str = "its data is big-endian; send little-endian";

/// The schema of an Arrow IPC message, or of an IPC stream that starts with it.
///
/// # Errors
/// [`SchemaError::Malformed`] if the bytes are not such a message. Whether the columns can be
/// served is for [`super::Decoder::compile`] to say.
pub fn schema_from_ipc(bytes: &Bytes) -> Result<SchemaRef, SchemaError> {
    let malformed = |reason: String| SchemaError::Malformed { reason };
    quiet::install();
    let frame = Frames::new(bytes, FIELDS_MAX)
        .next()
        .map_err(malformed)?
        .ok_or_else(|| malformed("it is empty".to_owned()))?;
    let schema = frame.message.header_as_schema().ok_or_else(|| {
        malformed(format!("its first message is a {:?}, not a Schema", frame.kind()))
    })?;
    if schema.endianness() != Endianness::Little {
        return Err(malformed(BIG_ENDIAN.to_owned()));
    }
    // Arrow's conversion is fallible, but not all of it: the ids of a union's types can panic.
    match quiet::catch(AssertUnwindSafe(|| try_fb_to_schema(schema))) {
        Ok(Ok(schema)) => Ok(Arc::new(schema)),
        Ok(Err(error)) => Err(malformed(error.to_string())),
        Err(panic) => Err(malformed(panic)),
    }
}

/// Compares the schema message of a batch with the declared columns: names, types and nullability
/// must be the same, metadata may differ. Nothing is allocated but `dictionary_ids`, which get the
/// message's ids of the columns' dictionaries in their order.
pub(super) fn compare(
    message: IpcSchema<'_>,
    declared: &Fields,
    dictionary_ids: &mut Vec<i64>,
) -> Result<(), Malformed> {
    if message.endianness() != Endianness::Little {
        return Malformed::new(BIG_ENDIAN);
    }
    let came = message.fields().map_or(0, |fields| fields.len());
    if came != declared.len() {
        return Malformed::new(format!(
            "its schema message has {came} columns, but {} are declared",
            declared.len()
        ));
    }
    for (came, field) in message.fields().into_iter().flatten().zip(declared) {
        compare_named(came, field, dictionary_ids)?;
    }
    Ok(())
}

fn compare_named(came: IpcField<'_>, field: &Field, ids: &mut Vec<i64>) -> Result<(), Malformed> {
    let name = came.name().unwrap_or_default();
    let compared = if name == field.name() {
        compare_field(came, field, ids)
    } else {
        let name = super::fault::excerpt(name);
        Malformed::new(format!("its name in the batch's schema message is `{name}`"))
    };
    compared.map_err(|malformed| malformed.inside(field.name()))
}

fn compare_field(came: IpcField<'_>, field: &Field, ids: &mut Vec<i64>) -> Result<(), Malformed> {
    if came.nullable() != field.is_nullable() {
        return Malformed::new(format!(
            "nullable is {} in the batch's schema message, but {} in the declared schema",
            came.nullable(),
            field.is_nullable()
        ));
    }
    let (same, plain) = match (field.data_type(), came.dictionary()) {
        (DataType::Dictionary(key, value), Some(dictionary)) => {
            ids.push(dictionary.id());
            // Without a type the keys are 32 bits wide.
            let same =
                dictionary.indexType().map_or(**key == DataType::Int32, |index| is_int(index, key));
            (same, value.as_ref())
        }
        (DataType::Dictionary(_, _), None) | (_, Some(_)) => (false, field.data_type()),
        (plain, None) => (true, plain),
    };
    if !(same && is_type(came, plain)) {
        return Malformed::new(format!(
            "its type in the batch's schema message is not the declared {}",
            brief(field.data_type())
        ));
    }
    compare_children(came, plain, ids)
}

fn compare_children(
    came: IpcField<'_>,
    plain: &DataType,
    ids: &mut Vec<i64>,
) -> Result<(), Malformed> {
    let children = came.children();
    let count = children.map_or(0, |children| children.len());
    let mut children = children.into_iter().flatten();
    let wrong_count =
        || Malformed::new("it has another number of fields in the batch's schema message");
    match plain {
        DataType::Struct(fields) => {
            if count != fields.len() {
                return wrong_count();
            }
            children.zip(fields).try_for_each(|(came, field)| compare_named(came, field, ids))
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => match children.next() {
            // The names inside lists and maps differ between writers and mean nothing.
            Some(came) if count == 1 => match (plain, item.data_type()) {
                (DataType::Map(_, _), DataType::Struct(pair)) => compare_entries(came, pair, ids),
                _ => compare_field(came, item, ids),
            },
            _ => wrong_count(),
        },
        _ => Ok(()),
    }
}

fn compare_entries(came: IpcField<'_>, pair: &Fields, ids: &mut Vec<i64>) -> Result<(), Malformed> {
    let children = came.children();
    if came.type_type() != Type::Struct_ || children.map_or(0, |children| children.len()) != 2 {
        return Malformed::new("it is not a map of keys and values in the batch's schema message");
    }
    children
        .into_iter()
        .flatten()
        .zip(pair)
        .try_for_each(|(came, field)| compare_field(came, field, ids))
}

/// True if the type without its children is `declared`.
fn is_type(came: IpcField<'_>, declared: &DataType) -> bool {
    use DataType as D;
    let kind = came.type_type();
    match declared {
        D::Null => kind == Type::Null,
        D::Boolean => kind == Type::Bool,
        D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => {
            came.type_as_int().is_some_and(|int| is_int(int, declared))
        }
        D::Float16 => is_float(came, Precision::HALF),
        D::Float32 => is_float(came, Precision::SINGLE),
        D::Float64 => is_float(came, Precision::DOUBLE),
        D::Decimal32(p, s) => is_decimal(came, 32, *p, *s),
        D::Decimal64(p, s) => is_decimal(came, 64, *p, *s),
        D::Decimal128(p, s) => is_decimal(came, 128, *p, *s),
        D::Decimal256(p, s) => is_decimal(came, 256, *p, *s),
        D::Utf8 => kind == Type::Utf8,
        D::LargeUtf8 => kind == Type::LargeUtf8,
        D::Utf8View => kind == Type::Utf8View,
        D::Binary => kind == Type::Binary,
        D::LargeBinary => kind == Type::LargeBinary,
        D::BinaryView => kind == Type::BinaryView,
        D::FixedSizeBinary(size) => {
            came.type_as_fixed_size_binary().is_some_and(|came| came.byteWidth() == *size)
        }
        D::Date32 => came.type_as_date().is_some_and(|date| date.unit() == DateUnit::DAY),
        D::Date64 => came.type_as_date().is_some_and(|date| date.unit() == DateUnit::MILLISECOND),
        D::Time32(unit) => is_time(came, 32, *unit),
        D::Time64(unit) => is_time(came, 64, *unit),
        D::Timestamp(unit, zone) => came.type_as_timestamp().is_some_and(|came| {
            // Some writers leave an empty zone out, and others do not.
            came.unit() == ipc_unit(*unit)
                && came.timezone().unwrap_or_default() == zone.as_deref().unwrap_or_default()
        }),
        D::Duration(unit) => {
            came.type_as_duration().is_some_and(|came| came.unit() == ipc_unit(*unit))
        }
        D::Struct(_) => kind == Type::Struct_,
        D::List(_) => kind == Type::List,
        D::LargeList(_) => kind == Type::LargeList,
        D::FixedSizeList(_, size) => {
            came.type_as_fixed_size_list().is_some_and(|came| came.listSize() == *size)
        }
        D::Map(_, sorted) => came.type_as_map().is_some_and(|came| came.keysSorted() == *sorted),
        _ => false, // refused when the schema was compiled
    }
}

fn is_int(came: Int<'_>, declared: &DataType) -> bool {
    let width = declared.primitive_width().unwrap_or_default() as i32;
    came.bitWidth() == width * 8 && came.is_signed() == declared.is_signed_integer()
}

fn is_float(came: IpcField<'_>, precision: Precision) -> bool {
    came.type_as_floating_point().is_some_and(|came| came.precision() == precision)
}

fn is_decimal(came: IpcField<'_>, bits: i32, precision: u8, scale: i8) -> bool {
    came.type_as_decimal().is_some_and(|came| {
        came.bitWidth() == bits
            && came.precision() == i32::from(precision)
            && came.scale() == i32::from(scale)
    })
}

fn is_time(came: IpcField<'_>, bits: i32, unit: TimeUnit) -> bool {
    came.type_as_time().is_some_and(|came| came.bitWidth() == bits && came.unit() == ipc_unit(unit))
}

fn ipc_unit(unit: TimeUnit) -> IpcTimeUnit {
    match unit {
        TimeUnit::Second => IpcTimeUnit::SECOND,
        TimeUnit::Millisecond => IpcTimeUnit::MILLISECOND,
        TimeUnit::Microsecond => IpcTimeUnit::MICROSECOND,
        TimeUnit::Nanosecond => IpcTimeUnit::NANOSECOND,
    }
}

/// The type without what is inside it, which can be thousands of fields.
fn brief(data_type: &DataType) -> String {
    match data_type {
        DataType::Struct(_) => "struct".to_owned(),
        DataType::List(_) | DataType::LargeList(_) => "list".to_owned(),
        DataType::FixedSizeList(_, size) => format!("fixed-size list of {size}"),
        DataType::Map(_, _) => "map".to_owned(),
        plain => plain.to_string(),
    }
}
