//! Arrow types that differ only in layout, brought to the ones that the service knows.
use std::{path::Path, sync::Arc};

use arrow_array::RecordBatch;
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::FileError;

/// The schema with plain types: no views, no 64-bit offsets, no half floats.
pub fn schema(schema: &Schema) -> Schema {
    let fields: Vec<_> = schema.fields().iter().map(|field| plain_field(field)).collect();
    Schema::new(fields)
}

fn plain_field(field: &Field) -> Arc<Field> {
    Arc::new(field.clone().with_data_type(plain_type(field.data_type())))
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(plain_field(item)),
        // Not a list: a null would keep its elements, which are null though they may not be.
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(plain_field(item), *size),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| plain_field(field)).collect())
        }
        DataType::Map(entries, sorted) => DataType::Map(plain_field(entries), *sorted),
        DataType::Dictionary(key, value) => {
            DataType::Dictionary(key.clone(), Box::new(plain_type(value)))
        }
        other => other.clone(),
    }
}

/// The rows with the types of a plain schema.
pub fn batch(
    batch: &RecordBatch,
    schema: &SchemaRef,
    path: &Path,
) -> Result<RecordBatch, FileError> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        columns.push(match column.data_type() == field.data_type() {
            true => column.clone(),
            false => cast(column, field.data_type()).map_err(|error| {
                FileError::new(path, format!("column {}: {error}", field.name()))
            })?,
        });
    }
    RecordBatch::try_new(schema.clone(), columns)
        .map_err(|error| FileError::new(path, error.to_string()))
}
