//! Types and arrays: every type that the encoder takes, with nulls and with the ends of its range.

use std::{collections::HashMap, sync::Arc};

use arrow_array::{types::*, *};
use arrow_buffer::{NullBuffer, OffsetBuffer, i256};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use proptest::prelude::*;

use DataType::*;
use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};

use crate::{
    source::{EXTREMES, Source},
    values,
};

/// Every type of single values.
pub fn leaves() -> Vec<DataType> {
    let mut of = vec![Null, Boolean, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64];
    of.extend([Float16, Float32, Float64, Date32, Date64]);
    of.extend([Decimal32(9, 2), Decimal32(5, -2), Decimal64(18, 18), Decimal64(18, 0)]);
    of.extend([Decimal128(38, 0), Decimal128(38, 38), Decimal128(20, -3), Decimal128(2, 5)]);
    of.extend([Decimal256(76, 0), Decimal256(76, 76), Decimal256(60, -16), Decimal256(39, 7)]);
    of.extend([Time32(Second), Time32(Millisecond), Time64(Microsecond), Time64(Nanosecond)]);
    for unit in [Second, Millisecond, Microsecond, Nanosecond] {
        of.push(Duration(unit));
        for zone in [None, Some("UTC"), Some("+02:00"), Some("America/New_York")] {
            of.push(Timestamp(unit, zone.map(Into::into)));
        }
    }
    of.extend([Utf8, LargeUtf8, Utf8View, Binary, LargeBinary, BinaryView]);
    of.extend([FixedSizeBinary(1), FixedSizeBinary(16)]);
    of
}

/// Any type, three levels deep.
pub fn data_type() -> impl Strategy<Value = DataType> {
    prop::sample::select(leaves()).prop_recursive(3, 20, 4, |inner| {
        let structs = prop::collection::vec((inner.clone(), any::<bool>()), 0..4);
        prop_oneof![
            1 => structs.prop_map(|of| Struct(fields(of))),
            4 => (inner, any::<u8>()).prop_map(|(of, kind)| around(of, kind)),
        ]
    })
}

/// How many types [`around`] makes of one.
pub const AROUND: u8 = 24;

/// A type that holds others; each kind of lists, maps and dictionaries has its number.
pub fn around(inner: DataType, kind: u8) -> DataType {
    let item = |nullable: bool| {
        let nullable = nullable || is_null(&inner);
        let field = Field::new("item", inner.clone(), nullable);
        Arc::new(field)
    };
    let map = |key: DataType| {
        let pair = vec![Field::new("key", key, false), Field::new("value", inner.clone(), true)];
        Map(Arc::new(Field::new("entries", Struct(pair.into()), false)), false)
    };
    let dictionary = |key: DataType| Dictionary(Box::new(key), Box::new(inner.clone()));
    match kind % AROUND {
        0 => List(item(true)),
        1 => Struct(fields(vec![(inner, true), (Utf8, true)])),
        2 => LargeList(item(false)),
        3 => FixedSizeList(item(true), 2),
        4 => FixedSizeList(item(false), 0),
        5 => map(Utf8),
        6 => map(LargeUtf8),
        7 => map(Utf8View),
        8 => map(Dictionary(Box::new(Int8), Box::new(Utf8))),
        9 => map(Int8),
        10 => map(Int16),
        11 => map(Int32),
        12 => map(Int64),
        13 => map(UInt8),
        14 => map(UInt64),
        15 => map(Boolean),
        16 => dictionary(Int8),
        17 => dictionary(Int16),
        18 => dictionary(Int32),
        19 => dictionary(Int64),
        20 => dictionary(UInt8),
        21 => dictionary(UInt16),
        22 => dictionary(UInt32),
        _ => dictionary(UInt64),
    }
}

/// Whether values of this type are null whatever happens.
fn is_null(of: &DataType) -> bool {
    match of {
        Dictionary(_, value) => is_null(value),
        of => *of == Null,
    }
}

/// Fields by their types and whether they take nulls; most names need care in some format. Every
/// seventh text is JSON.
pub fn fields(of: Vec<(DataType, bool)>) -> Fields {
    const NAMES: [&str; 6] = ["f", "f ", "größe", "a\"b'", "x.y,z;|", "=1\n"];
    let field = |(at, (of, nullable)): (usize, (DataType, bool))| {
        let nullable = nullable || is_null(&of);
        let json = at % 7 == 6 && matches!(of, Utf8 | LargeUtf8 | Utf8View);
        let field = Field::new(format!("{}{at}", NAMES[at % NAMES.len()]), of, nullable);
        if json { as_json(field) } else { field }
    };
    of.into_iter().enumerate().map(field).collect()
}

/// The field with the extension of JSON text.
pub fn as_json(field: Field) -> Field {
    let metadata = [("ARROW:extension:name".to_owned(), "arrow.json".to_owned())];
    field.with_metadata(HashMap::from(metadata))
}

/// A batch of columns by their types and whether they take nulls.
pub fn batch(of: Vec<(DataType, bool)>, rows: usize, seed: u64) -> RecordBatch {
    filled(fields(of), rows, &mut Source::random(seed))
}

/// A batch in which every column holds every end of its type's range, and a null.
pub fn extremes() -> RecordBatch {
    let mut of: Vec<_> = leaves().into_iter().map(|of| (of, true)).collect();
    of.extend((0..AROUND).map(|kind| (around(Int64, kind), true)));
    of.extend((0..AROUND).map(|kind| (around(Utf8, kind), true)));
    let mut fields = fields(of).to_vec();
    for of in [Utf8, LargeUtf8, Utf8View, Dictionary(Box::new(Int32), Box::new(Utf8))] {
        fields.push(Arc::new(as_json(Field::new(format!("json {of}"), of, true))));
    }
    filled(fields.into(), EXTREMES + 1, &mut Source::extremes())
}

fn filled(fields: Fields, rows: usize, source: &mut Source) -> RecordBatch {
    let columns = fields.iter().map(|field| array(field, rows, source)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).unwrap()
}

/// An array of `len` values, cut out of a longer one if that is random.
fn array(field: &Field, len: usize, source: &mut Source) -> ArrayRef {
    let (before, after) = (source.surplus(), source.surplus());
    whole(field, before + len + after, source).slice(before, len)
}

fn whole(field: &Field, len: usize, source: &mut Source) -> ArrayRef {
    let nulls = if field.is_nullable() { source.nulls(len) } else { None };
    let of = field.data_type();
    match of {
        List(item) => {
            let (items, offsets) = items(item, len, source);
            Arc::new(ListArray::new(item.clone(), offsets, items, nulls))
        }
        LargeList(item) => {
            let (items, offsets) = items(item, len, source);
            Arc::new(LargeListArray::new(item.clone(), offsets, items, nulls))
        }
        FixedSizeList(item, size) => {
            let items = array(item, len * usize::try_from(*size).unwrap(), source);
            let lists =
                FixedSizeListArray::try_new_with_length(item.clone(), *size, items, nulls, len);
            Arc::new(lists.unwrap())
        }
        Struct(fields) => {
            let columns = fields.iter().map(|field| array(field, len, source)).collect();
            let whole = StructArray::try_new_with_length(fields.clone(), columns, nulls, len);
            Arc::new(whole.unwrap())
        }
        Map(entries, sorted) => {
            let Struct(pair) = entries.data_type() else { panic!("a map has pairs") };
            let lengths = source.lengths(len);
            let keys = values::keys(pair[0].data_type(), &lengths, source);
            let values = array(&pair[1], keys.len(), source);
            let offsets = OffsetBuffer::from_lengths(lengths);
            let pairs = StructArray::new(pair.clone(), vec![keys, values], None);
            Arc::new(MapArray::new(entries.clone(), offsets, pairs, nulls, *sorted))
        }
        Dictionary(key, value) => {
            let value = field.clone().with_data_type(value.as_ref().clone());
            dictionary(key, &value, len, nulls, source)
        }
        _ if field.extension_type_name() == Some("arrow.json") => {
            values::json(of, len, nulls.as_ref(), source)
        }
        _ => values::scalars(of, len, nulls, source),
    }
}

fn items<O: OffsetSizeTrait>(
    item: &Field,
    len: usize,
    source: &mut Source,
) -> (ArrayRef, OffsetBuffer<O>) {
    let lengths = source.lengths(len);
    (array(item, lengths.iter().sum(), source), OffsetBuffer::from_lengths(lengths))
}

fn dictionary(
    key: &DataType,
    value: &Field,
    len: usize,
    nulls: Option<NullBuffer>,
    source: &mut Source,
) -> ArrayRef {
    let values = array(value, source.dictionary_len(), source);
    macro_rules! keyed {
        ($type:ty) => {{
            type Native = <$type as ArrowPrimitiveType>::Native;
            let key = |at| Native::try_from(source.key(at, values.len())).unwrap();
            let keys: Vec<Native> = (0..len).map(key).collect();
            let keys = PrimitiveArray::<$type>::new(keys.into(), nulls);
            Arc::new(DictionaryArray::new(keys, values.clone()))
        }};
    }
    match key {
        Int8 => keyed!(Int8Type),
        Int16 => keyed!(Int16Type),
        Int32 => keyed!(Int32Type),
        Int64 => keyed!(Int64Type),
        UInt8 => keyed!(UInt8Type),
        UInt16 => keyed!(UInt16Type),
        UInt32 => keyed!(UInt32Type),
        UInt64 => keyed!(UInt64Type),
        other => panic!("{other} is no key"),
    }
}

/// The largest integers of so many digits.
pub fn nines(digits: u8) -> i256 {
    i256::from_string(&"9".repeat(digits.into())).unwrap()
}
