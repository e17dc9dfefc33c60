//! Which Avro type takes which values, and how they are changed for it without changing them.

use arrow_schema::{DataType, TimeUnit};

use super::{
    decimal::{Decimal, ZEROS_MAX},
    plan::{Fit, Kind},
    schema::{Definition, Logical, Plain},
};
use crate::{
    records::RowErrorCode,
    rows::Fault,
    shape::{has_zone, is_text},
    time::per_second,
};

/// How an Arrow type becomes a type of Avro's, or perhaps why it cannot.
pub(super) type Fits = Result<(Kind, Fit), Option<String>>;

/// The milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What an integer must pass before it is written: a range, then a change of its unit.
#[derive(Clone, Debug)]
pub(super) struct Check {
    min: i128,
    max: i128,
    times: i64,
    per: i64,
    /// What is wrong beyond the range.
    out_of_range: &'static str,
    /// What is wrong with a rest.
    inexact: &'static str,
}

impl Check {
    /// A range that the value must be in, in its own unit.
    fn range(min: i64, max: i64, out_of_range: &'static str) -> Self {
        Self { min: min.into(), max: max.into(), times: 1, per: 1, out_of_range, inexact: "" }
    }

    /// A multiplication, and the range in which that is possible.
    fn times(self, times: i64) -> Self {
        let times_wide = i128::from(times);
        let (min, max) = (i128::from(i64::MIN) / times_wide, i128::from(i64::MAX) / times_wide);
        Self { min: self.min.max(min), max: self.max.min(max), times, ..self }
    }

    /// A division that must have no rest.
    fn per(self, per: i64, inexact: &'static str) -> Self {
        Self { per, inexact, ..self }
    }

    #[inline]
    pub(super) fn apply(&self, value: i128) -> Result<i64, Box<Fault>> {
        if value < self.min || value > self.max {
            return Err(Fault::new(RowErrorCode::OutOfRange, self.out_of_range));
        }
        // The bounds are of 64 bits.
        let value = value as i64;
        if self.per == 1 {
            return Ok(value * self.times);
        }
        if value % self.per != 0 {
            return Err(Fault::new(RowErrorCode::Inexact, self.inexact));
        }
        Ok(value / self.per)
    }
}

/// How `of` becomes a plain type.
pub(super) fn to_plain(of: &DataType, plain: Plain, logical: Option<Logical>) -> Fits {
    match (plain, logical) {
        (Plain::Null, _) if *of == DataType::Null => Ok((Kind::Null, Fit::Own)),
        (Plain::Boolean, _) if *of == DataType::Boolean => Ok((Kind::Boolean, Fit::Own)),
        (Plain::Int, None) => to_int(of),
        (Plain::Long, None) => to_long(of),
        (Plain::Int | Plain::Long, Some(logical)) => to_temporal(of, logical),
        (Plain::Float, _) => to_float(of),
        (Plain::Double, _) => to_double(of),
        (Plain::Bytes, Some(Logical::Decimal { precision, scale })) => {
            to_decimal(of, precision, scale, None)
        }
        (Plain::Bytes, _) => match of {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                Ok((Kind::Bytes, Fit::Own))
            }
            DataType::FixedSizeBinary(_) => Ok((Kind::Bytes, Fit::Wider)),
            _ => Err(None),
        },
        (Plain::String, Some(Logical::Uuid)) if is_text(of) => Ok((Kind::Uuid, Fit::Checked)),
        (Plain::String, None) if is_text(of) => Ok((Kind::Bytes, Fit::Own)),
        _ => Err(None),
    }
}

/// How `of` becomes an enum or a fixed type.
pub(super) fn to_named(of: &DataType, to: &Definition) -> Fits {
    match to {
        Definition::Enum(symbols) if is_text(of) => {
            let numbered = symbols.iter().enumerate();
            let symbols = numbered.map(|(at, s)| (s.as_bytes().into(), at)).collect();
            Ok((Kind::Enum(symbols), Fit::Checked))
        }
        Definition::Fixed(size, Some(Logical::Decimal { precision, scale })) => {
            to_decimal(of, *precision, *scale, Some(*size))
        }
        Definition::Fixed(size, _) => match of {
            DataType::FixedSizeBinary(len) if usize::try_from(*len) == Ok(*size) => {
                Ok((Kind::Fixed, Fit::Own))
            }
            _ => Err(None),
        },
        Definition::Record(_) | Definition::Enum(_) => Err(None),
    }
}

fn to_int(of: &DataType) -> Fits {
    use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    match of {
        Int8 | Int16 | Int32 | UInt8 | UInt16 => Ok((Kind::Integer, Fit::Own)),
        Int64 | UInt32 | UInt64 => {
            let reason = "the integer is too large for an Avro int of 32 bits";
            let check = Check::range(i32::MIN.into(), i32::MAX.into(), reason);
            Ok((Kind::Checked(check), Fit::Checked))
        }
        _ => Err(None),
    }
}

fn to_long(of: &DataType) -> Fits {
    use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    match of {
        Int64 | UInt32 | DataType::Duration(_) => Ok((Kind::Integer, Fit::Own)),
        Int8 | Int16 | Int32 | UInt8 | UInt16 => Ok((Kind::Integer, Fit::Wider)),
        UInt64 => {
            let reason = "the integer is too large for an Avro long of 64 bits with a sign";
            Ok((Kind::Checked(Check::range(0, i64::MAX, reason)), Fit::Checked))
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            Ok((Kind::Checked(time_of_day(TimeUnit::Nanosecond)), Fit::Own))
        }
        DataType::Timestamp(..) => Err(Some("cast it to int64, or use a timestamp type".into())),
        _ => Err(None),
    }
}

fn to_float(of: &DataType) -> Fits {
    use DataType::{Float16, Float32, Int8, Int16, UInt8, UInt16};
    match of {
        Float16 | Float32 => Ok((Kind::Float, Fit::Own)),
        Int8 | Int16 | UInt8 | UInt16 => Ok((Kind::Float, Fit::Wider)),
        of if of.is_integer() => Ok((Kind::Float, Fit::Checked)),
        DataType::Float64 => Err(Some("most values would change, cast it if they may".into())),
        _ => Err(None),
    }
}

fn to_double(of: &DataType) -> Fits {
    use DataType::{Float16, Float32, Float64, Int64, UInt64};
    match of {
        Float64 => Ok((Kind::Double, Fit::Own)),
        Float16 | Float32 => Ok((Kind::Double, Fit::Wider)),
        Int64 | UInt64 => Ok((Kind::Double, Fit::Checked)),
        of if of.is_integer() => Ok((Kind::Double, Fit::Wider)),
        _ => Err(None),
    }
}

fn to_decimal(of: &DataType, precision: u32, scale: u32, fixed: Option<usize>) -> Fits {
    let (own_precision, own_scale) = match of {
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => (u32::from(*p), i32::from(*s)),
        DataType::UInt64 => (20, 0),
        of if of.is_integer() => (19, 0),
        _ => return Err(None),
    };
    let Ok(zeros) = u32::try_from(i64::from(scale) - i64::from(own_scale)) else {
        return Err(Some("digits behind the point would be lost".into()));
    };
    if zeros > ZEROS_MAX {
        return Err(Some(format!("values would get {zeros} zeros at their ends")));
    }
    let fit = if zeros + own_precision > precision {
        Fit::Checked
    } else if of.is_integer() && *of != DataType::UInt64 {
        Fit::Wider
    } else {
        Fit::Own
    };
    Ok((Kind::Decimal(Decimal::new(precision, zeros, fixed)), fit))
}

/// How `of` becomes an integer with a meaning in time.
fn to_temporal(of: &DataType, to: Logical) -> Fits {
    use TimeUnit::{Microsecond, Millisecond};
    match (of, to) {
        (DataType::Date32, Logical::Date) => Ok((Kind::Integer, Fit::Own)),
        (DataType::Date64, Logical::Date) => {
            let reason = "the date is beyond the 32 bits that Avro has for days";
            let (min, max) = (i64::from(i32::MIN) * DAY_MS, i64::from(i32::MAX) * DAY_MS);
            let check = Check::range(min, max, reason)
                .per(DAY_MS, "the date64 has a time of day, which an Avro date cannot hold");
            Ok((Kind::Checked(check), Fit::Own))
        }
        (DataType::Time32(unit) | DataType::Time64(unit), Logical::TimeMillis) => {
            Ok(in_unit(time_of_day(*unit), *unit, Millisecond))
        }
        (DataType::Time32(unit) | DataType::Time64(unit), Logical::TimeMicros) => {
            Ok(in_unit(time_of_day(*unit), *unit, Microsecond))
        }
        (DataType::Timestamp(from, zone), Logical::Timestamp { unit, local }) => {
            match (has_zone(zone.as_deref()), local) {
                (true, true) => return Err(Some("it has a time zone".into())),
                (false, false) => {
                    return Err(Some("it has no time zone: cast it to one with UTC".into()));
                }
                _ if *from == unit => return Ok((Kind::Integer, Fit::Own)),
                _ => {}
            }
            let reason = "the timestamp is too large for the unit of its Avro type";
            Ok(in_unit(Check::range(i64::MIN, i64::MAX, reason), *from, unit))
        }
        _ => Err(None),
    }
}

fn time_of_day(unit: TimeUnit) -> Check {
    Check::range(0, 86_400 * per_second(unit) - 1, "the time of day is not within a day")
}

/// A checked value of the unit `from`, in the unit `to`.
fn in_unit(check: Check, from: TimeUnit, to: TimeUnit) -> (Kind, Fit) {
    let (from, to) = (per_second(from), per_second(to));
    if from > to {
        let reason = "the value has digits beyond the unit of its Avro type";
        return (Kind::Checked(check.per(from / to, reason)), Fit::Checked);
    }
    // Avro has no seconds: their own type is that of milliseconds.
    let own = from.max(per_second(TimeUnit::Millisecond));
    let fit = if to == own { Fit::Own } else { Fit::Wider };
    (Kind::Checked(check.times(to / from)), fit)
}
