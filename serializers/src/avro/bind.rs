//! A plan bound to the columns of one batch: what the loops over rows read.

use std::collections::HashMap;

use arrow_array::{BinaryViewArray, BooleanArray, FixedSizeBinaryArray, StringViewArray};
use arrow_buffer::{NullBuffer, i256};

use super::{
    convert::Check,
    decimal::Decimal,
    plan::{Kind, Node, Record, Slot, Tag},
};
use crate::column::{Bounds, Column, Half, Integers, Runs, Struct, Texts, Values};

/// A column with its plan.
pub(super) struct Bound<'a> {
    /// Set only if there are nulls.
    nulls: Option<&'a NullBuffer>,
    /// Before a value.
    pub(super) tag: Tag,
    /// For a null.
    pub(super) null: Option<Tag>,
    pub(super) op: Op<'a>,
}

impl Bound<'_> {
    #[inline(always)]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }
}

/// The fields of a record, each with the number of its column in the schema's tree; a constant has
/// no column.
pub(super) type Fields<'a> = Vec<(Option<usize>, Bound<'a>)>;

/// What to do for every value.
pub(super) enum Op<'a> {
    Null,
    Constant(&'a [u8]),
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    Checked(Integers<'a>, &'a Check),
    Float16(&'a [Half]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Float16AsDouble(&'a [Half]),
    Float32AsDouble(&'a [f32]),
    IntegerAsFloat(Integers<'a>),
    IntegerAsDouble(Integers<'a>),
    Decimal(Decimals<'a>, &'a Decimal),
    /// Bytes with their length, in the layout that is most common.
    Small(Runs<'a, i32>),
    /// Bytes with their length.
    Bytes(Blobs<'a>),
    Fixed(Blobs<'a>),
    Enum(Blobs<'a>, &'a HashMap<Box<[u8]>, usize>),
    Uuid(Blobs<'a>),
    Array(&'a Bounds<'a>, Box<Bound<'a>>),
    Map(Map<'a>),
    Record(Fields<'a>),
    Dictionary(&'a Integers<'a>, Box<Bound<'a>>),
}

/// Digits of decimals.
pub(super) enum Decimals<'a> {
    Integers(Integers<'a>),
    Decimal128(&'a [i128]),
    Decimal256(&'a [i256]),
}

/// Text or bytes of any layout.
pub(super) enum Blobs<'a> {
    Small(Runs<'a, i32>),
    Large(Runs<'a, i64>),
    TextView(&'a StringViewArray),
    BytesView(&'a BinaryViewArray),
    Fixed(&'a FixedSizeBinaryArray),
    Texts(&'a Texts<'a>),
}

impl Blobs<'_> {
    #[inline]
    pub(super) fn get(&self, row: usize) -> &[u8] {
        match self {
            Self::Small(runs) => runs.get(row),
            Self::Large(runs) => runs.get(row),
            Self::TextView(array) => array.value(row).as_bytes(),
            Self::BytesView(array) => array.value(row),
            Self::Fixed(array) => array.value(row),
            Self::Texts(texts) => texts.get(row).as_bytes(),
        }
    }
}

/// The entries of maps.
pub(super) struct Map<'a> {
    pub(super) bounds: &'a Bounds<'a>,
    pub(super) keys: &'a Column<'a>,
    pub(super) values: Box<Bound<'a>>,
}

/// Binds a record to the columns of a batch, or of a struct.
pub(super) fn bind_record<'a>(plan: &'a Record, columns: &'a Struct<'a>) -> Fields<'a> {
    let bind_slot = |slot: &'a Slot| match slot {
        Slot::Column(at, node) => (Some(columns.first + at), bind(node, &columns.members[*at])),
        Slot::Constant(bytes) => {
            (None, Bound { nulls: None, tag: Tag::NONE, null: None, op: Op::Constant(bytes) })
        }
    };
    plan.slots.iter().map(bind_slot).collect()
}

fn bind<'a>(node: &'a Node, column: &'a Column<'a>) -> Bound<'a> {
    let (nulls, null) = (column.nulls, node.null);
    if let Values::Dictionary(keys, values) = &column.values {
        // The value may be null where its key is not, so that it brings the branch itself.
        let op = Op::Dictionary(keys, Box::new(bind(node, values)));
        return Bound { nulls, tag: Tag::NONE, null, op };
    }
    let values = &column.values;
    let op = match &node.kind {
        Kind::Null => {
            // Every value is null, whatever the array says.
            return Bound { nulls: None, tag: null.unwrap_or(Tag::NONE), null, op: Op::Null };
        }
        Kind::Boolean => match values {
            Values::Boolean(values) => Op::Boolean(values),
            _ => unplanned(),
        },
        Kind::Integer => bind_integer(values),
        Kind::Checked(check) => Op::Checked(integers(values), check),
        Kind::Float => match values {
            Values::Float16(values) => Op::Float16(values),
            Values::Float32(values) => Op::Float32(values),
            values => Op::IntegerAsFloat(integers(values)),
        },
        Kind::Double => match values {
            Values::Float16(values) => Op::Float16AsDouble(values),
            Values::Float32(values) => Op::Float32AsDouble(values),
            Values::Float64(values) => Op::Float64(values),
            values => Op::IntegerAsDouble(integers(values)),
        },
        Kind::Decimal(decimal) => match values {
            Values::Decimal128(values, _) => Op::Decimal(Decimals::Decimal128(values), decimal),
            Values::Decimal256(values, _) => Op::Decimal(Decimals::Decimal256(values), decimal),
            values => Op::Decimal(Decimals::Integers(integers(values)), decimal),
        },
        Kind::Bytes => match blobs(values) {
            Blobs::Small(runs) => Op::Small(runs),
            blobs => Op::Bytes(blobs),
        },
        Kind::Fixed => Op::Fixed(blobs(values)),
        Kind::Enum(symbols) => Op::Enum(blobs(values), symbols),
        Kind::Uuid => Op::Uuid(blobs(values)),
        Kind::Array(item) => match values {
            Values::List(bounds, items) => Op::Array(bounds, Box::new(bind(item, items))),
            _ => unplanned(),
        },
        Kind::Map(value) => match values {
            Values::Map(map) => {
                let values = Box::new(bind(value, &map.values));
                Op::Map(Map { bounds: &map.bounds, keys: &map.keys, values })
            }
            _ => unplanned(),
        },
        Kind::Record(record) => match values {
            Values::Struct(columns) => Op::Record(bind_record(record, columns)),
            _ => unplanned(),
        },
    };
    Bound { nulls, tag: node.value, null, op }
}

/// The batch has the schema of the plan, which pairs no others.
fn unplanned() -> ! {
    unreachable!("the plan is of another schema than the batch")
}

fn bind_integer<'a>(values: &'a Values<'a>) -> Op<'a> {
    match integers(values) {
        Integers::Int8(values) => Op::Int8(values),
        Integers::Int16(values) => Op::Int16(values),
        Integers::Int32(values) => Op::Int32(values),
        Integers::Int64(values) => Op::Int64(values),
        Integers::UInt8(values) => Op::UInt8(values),
        Integers::UInt16(values) => Op::UInt16(values),
        Integers::UInt32(values) => Op::UInt32(values),
        Integers::UInt64(_) => unplanned(),
    }
}

/// The integers that values are inside.
fn integers<'a>(values: &'a Values<'a>) -> Integers<'a> {
    match values {
        Values::Int8(values) => Integers::Int8(values),
        Values::Int16(values) => Integers::Int16(values),
        Values::Int32(values)
        | Values::Date32(values)
        | Values::Time32(values, _)
        | Values::Decimal32(values, _) => Integers::Int32(values),
        Values::Int64(values)
        | Values::Date64(values)
        | Values::Time64(values, _)
        | Values::Decimal64(values, _) => Integers::Int64(values),
        Values::Timestamp(timestamps) => Integers::Int64(timestamps.values),
        Values::UInt8(values) => Integers::UInt8(values),
        Values::UInt16(values) => Integers::UInt16(values),
        Values::UInt32(values) => Integers::UInt32(values),
        Values::UInt64(values) => Integers::UInt64(values),
        _ => unplanned(),
    }
}

fn blobs<'a>(values: &'a Values<'a>) -> Blobs<'a> {
    match values {
        Values::Utf8(runs) | Values::Binary(runs) => Blobs::Small(*runs),
        Values::LargeUtf8(runs) | Values::LargeBinary(runs) => Blobs::Large(*runs),
        Values::Utf8View(array) => Blobs::TextView(array),
        Values::BinaryView(array) => Blobs::BytesView(array),
        Values::FixedSizeBinary(array) => Blobs::Fixed(array),
        Values::Json(texts) => Blobs::Texts(texts),
        _ => unplanned(),
    }
}
