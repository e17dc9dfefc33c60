//! Finds the rows of a batch that have a null in a required column, and leaves them out.
//!
//! Arrow refuses such a batch as a whole, so it is read a second time with nothing required
//! ([`relax`]), searched, filtered and given its own types again. Batches without bad rows come here
//! too: those where a null around them hides the nulls, and those that Arrow takes though there are
//! nulls among the values of a dictionary.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, GenericListArray, OffsetSizeTrait, RecordBatch, cast::AsArray,
    downcast_integer_array, make_array,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, BooleanBufferBuilder, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema};
use arrow_select::filter::filter;

use super::DecodeError;
use super::fault::{Fault, Step, code};
use super::table::Rejects;

/// True if one of the fields, or a field inside them, is required.
pub(super) fn has_required(fields: &Fields) -> bool {
    fields.iter().any(|field| is_required(field))
}

fn is_required(field: &Field) -> bool {
    use DataType as D;
    !field.is_nullable()
        || match field.data_type() {
            D::Struct(fields) => has_required(fields),
            D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => is_required(item),
            D::Map(_, _) => true, // the key is
            _ => false,
        }
}

/// The fields directly inside a type.
fn inner(data_type: &DataType) -> &[FieldRef] {
    use DataType as D;
    match data_type {
        D::Struct(fields) => fields,
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) | D::Map(item, _) => {
            std::slice::from_ref(item)
        }
        _ => &[],
    }
}

/// The field with nothing required. Maps become lists of their entries, which have the same
/// layout, since Arrow has no maps with null keys.
pub(super) fn relax(field: &FieldRef) -> FieldRef {
    use DataType as D;
    let data_type = match field.data_type() {
        D::Struct(fields) => D::Struct(fields.iter().map(relax).collect()),
        D::List(item) | D::Map(item, _) => D::List(relax(item)),
        D::LargeList(item) => D::LargeList(relax(item)),
        D::FixedSizeList(item, size) => D::FixedSizeList(relax(item), *size),
        plain => plain.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type).with_nullable(true))
}

/// Notes the bad rows of a relaxed batch, and tells which rows are good.
///
/// # Errors
/// If their names take too much memory.
pub(super) fn find(
    relaxed: &RecordBatch,
    schema: &Schema,
    rejects: &mut Rejects,
) -> Result<BooleanBuffer, DecodeError> {
    let mut good = BooleanBufferBuilder::new(relaxed.num_rows());
    let columns = relaxed
        .columns()
        .iter()
        .zip(schema.fields())
        .filter(|(_, field)| is_required(field))
        .collect::<Vec<_>>();
    for row in 0..relaxed.num_rows() {
        let mut path = Vec::new();
        let found = columns.iter().any(|(array, field)| is_bad(array, field, row, &mut path));
        good.append(!found);
        if found {
            let reason = "the value is null, but the column is required".to_owned();
            rejects.bad(row as u32, Fault { code: code::NULL_IN_REQUIRED, reason, path })?;
        } else {
            rejects.good(row as u32);
        }
    }
    Ok(good.finish())
}

/// True if the value, or one inside it, is a null that is not allowed; then `path` leads there.
fn is_bad(array: &dyn Array, field: &Field, index: usize, path: &mut Vec<Step>) -> bool {
    let bad = if is_null(array, index) {
        !field.is_nullable()
    } else {
        match field.data_type() {
            DataType::Struct(fields) => {
                let array = array.as_struct();
                array
                    .columns()
                    .iter()
                    .zip(fields)
                    .any(|(child, field)| is_bad(child, field, index, path))
            }
            DataType::List(item) | DataType::Map(item, _) => {
                let array = array.as_list::<i32>();
                any_item(array.values(), item, bounds(array, index), path)
            }
            DataType::LargeList(item) => {
                let array = array.as_list::<i64>();
                any_item(array.values(), item, bounds(array, index), path)
            }
            DataType::FixedSizeList(item, size) => {
                let (array, size) = (array.as_fixed_size_list(), *size as usize);
                any_item(array.values(), item, index * size..(index + 1) * size, path)
            }
            _ => false,
        }
    };
    if bad {
        path.push(Step::Field(field.name().clone()));
    }
    bad
}

fn any_item(
    items: &dyn Array,
    field: &Field,
    mut range: Range<usize>,
    path: &mut Vec<Step>,
) -> bool {
    let start = range.start;
    range.any(|index| {
        let bad = is_bad(items, field, index, path);
        if bad {
            path.pop(); // an element has no name, only its place
            path.push(Step::Item(index - start));
        }
        bad
    })
}

fn bounds<O: OffsetSizeTrait>(array: &GenericListArray<O>, index: usize) -> Range<usize> {
    let offsets = array.value_offsets();
    offsets[index].as_usize()..offsets[index + 1].as_usize()
}

/// True if the value is null, be it behind the key of a dictionary.
fn is_null(array: &dyn Array, index: usize) -> bool {
    array.is_null(index)
        || array.as_any_dictionary_opt().is_some_and(|dictionary| {
            let (keys, values) = (dictionary.keys(), dictionary.values());
            let key = downcast_integer_array!(
                keys => keys.value(index).as_usize(),
                _ => unreachable!("a dictionary's keys are integers")
            );
            values.null_count() > 0 && values.is_null(key)
        })
}

/// The good rows of the relaxed columns, with the types of `schema`.
pub(super) fn keep(
    relaxed: &RecordBatch,
    schema: &Schema,
    good: &BooleanBuffer,
) -> Result<Vec<ArrayRef>, ArrowError> {
    let good = BooleanArray::new(good.clone(), None);
    let columns = relaxed.columns().iter().zip(schema.fields());
    columns
        .map(|(column, field)| {
            let kept = filter(column, &good)?.to_data();
            retype(&kept, field).map(make_array)
        })
        .collect()
}

/// The data with the type of `field`, where only nulls that a null around them hides are left in
/// required fields.
fn retype(data: &ArrayData, field: &Field) -> Result<ArrayData, ArrowError> {
    let mut children = data.child_data().to_vec();
    for (child, field) in children.iter_mut().zip(inner(field.data_type())) {
        *child = retype(child, field)?;
    }
    fit(data, data.nulls(), children, field.data_type())
}

/// Puts the data together. Arrow allows hidden nulls in required fields in some places only; in the
/// others the values that stand there are taken. Not everywhere, as they may be no values at all:
/// behind a null the key of a dictionary is arbitrary.
fn fit(
    data: &ArrayData,
    nulls: Option<&NullBuffer>,
    mut children: Vec<ArrayData>,
    data_type: &DataType,
) -> Result<ArrayData, ArrowError> {
    let build = |children| {
        let data = data.clone().into_builder().data_type(data_type.clone());
        data.nulls(nulls.cloned()).child_data(children).build()
    };
    build(children.clone()).or_else(|_| {
        for (child, field) in children.iter_mut().zip(inner(data_type)) {
            if !field.is_nullable() {
                *child = fit(child, None, child.child_data().to_vec(), field.data_type())?;
            }
        }
        build(children)
    })
}
