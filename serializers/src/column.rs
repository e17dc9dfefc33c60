//! One batch's arrays as typed slices, so that the loops over rows look nothing up.

use std::{cell::Cell, ops::Range};

use arrow_array::{
    Array, ArrowPrimitiveType, BinaryViewArray, BooleanArray, FixedSizeBinaryArray,
    GenericByteArray, LargeStringArray, OffsetSizeTrait, RecordBatch, StringArray, StringViewArray,
    cast::AsArray, types::*,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, i256};
use arrow_schema::{DataType, TimeUnit};

use crate::{
    number::Digits,
    shape::{Members, Shape, has_zone, is_text, without_dictionary},
    style::Styled,
    time::Day,
};

/// The native type of half floats, which Arrow takes from a crate of its own.
pub(crate) type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// A column, or a part of one.
pub(crate) struct Column<'a> {
    /// Set only if there are nulls.
    pub(crate) nulls: Option<&'a NullBuffer>,
    pub(crate) values: Values<'a>,
}

impl Column<'_> {
    #[inline(always)]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }
}

/// The values of a column; what stands where it is null means nothing.
pub(crate) enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    /// Durations too.
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float16(&'a [Half]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal32(&'a [i32], Digits),
    Decimal64(&'a [i64], Digits),
    Decimal128(&'a [i128], Digits),
    Decimal256(&'a [i256], Digits),
    Date32(&'a [i32]),
    Date64(&'a [i64]),
    Time32(&'a [i32], TimeUnit),
    Time64(&'a [i64], TimeUnit),
    Timestamp(Timestamps<'a>),
    Utf8(Runs<'a, i32>),
    LargeUtf8(Runs<'a, i64>),
    Utf8View(&'a StringViewArray),
    Binary(Runs<'a, i32>),
    LargeBinary(Runs<'a, i64>),
    BinaryView(&'a BinaryViewArray),
    FixedSizeBinary(&'a FixedSizeBinaryArray),
    Json(Texts<'a>),
    List(Bounds<'a>, Box<Column<'a>>),
    Struct(Struct<'a>),
    Map(Map<'a>),
    Dictionary(Integers<'a>, Box<Column<'a>>),
    /// Never bound: a format's options make it of other values.
    Styled(Box<Styled<'a>>),
}

/// Points in time.
pub(crate) struct Timestamps<'a> {
    pub(crate) values: &'a [i64],
    pub(crate) unit: TimeUnit,
    /// Whether they are instants, or else a clock's face somewhere.
    pub(crate) utc: bool,
    /// The day of the value written last.
    pub(crate) day: Cell<Day>,
}

/// Text or bytes of any length, one after another.
#[derive(Clone, Copy)]
pub(crate) struct Runs<'a, O> {
    offsets: &'a [O],
    pub(crate) data: &'a [u8],
}

impl<'a, O: OffsetSizeTrait> Runs<'a, O> {
    fn new<T: ByteArrayType<Offset = O>>(array: &'a GenericByteArray<T>) -> Self {
        Self { offsets: array.value_offsets(), data: array.value_data() }
    }

    #[inline(always)]
    pub(crate) fn range(&self, row: usize) -> Range<usize> {
        self.offsets[row].as_usize()..self.offsets[row + 1].as_usize()
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> &'a [u8] {
        &self.data[self.range(row)]
    }
}

/// Text of any encoding, for those who read it as `str`.
pub(crate) enum Texts<'a> {
    Small(&'a StringArray),
    Large(&'a LargeStringArray),
    View(&'a StringViewArray),
}

impl<'a> Texts<'a> {
    pub(crate) fn get(&self, row: usize) -> &'a str {
        match self {
            Self::Small(array) => array.value(row),
            Self::Large(array) => array.value(row),
            Self::View(array) => array.value(row),
        }
    }
}

/// Where the items of each list stand.
pub(crate) enum Bounds<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    Fixed(usize),
}

impl Bounds<'_> {
    #[inline]
    pub(crate) fn range(&self, row: usize) -> Range<usize> {
        match self {
            Self::Small(offsets) => offsets[row].as_usize()..offsets[row + 1].as_usize(),
            Self::Large(offsets) => offsets[row].as_usize()..offsets[row + 1].as_usize(),
            Self::Fixed(len) => row * len..(row + 1) * len,
        }
    }
}

/// The fields of a struct.
pub(crate) struct Struct<'a> {
    /// The number of the first field in the schema's tree.
    pub(crate) first: usize,
    pub(crate) members: Vec<Column<'a>>,
}

/// The entries of maps.
pub(crate) struct Map<'a> {
    pub(crate) bounds: Bounds<'a>,
    pub(crate) keys: Box<Column<'a>>,
    pub(crate) keys_are_text: bool,
    pub(crate) values: Box<Column<'a>>,
}

/// Integers of any width: values, or the keys of a dictionary.
pub(crate) enum Integers<'a> {
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
}

/// What one of them is, as `$of` makes it.
macro_rules! of_integers {
    ($integers:expr, $row:expr, $of:expr) => {
        match $integers {
            Integers::Int8(values) => $of(values[$row]),
            Integers::Int16(values) => $of(values[$row]),
            Integers::Int32(values) => $of(values[$row]),
            Integers::Int64(values) => $of(values[$row]),
            Integers::UInt8(values) => $of(values[$row]),
            Integers::UInt16(values) => $of(values[$row]),
            Integers::UInt32(values) => $of(values[$row]),
            Integers::UInt64(values) => $of(values[$row]),
        }
    };
}

impl Integers<'_> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> i128 {
        of_integers!(self, row, i128::from)
    }

    /// One that is a dictionary's key.
    #[inline]
    pub(crate) fn key(&self, row: usize) -> usize {
        of_integers!(self, row, ArrowNativeType::as_usize)
    }
}

/// Binds the columns of a batch that has the schema of `root`.
pub(crate) fn bind_batch<'a>(root: &Members, batch: &'a RecordBatch) -> Struct<'a> {
    bind_members(root, batch.columns().iter().map(AsRef::as_ref))
}

fn bind_members<'a>(of: &Members, arrays: impl Iterator<Item = &'a dyn Array>) -> Struct<'a> {
    let members = of.shapes.iter().zip(arrays).map(|(shape, array)| bind(shape, array)).collect();
    Struct { first: of.first, members }
}

/// Binds an array whose type has the shape `shape`; every downcast rests on that.
fn bind<'a>(shape: &Shape, array: &'a dyn Array) -> Column<'a> {
    let values = match shape {
        Shape::Scalar => bind_scalar(array),
        Shape::Json => Values::Json(match array.data_type() {
            DataType::Utf8 => Texts::Small(array.as_string()),
            DataType::LargeUtf8 => Texts::Large(array.as_string()),
            _ => Texts::View(array.as_string_view()),
        }),
        Shape::List(item) => {
            let (bounds, items) = match array.data_type() {
                DataType::List(_) => {
                    let lists = array.as_list::<i32>();
                    (Bounds::Small(lists.value_offsets()), lists.values())
                }
                DataType::LargeList(_) => {
                    let lists = array.as_list::<i64>();
                    (Bounds::Large(lists.value_offsets()), lists.values())
                }
                _ => {
                    let lists = array.as_fixed_size_list();
                    (Bounds::Fixed(lists.value_length().as_usize()), lists.values())
                }
            };
            Values::List(bounds, Box::new(bind(item, items)))
        }
        Shape::Struct(members) => {
            let columns = array.as_struct().columns();
            Values::Struct(bind_members(members, columns.iter().map(AsRef::as_ref)))
        }
        Shape::Map(key, value) => {
            let maps = array.as_map();
            Values::Map(Map {
                bounds: Bounds::Small(maps.value_offsets()),
                keys: Box::new(bind(key, maps.keys())),
                keys_are_text: is_text(without_dictionary(maps.key_type())),
                values: Box::new(bind(value, maps.values())),
            })
        }
        Shape::Dictionary(value) => {
            let dictionary = array.as_any_dictionary();
            let keys = bind_keys(dictionary.keys());
            Values::Dictionary(keys, Box::new(bind(value, dictionary.values().as_ref())))
        }
    };
    Column { nulls: array.nulls().filter(|nulls| nulls.null_count() > 0), values }
}

fn slice<T: ArrowPrimitiveType>(array: &dyn Array) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

fn bind_keys(keys: &dyn Array) -> Integers<'_> {
    match keys.data_type() {
        DataType::Int8 => Integers::Int8(slice::<Int8Type>(keys)),
        DataType::Int16 => Integers::Int16(slice::<Int16Type>(keys)),
        DataType::Int32 => Integers::Int32(slice::<Int32Type>(keys)),
        DataType::Int64 => Integers::Int64(slice::<Int64Type>(keys)),
        DataType::UInt8 => Integers::UInt8(slice::<UInt8Type>(keys)),
        DataType::UInt16 => Integers::UInt16(slice::<UInt16Type>(keys)),
        DataType::UInt32 => Integers::UInt32(slice::<UInt32Type>(keys)),
        DataType::UInt64 => Integers::UInt64(slice::<UInt64Type>(keys)),
        other => unreachable!("dictionary keys are integers, not {other}"),
    }
}

fn bind_scalar(array: &dyn Array) -> Values<'_> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let digits = |&precision: &u8, &scale: &i8| Digits { precision, scale };
    match array.data_type() {
        DataType::Null => Values::Null,
        DataType::Boolean => Values::Boolean(array.as_boolean()),
        DataType::Int8 => Values::Int8(slice::<Int8Type>(array)),
        DataType::Int16 => Values::Int16(slice::<Int16Type>(array)),
        DataType::Int32 => Values::Int32(slice::<Int32Type>(array)),
        DataType::Int64 => Values::Int64(slice::<Int64Type>(array)),
        DataType::UInt8 => Values::UInt8(slice::<UInt8Type>(array)),
        DataType::UInt16 => Values::UInt16(slice::<UInt16Type>(array)),
        DataType::UInt32 => Values::UInt32(slice::<UInt32Type>(array)),
        DataType::UInt64 => Values::UInt64(slice::<UInt64Type>(array)),
        DataType::Float16 => Values::Float16(slice::<Float16Type>(array)),
        DataType::Float32 => Values::Float32(slice::<Float32Type>(array)),
        DataType::Float64 => Values::Float64(slice::<Float64Type>(array)),
        DataType::Decimal32(precision, scale) => {
            Values::Decimal32(slice::<Decimal32Type>(array), digits(precision, scale))
        }
        DataType::Decimal64(precision, scale) => {
            Values::Decimal64(slice::<Decimal64Type>(array), digits(precision, scale))
        }
        DataType::Decimal128(precision, scale) => {
            Values::Decimal128(slice::<Decimal128Type>(array), digits(precision, scale))
        }
        DataType::Decimal256(precision, scale) => {
            Values::Decimal256(slice::<Decimal256Type>(array), digits(precision, scale))
        }
        DataType::Date32 => Values::Date32(slice::<Date32Type>(array)),
        DataType::Date64 => Values::Date64(slice::<Date64Type>(array)),
        DataType::Time32(Second) => Values::Time32(slice::<Time32SecondType>(array), Second),
        DataType::Time32(unit) => Values::Time32(slice::<Time32MillisecondType>(array), *unit),
        DataType::Time64(Microsecond) => {
            Values::Time64(slice::<Time64MicrosecondType>(array), Microsecond)
        }
        DataType::Time64(unit) => Values::Time64(slice::<Time64NanosecondType>(array), *unit),
        DataType::Timestamp(unit, zone) => Values::Timestamp(Timestamps {
            values: match unit {
                Second => slice::<TimestampSecondType>(array),
                Millisecond => slice::<TimestampMillisecondType>(array),
                Microsecond => slice::<TimestampMicrosecondType>(array),
                Nanosecond => slice::<TimestampNanosecondType>(array),
            },
            unit: *unit,
            utc: has_zone(zone.as_deref()),
            day: Cell::new(Day::EPOCH),
        }),
        DataType::Duration(unit) => Values::Int64(match unit {
            Second => slice::<DurationSecondType>(array),
            Millisecond => slice::<DurationMillisecondType>(array),
            Microsecond => slice::<DurationMicrosecondType>(array),
            Nanosecond => slice::<DurationNanosecondType>(array),
        }),
        DataType::Utf8 => Values::Utf8(Runs::new(array.as_string())),
        DataType::LargeUtf8 => Values::LargeUtf8(Runs::new(array.as_string())),
        DataType::Utf8View => Values::Utf8View(array.as_string_view()),
        DataType::Binary => Values::Binary(Runs::new(array.as_binary())),
        DataType::LargeBinary => Values::LargeBinary(Runs::new(array.as_binary())),
        DataType::BinaryView => Values::BinaryView(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => Values::FixedSizeBinary(array.as_fixed_size_binary()),
        other => unreachable!("the shape of {other} is not scalar"),
    }
}
