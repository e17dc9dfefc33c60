//! Single values: random ones, and the ends of every range.

use std::sync::Arc;

use arrow_array::{types::*, *};
use arrow_buffer::{ArrowNativeType, NullBuffer, i256};
use arrow_schema::{
    DataType::{self, *},
    TimeUnit::{Microsecond, Millisecond, Nanosecond, Second},
};

use crate::{generate::nines, source::Source};

type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// 0001-01-01 and 9999-12-31, in days since 1970-01-01.
const DAYS: [i64; 2] = [-719_162, 2_932_896];
const DAY_S: i64 = 86_400;

/// An array of a type without parts.
pub fn scalars(
    of: &DataType,
    len: usize,
    nulls: Option<NullBuffer>,
    source: &mut Source,
) -> ArrayRef {
    macro_rules! integers {
        ($type:ty) => {{
            type Native = <$type as ArrowPrimitiveType>::Native;
            let ends = [Native::MIN, Native::MAX, 0, 1, Native::MAX - 1, Native::MIN + 1];
            numbers::<$type>(of, len, nulls, source, &ends, |source| source.integer() as Native)
        }};
    }
    match of {
        Null => Arc::new(NullArray::new(len)),
        Boolean => {
            let values = (0..len).map(|at| source.special(at, &[false, true]).unwrap_or(true));
            Arc::new(BooleanArray::new(values.collect(), nulls))
        }
        Int8 => integers!(Int8Type),
        Int16 => integers!(Int16Type),
        Int32 => integers!(Int32Type),
        Int64 => integers!(Int64Type),
        UInt8 => integers!(UInt8Type),
        UInt16 => integers!(UInt16Type),
        UInt32 => integers!(UInt32Type),
        UInt64 => integers!(UInt64Type),
        Duration(Second) => integers!(DurationSecondType),
        Duration(Millisecond) => integers!(DurationMillisecondType),
        Duration(Microsecond) => integers!(DurationMicrosecondType),
        Duration(Nanosecond) => integers!(DurationNanosecondType),
        Float16 | Float32 | Float64 => floats(of, len, nulls, source),
        Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => {
            decimals(of, len, nulls, source)
        }
        Utf8 | LargeUtf8 | Utf8View => {
            let texts = special_texts();
            let value = |at| source.special(at, &texts).unwrap_or_else(|| source.text());
            text_array(of, (0..len).map(value).collect(), nulls.as_ref())
        }
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => bytes(of, len, nulls, source),
        _ => times(of, len, nulls, source),
    }
}

fn numbers<T: ArrowPrimitiveType>(
    of: &DataType,
    len: usize,
    nulls: Option<NullBuffer>,
    source: &mut Source,
    special: &[T::Native],
    other: impl Fn(&mut Source) -> T::Native,
) -> ArrayRef {
    let value = |at| source.special(at, special).unwrap_or_else(|| other(source));
    let values: Vec<T::Native> = (0..len).map(value).collect();
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(of.clone()))
}

fn floats(of: &DataType, len: usize, nulls: Option<NullBuffer>, source: &mut Source) -> ArrayRef {
    let shared = [0.0, -0.0, 1.0, -1.5, 0.1, 1e-4, 65504.0, f64::NAN, f64::INFINITY];
    let mut all = shared.to_vec();
    all.push(f64::NEG_INFINITY);
    match of {
        Float16 => {
            let mut halves: Vec<Half> = all.iter().map(|value| Half::from_f64(*value)).collect();
            // The smallest subnormal, the largest one, the smallest that is normal, the largest.
            halves.extend([0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff].map(Half::from_bits));
            numbers::<Float16Type>(of, len, nulls, source, &halves, |source| {
                Half::from_bits(source.next() as u16)
            })
        }
        Float32 => {
            let mut singles: Vec<f32> = all.iter().map(|value| *value as f32).collect();
            singles.extend([1, 0x8000_0001, 0x007f_ffff].map(f32::from_bits));
            singles.extend([f32::MIN_POSITIVE, f32::MIN, f32::MAX, f32::EPSILON, 16_777_216.0]);
            numbers::<Float32Type>(of, len, nulls, source, &singles, |source| {
                f32::from_bits(source.next() as u32)
            })
        }
        _ => {
            all.extend([1, 1 << 63 | 1, 0x000f_ffff_ffff_ffff].map(f64::from_bits));
            all.extend([f64::MIN_POSITIVE, f64::MIN, f64::MAX, f64::EPSILON]);
            all.extend([9_007_199_254_740_993.0, 1e15, 1e16, 1e17, 123_456_789_012_345_680.0]);
            all.extend([1e21, 1e22, 1e23, 1e-5, 1e-7, 5e-324, 2.225_073_858_507_201e-308]);
            numbers::<Float64Type>(of, len, nulls, source, &all, |source| {
                f64::from_bits(source.next())
            })
        }
    }
}

fn decimals(of: &DataType, len: usize, nulls: Option<NullBuffer>, source: &mut Source) -> ArrayRef {
    macro_rules! narrow {
        ($type:ty, $precision:expr) => {{
            let most =
                nines($precision).to_i128().unwrap() as <$type as ArrowPrimitiveType>::Native;
            let special = [most, -most, 0, 1, -1, most / 10, 10.min(most), (-100).max(-most)];
            numbers::<$type>(of, len, nulls, source, &special, |source| {
                source.digits($precision).to_i128().unwrap() as _
            })
        }};
    }
    match *of {
        Decimal32(precision, _) => narrow!(Decimal32Type, precision),
        Decimal64(precision, _) => narrow!(Decimal64Type, precision),
        Decimal128(precision, _) => narrow!(Decimal128Type, precision),
        Decimal256(precision, _) => {
            let most = nines(precision);
            let (one, wide) = (i256::ONE, i256::from_i128(i128::MAX));
            let mut special = vec![most, i256::ZERO - most, i256::ZERO, one, i256::ZERO - one];
            if wide < most {
                // Around the border of 128 bits.
                special.extend([wide, wide + one, i256::ZERO - wide - one - one]);
            }
            let other = |source: &mut Source| source.digits(precision);
            numbers::<Decimal256Type>(of, len, nulls, source, &special, other)
        }
        _ => panic!("{of} is no decimal"),
    }
}

fn times(of: &DataType, len: usize, nulls: Option<NullBuffer>, source: &mut Source) -> ArrayRef {
    /// Multiples of `step` from the first to the last; `unit` of them are a second.
    fn within<T: ArrowPrimitiveType>(
        of: &DataType,
        (len, nulls): (usize, Option<NullBuffer>),
        source: &mut Source,
        [first, last]: [i64; 2],
        (unit, step): (i64, i64),
    ) -> ArrayRef
    where
        T::Native: TryFrom<i64, Error: std::fmt::Debug>,
    {
        // Before and behind 1970, with every digit of the fraction, and a leap day.
        let leap = 951_782_400 * unit;
        let some = [first, last, 0, 1, -1, unit - 1, -unit, 1 - unit, unit, leap];
        let fits = |value: &i64| (first..=last).contains(value) && value % step == 0;
        let native = |value: i64| T::Native::try_from(value).unwrap();
        let special: Vec<T::Native> = some.into_iter().filter(fits).map(native).collect();
        numbers::<T>(of, len, nulls, source, &special, |source| {
            native(source.between([first, last]) / step * step)
        })
    }
    let room = (len, nulls);
    let seconds = [DAYS[0] * DAY_S, DAYS[1] * DAY_S + DAY_S - 1];
    let years = |unit: i64| [seconds[0] * unit, seconds[1] * unit + unit - 1];
    let clock = |unit: i64| [0, DAY_S * unit - 1];
    let (ms, us, ns) = (1_000, 1_000_000, 1_000_000_000);
    let days_ms = DAYS.map(|day| day * DAY_S * ms);
    match of {
        Date32 => within::<Date32Type>(of, room, source, DAYS, (1, 1)),
        Date64 => within::<Date64Type>(of, room, source, days_ms, (ms, DAY_S * ms)),
        Time32(Second) => within::<Time32SecondType>(of, room, source, clock(1), (1, 1)),
        Time32(_) => within::<Time32MillisecondType>(of, room, source, clock(ms), (ms, 1)),
        Time64(Microsecond) => {
            within::<Time64MicrosecondType>(of, room, source, clock(us), (us, 1))
        }
        Time64(_) => within::<Time64NanosecondType>(of, room, source, clock(ns), (ns, 1)),
        Timestamp(Second, _) => within::<TimestampSecondType>(of, room, source, years(1), (1, 1)),
        Timestamp(Millisecond, _) => {
            within::<TimestampMillisecondType>(of, room, source, years(ms), (ms, 1))
        }
        Timestamp(Microsecond, _) => {
            within::<TimestampMicrosecondType>(of, room, source, years(us), (us, 1))
        }
        Timestamp(Nanosecond, _) => {
            let all = [i64::MIN, i64::MAX];
            within::<TimestampNanosecondType>(of, room, source, all, (ns, 1))
        }
        other => panic!("no {other} is made here"),
    }
}

fn bytes(of: &DataType, len: usize, nulls: Option<NullBuffer>, source: &mut Source) -> ArrayRef {
    if let FixedSizeBinary(size) = of {
        let width = size.as_usize();
        let special = [vec![0; width], vec![0xff; width], vec![0x80; width]];
        let value = |at| {
            let other = |source: &mut Source| (0..width).map(|_| source.next() as u8).collect();
            source.special(at, &special).unwrap_or_else(|| other(source))
        };
        let values: Vec<u8> = (0..len).flat_map(value).collect();
        return Arc::new(FixedSizeBinaryArray::new(*size, values.into(), nulls));
    }
    let special =
        [vec![], vec![0], vec![0xff], vec![0xfb, 0xfe], vec![0, 0, 0], (0..=255).collect()];
    let value = |at| {
        let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at));
        let other =
            |source: &mut Source| (0..source.below(70)).map(|_| source.next() as u8).collect();
        let value: Vec<u8> = source.special(at, &special).unwrap_or_else(|| other(source));
        valid.then_some(value)
    };
    let values = (0..len).map(value);
    match of {
        Binary => Arc::new(values.collect::<BinaryArray>()),
        LargeBinary => Arc::new(values.collect::<LargeBinaryArray>()),
        _ => Arc::new(values.collect::<BinaryViewArray>()),
    }
}

/// Texts that some reader or other could take for something else, and every plane of Unicode.
fn special_texts() -> Vec<String> {
    let planes = (0..=16_u32).flat_map(|plane| {
        let points = [0x1_0000 * plane + 0xa000, 0x1_0000 * plane + 0xffff];
        points.map(|point| char::from_u32(point).expect("no surrogate is asked for"))
    });
    let mut texts = vec![planes.collect()];
    let fixed = [
        "",
        " ",
        "a",
        "\"",
        "\"\"",
        "\\",
        "\\\"",
        "\r\n",
        "\n",
        "\r",
        "\t",
        "\u{0}",
        "\u{1f}\u{7f}",
        "\u{feff}",
        "\u{feff}a",
        "\u{2028}\u{2029}\u{85}",
        "\u{d7ff}\u{e000}\u{fffe}",
        "'",
        "NULL",
        "null",
        "NaN",
        "true",
        "0",
        "-1",
        "=1+1",
        "@a",
        "＝1",
        "＋1",
        "－1",
        "＠a",
        ",",
        ";",
        "|",
        "a b",
        " a ",
        "\ta\t",
        "2013-01-01",
        "{\"a\":1}",
        "é\u{301}😀",
    ];
    texts.extend(fixed.map(str::to_owned));
    texts
}

/// Texts that are JSON.
pub fn json(
    of: &DataType,
    len: usize,
    nulls: Option<&NullBuffer>,
    source: &mut Source,
) -> ArrayRef {
    const JSON: [&str; 9] = [
        r#"{"a":[1,-2.50,null,true],"b":{},"é\n\u0000":"\ud83d\ude00,;|"}"#,
        " [ 1 ,\t{ \"a b\" : \" \" }\r\n] ",
        "null",
        "false",
        "0",
        "-12.5e-3",
        "9007199254740993",
        "\"\"",
        "[[[[[[[[[[[]]]]]]]]]]]",
    ];
    let texts = (0..len).map(|at| {
        let text = source.special(at, &JSON).unwrap_or_else(|| JSON[source.below(JSON.len())]);
        text.to_owned()
    });
    text_array(of, texts.collect(), nulls)
}

fn text_array(of: &DataType, texts: Vec<String>, nulls: Option<&NullBuffer>) -> ArrayRef {
    let valid = |at| nulls.is_none_or(|nulls| nulls.is_valid(at));
    let texts = texts.into_iter().enumerate().map(|(at, text)| valid(at).then_some(text));
    match of {
        Utf8 => Arc::new(texts.collect::<StringArray>()),
        LargeUtf8 => Arc::new(texts.collect::<LargeStringArray>()),
        _ => Arc::new(texts.collect::<StringViewArray>()),
    }
}

/// Keys of maps of these lengths; those of one map differ, since few readers keep equal ones.
pub fn keys(of: &DataType, lengths: &[usize], source: &mut Source) -> ArrayRef {
    /// As many of `all` as the map is long, from any of them on.
    fn some<T: Clone>(lengths: &[usize], source: &mut Source, all: &[T]) -> Vec<T> {
        let of_one = |len: &usize| {
            let first = source.below(all.len());
            (0..*len).map(|at| all[(first + at) % all.len()].clone()).collect::<Vec<T>>()
        };
        lengths.iter().flat_map(of_one).collect()
    }
    macro_rules! integers {
        ($type:ty) => {{
            type Native = <$type as ArrowPrimitiveType>::Native;
            let all = [Native::MIN, 7, Native::MAX, 10];
            Arc::new(PrimitiveArray::<$type>::from(some(lengths, source, &all)))
        }};
    }
    let texts = ["", "a", "1", "key \"with\" é😀\n", "null"];
    match of {
        Int8 => integers!(Int8Type),
        Int16 => integers!(Int16Type),
        Int32 => integers!(Int32Type),
        Int64 => integers!(Int64Type),
        UInt8 => integers!(UInt8Type),
        UInt64 => integers!(UInt64Type),
        Boolean => Arc::new(BooleanArray::from(some(lengths, source, &[false, true]))),
        Utf8 => Arc::new(StringArray::from(some(lengths, source, &texts))),
        LargeUtf8 => Arc::new(LargeStringArray::from(some(lengths, source, &texts))),
        Utf8View => Arc::new(StringViewArray::from(some(lengths, source, &texts))),
        Dictionary(..) => {
            let texts = some(lengths, source, &texts).into_iter();
            Arc::new(texts.collect::<DictionaryArray<Int8Type>>())
        }
        other => panic!("no keys of {other} are made here"),
    }
}
