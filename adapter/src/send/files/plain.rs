//! Arrow types that differ only in layout, brought to the ones that the service knows.
use std::{path::Path, sync::Arc};

use arrow_array::RecordBatch;
use arrow_cast::{CastOptions, cast_with_options};
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

/// Inside of other columns a dictionary is not worth its own message in every batch.
fn nested_field(field: &Field) -> Arc<Field> {
    let plain = match plain_type(field.data_type()) {
        DataType::Dictionary(_, value) => *value,
        other => other,
    };
    Arc::new(field.clone().with_data_type(plain))
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        // The service knows no values of 0 bytes.
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(0) => {
            DataType::Binary
        }
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        // The service knows no fixed-size lists of size 0.
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, 0) => DataType::List(nested_field(item)),
        // Not a list: a null would keep its elements, which are null though they may not be.
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(nested_field(item), *size),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| nested_field(field)).collect())
        }
        DataType::Map(entries, sorted) => DataType::Map(nested_field(entries), *sorted),
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
    // What does not fit is a fault of the file, and no null.
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        columns.push(match column.data_type() == field.data_type() {
            true => column.clone(),
            false => cast_with_options(column, field.data_type(), &options).map_err(|error| {
                FileError::new(path, format!("column {}: {error}", field.name()))
            })?,
        });
    }
    RecordBatch::try_new(schema.clone(), columns)
        .map_err(|error| FileError::new(path, error.to_string()))
}

#[cfg(test)]
mod tests {
    use arrow_array::{
        Array as _, ArrayRef, Date64Array, DictionaryArray, FixedSizeListArray, Int64Array,
        StructArray, cast::AsArray as _, types::Int32Type,
    };
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
    fn bytes_of_one_length_keep_it_unless_it_is_none() {
        let five = DataType::FixedSizeBinary(5);
        assert_eq!(plain_type(&five), five);
        assert_eq!(plain_type(&DataType::FixedSizeBinary(0)), DataType::Binary);
    }

    #[test]
    fn dates_stay_as_they_came() {
        let days = Date64Array::from(vec![i64::MAX, -86_400_000]);
        let came = RecordBatch::try_from_iter([("a", Arc::new(days) as ArrayRef)]).unwrap();
        let plain = Arc::new(schema(&came.schema()));
        assert_eq!(batch(&came, &plain, Path::new("x.arrow")).unwrap(), came);
    }

    #[test]
    fn what_a_cast_cannot_hold_is_a_fault_and_no_null() {
        let came = Date64Array::from(vec![i64::MAX]);
        let came = RecordBatch::try_from_iter([("a", Arc::new(came) as ArrayRef)]).unwrap();
        let other = Arc::new(Schema::new(vec![Field::new("a", DataType::Date32, true)]));
        let error = batch(&came, &other, Path::new("x.arrow")).unwrap_err();
        assert!(error.to_string().starts_with("x.arrow: column a: "), "{error}");
    }

    #[test]
    fn dictionaries_inside_of_columns_become_their_values() {
        let names: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
        let field = Arc::new(Field::new("name", names.data_type().clone(), true));
        let records = StructArray::from(vec![(field, Arc::new(names.clone()) as ArrayRef)]);
        let columns = [("r", Arc::new(records) as ArrayRef), ("d", Arc::new(names))];
        let came = RecordBatch::try_from_iter(columns).unwrap();
        let plain = Arc::new(schema(&came.schema()));
        let sent = batch(&came, &plain, Path::new("x.arrow")).unwrap();
        let inner = sent.column(0).as_struct().column(0).as_string::<i32>();
        assert_eq!(inner.iter().flatten().collect::<Vec<_>>(), ["a", "b", "a"]);
        assert_eq!(sent.column(1).data_type(), came.column(1).data_type());
    }

    #[test]
    fn other_fixed_size_lists_stay() {
        let item = Arc::new(Field::new("item", DataType::Int64, false));
        let two = DataType::FixedSizeList(item, 2);
        assert_eq!(plain_type(&two), two);
    }
}
