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
        // The service knows no fixed-size lists of size 0.
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, 0) => DataType::List(plain_field(item)),
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

#[cfg(test)]
mod tests {
    use arrow_array::{Array as _, FixedSizeListArray, Int64Array, cast::AsArray as _};
    use arrow_buffer::NullBuffer;

    use super::*;

    #[test]
    fn fixed_size_lists_of_nothing_become_lists() {
        let item = || Arc::new(Field::new("item", DataType::Int64, false));
        let nulls = NullBuffer::from(vec![true, false, true]);
        let none = Arc::new(Int64Array::from(Vec::<i64>::new()));
        let lists = FixedSizeListArray::new(item(), 0, none, Some(nulls));
        let field = Field::new("a", lists.data_type().clone(), true);
        let came = Schema::new(vec![field]);
        let plain = Arc::new(schema(&came));
        assert_eq!(plain.field(0).data_type(), &DataType::List(item()));
        let came = RecordBatch::try_new(Arc::new(came), vec![Arc::new(lists)]).unwrap();
        let sent = batch(&came, &plain, Path::new("x.arrow")).unwrap();
        let lists = sent.column(0).as_list::<i32>();
        assert_eq!((lists.len(), lists.null_count(), lists.is_null(1)), (3, 1, true));
        assert_eq!((lists.value_length(0), lists.value_length(2)), (0, 0));
    }

    #[test]
    fn other_fixed_size_lists_stay() {
        let item = Arc::new(Field::new("item", DataType::Int64, false));
        let two = DataType::FixedSizeList(item, 2);
        assert_eq!(plain_type(&two), two);
    }
}
