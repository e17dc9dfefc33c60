//! Packs plain values into a dictionary: each distinct value once, in order of appearance.

use std::collections::HashMap;
use std::hash::Hash;

use arrow_array::types::{
    ArrowDictionaryKeyType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, PrimitiveArray, UInt32Array, cast::AsArray, make_array,
};
use arrow_buffer::{ArrowNativeType, NullBuffer};
use arrow_schema::DataType;
use arrow_select::take::take;

use super::DecodeError;

/// The dictionary of `values`; a value that is null in `nulls` has no entry.
pub(super) fn dictionary(
    column: &str,
    data_type: &DataType,
    values: &ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, DecodeError> {
    let DataType::Dictionary(key_type, _) = data_type else {
        unreachable!("a dictionary builds a dictionary")
    };
    let (keys, firsts) = number(values.as_ref(), nulls.as_ref());
    let distinct =
        take(values, &UInt32Array::from(firsts), None).expect("the numbers are rows of the values");
    let array = match key_type.as_ref() {
        DataType::Int8 => keyed::<Int8Type>(&keys, nulls, &distinct),
        DataType::Int16 => keyed::<Int16Type>(&keys, nulls, &distinct),
        DataType::Int32 => keyed::<Int32Type>(&keys, nulls, &distinct),
        DataType::Int64 => keyed::<Int64Type>(&keys, nulls, &distinct),
        DataType::UInt8 => keyed::<UInt8Type>(&keys, nulls, &distinct),
        DataType::UInt16 => keyed::<UInt16Type>(&keys, nulls, &distinct),
        DataType::UInt32 => keyed::<UInt32Type>(&keys, nulls, &distinct),
        DataType::UInt64 => keyed::<UInt64Type>(&keys, nulls, &distinct),
        _ => unreachable!("a dictionary's keys are integers"),
    };
    array.ok_or_else(|| DecodeError::BadCarrier {
        reason: format!(
            "column `{column}`: {} distinct values are more than keys of type {key_type} can \
             number: declare the column as a dictionary with wider keys, or without dictionary",
            distinct.len()
        ),
    })
}

/// For each row the number of its value, and for each number the first row that has it.
fn number(values: &dyn Array, nulls: Option<&NullBuffer>) -> (Vec<u32>, Vec<u32>) {
    let data = values.to_data();
    match values.data_type() {
        DataType::Boolean => number_by(values.len(), nulls, |row| values.as_boolean().value(row)),
        DataType::Utf8 | DataType::Binary => {
            let offsets = data.buffer::<i32>(0);
            let bytes = data.buffers()[1].as_slice();
            number_by(values.len(), nulls, |row| {
                &bytes[offsets[row] as usize..offsets[row + 1] as usize]
            })
        }
        DataType::LargeUtf8 | DataType::LargeBinary => {
            let offsets = data.buffer::<i64>(0);
            let bytes = data.buffers()[1].as_slice();
            number_by(values.len(), nulls, |row| {
                &bytes[offsets[row] as usize..offsets[row + 1] as usize]
            })
        }
        DataType::Utf8View => {
            let values = values.as_string_view();
            number_by(values.len(), nulls, |row| values.value(row))
        }
        DataType::BinaryView => {
            let values = values.as_binary_view();
            number_by(values.len(), nulls, |row| values.value(row))
        }
        fixed => {
            let width = match fixed {
                DataType::FixedSizeBinary(size) => *size as usize,
                _ => fixed.primitive_width().expect("what is left is of fixed width"),
            };
            let bytes = data.buffers()[0].as_slice();
            number_by(values.len(), nulls, |row| &bytes[row * width..(row + 1) * width])
        }
    }
}

fn number_by<K: Eq + Hash>(
    rows: usize,
    nulls: Option<&NullBuffer>,
    value: impl Fn(usize) -> K,
) -> (Vec<u32>, Vec<u32>) {
    let mut numbers = HashMap::new();
    let mut firsts: Vec<u32> = Vec::new();
    let keys = (0..rows).map(|row| {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return 0;
        }
        *numbers.entry(value(row)).or_insert_with(|| {
            firsts.push(row as u32); // rows and elements stay below 2^31
            firsts.len() as u32 - 1
        })
    });
    (keys.collect(), firsts)
}

/// `None` if the keys are too narrow.
fn keyed<K: ArrowDictionaryKeyType>(
    keys: &[u32],
    nulls: Option<NullBuffer>,
    distinct: &ArrayRef,
) -> Option<ArrayRef> {
    if let Some(last) = distinct.len().checked_sub(1) {
        let key = K::Native::from_usize(last)?;
        // `from_usize` wraps for some types.
        (key.to_usize() == Some(last)).then_some(())?;
    }
    let keys = keys.iter().map(|&key| K::Native::usize_as(key as usize)).collect::<Vec<_>>();
    let keys = PrimitiveArray::<K>::new(keys.into(), nulls);
    let array = DictionaryArray::try_new(keys, distinct.clone())
        .expect("every key numbers a distinct value");
    Some(make_array(array.to_data()))
}
