//! Takes plain values into columns: checks that the kind suits and that the number fits.

use arrow_array::types::{ArrowPrimitiveType, Float16Type};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::build::Column;
use super::decimal::{self, TextFault};
use super::fault::{Taken, Trouble, code, excerpt};
use super::plan::{Kind, Plan, Range, TimeForm};
use super::table::Context;
use super::time;

/// A plain value as it came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar<'a> {
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// Takes `scalar` into `column`.
#[inline]
pub(super) fn take(column: &mut Column<'_>, scalar: Scalar<'_>, context: &mut Context) -> Taken {
    match (&column.plan.kind, scalar) {
        (Kind::Int(range), Scalar::Int(_) | Scalar::UInt(_)) => {
            let bits = ranged(scalar, *range, column.plan, context)?;
            push_int(column, range.width, bits);
        }
        (Kind::Text | Kind::Json, Scalar::Text(text)) => {
            return column.push_bytes(text.as_bytes(), context);
        }
        (Kind::Float { width }, Scalar::Float(value)) => {
            return push_float(column, *width, value, context);
        }
        (Kind::Bool, Scalar::Bool(value)) => column.push_bool(value),
        (Kind::Time { range, .. }, Scalar::Int(_) | Scalar::UInt(_)) => {
            let count = ranged(scalar, *range, column.plan, context)?;
            push_int(column, range.width, count);
        }
        (Kind::Time { range, form }, Scalar::Text(text)) => {
            let count = read_time(*form, text)
                .map_err(|fault| text_fault(fault, text, column.plan, context))?;
            push_int(column, range.width, count);
        }
        (Kind::Decimal { scale: 0, .. }, Scalar::Int(value)) => {
            return push_decimal(column, &value.to_string(), context);
        }
        (Kind::Decimal { scale: 0, .. }, Scalar::UInt(value)) => {
            return push_decimal(column, &value.to_string(), context);
        }
        (Kind::Decimal { .. }, Scalar::Text(text)) => return push_decimal(column, text, context),
        (Kind::Binary, Scalar::Bytes(bytes)) => return column.push_bytes(bytes, context),
        (Kind::FixedBinary { size }, Scalar::Bytes(bytes)) => {
            if bytes.len() != *size {
                return Err(context.fault(code::TYPE_MISMATCH, || {
                    format!("{} bytes came, but the column takes exactly {size}", bytes.len())
                }));
            }
            return column.push_bytes(bytes, context);
        }
        (Kind::Dictionary(_), _) => {
            let values = column.dictionary().expect("a dictionary has values");
            take(values, scalar, context)?;
            return column.close(context);
        }
        _ => return Err(mismatch(scalar.name(), column.plan, context)),
    }
    Ok(())
}

/// Takes the key of a map's entry, which is text whatever the column of the keys holds.
pub(super) fn take_key(column: &mut Column<'_>, key: &str, context: &mut Context) -> Taken {
    let plan = column.plan;
    let scalar = match &plan.plain().kind {
        Kind::Text | Kind::Json | Kind::Decimal { .. } => Scalar::Text(key),
        Kind::Int(_) => parse_int(key, plan, context)?,
        Kind::Time { .. } => parse_int(key, plan, context).unwrap_or(Scalar::Text(key)),
        Kind::Float { .. } => match key.parse::<f64>() {
            Ok(value) => Scalar::Float(value),
            Err(_) => return Err(text_fault(TextFault::Form, key, plan, context)),
        },
        Kind::Bool => match key {
            "true" => Scalar::Bool(true),
            "false" => Scalar::Bool(false),
            _ => return Err(text_fault(TextFault::Form, key, plan, context)),
        },
        Kind::Binary | Kind::FixedBinary { .. } => return take_base64(column, key, context),
        Kind::Null
        | Kind::Record { .. }
        | Kind::List(_)
        | Kind::FixedList { .. }
        | Kind::Map { .. }
        | Kind::Dictionary(_) => return Err(mismatch("a text", plan, context)),
    };
    take(column, scalar, context)
}

/// Takes bytes that are written as base64.
pub(super) fn take_base64(column: &mut Column<'_>, text: &str, context: &mut Context) -> Taken {
    let mut scratch = std::mem::take(&mut context.scratch);
    scratch.clear();
    let taken = match STANDARD.decode_vec(text, &mut scratch) {
        Ok(()) => take(column, Scalar::Bytes(&scratch), context),
        Err(_) => Err(text_fault(TextFault::Form, text, column.plan, context)),
    };
    context.scratch = scratch;
    taken
}

impl Scalar<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::UInt(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// A value of the wrong kind: what came, and what the column takes.
#[cold]
pub(super) fn mismatch(came: &str, plan: &Plan, context: &Context) -> Trouble {
    context.fault(code::TYPE_MISMATCH, || {
        let plan = plan.plain();
        format!("{came} came, but {} takes {}", type_name(plan), takes(plan))
    })
}

/// A text of the wrong form, or whose value does not fit.
#[cold]
fn text_fault(fault: TextFault, text: &str, plan: &Plan, context: &Context) -> Trouble {
    let (code, why) = match fault {
        TextFault::Form => (code::TYPE_MISMATCH, None),
        TextFault::Range(why) => (code::OUT_OF_RANGE, Some(why)),
    };
    context.fault(code, || {
        let (plan, start) = (plan.plain(), excerpt(text));
        match why {
            None => {
                format!("the text `{start}` came, but {} takes {}", type_name(plan), takes(plan))
            }
            Some(why) => format!("`{start}` does not fit {}: {why}", type_name(plan)),
        }
    })
}

fn type_name(plan: &Plan) -> String {
    match &plan.kind {
        Kind::Record { .. } => "a record".to_owned(),
        Kind::List(_) | Kind::FixedList { .. } => "a list".to_owned(),
        Kind::Map { .. } => "a map".to_owned(),
        _ => format!("the type {}", plan.data_type),
    }
}

fn takes(plan: &Plan) -> String {
    match &plan.kind {
        Kind::Null => "only null".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::Int(_) => "integers".to_owned(),
        Kind::Float { .. } => "floats".to_owned(),
        Kind::Decimal { scale: 0, .. } => "integers or decimal text such as `-12`".to_owned(),
        Kind::Decimal { .. } => "decimal text such as `-12.50`".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Json => "JSON text".to_owned(),
        Kind::Binary => "bytes (base64 in JSON)".to_owned(),
        Kind::FixedBinary { size } => format!("{size} bytes (base64 in JSON)"),
        Kind::Time { form, .. } => match form {
            TimeForm::Days => "a date such as `2013-01-31`, or days since 1970".to_owned(),
            TimeForm::DayMillis => {
                "a date such as `2013-01-31`, or milliseconds since 1970".to_owned()
            }
            TimeForm::TimeOfDay(unit) => {
                format!("a time such as `05:00:00`, or {} since midnight", time::unit_name(*unit))
            }
            TimeForm::Timestamp { unit, zoned: true } => format!(
                "a time with its offset such as `2013-01-31T05:00:00Z`, or {} since 1970",
                time::unit_name(*unit)
            ),
            TimeForm::Timestamp { unit, zoned: false } => format!(
                "a local time without offset such as `2013-01-31T05:00:00`, or {} since 1970",
                time::unit_name(*unit)
            ),
            TimeForm::Duration => "an integer count of its unit".to_owned(),
        },
        Kind::Record { .. } => "its fields (an object in JSON)".to_owned(),
        Kind::List(_) | Kind::FixedList { .. } => "an array".to_owned(),
        Kind::Map { .. } => "a map (an object in JSON)".to_owned(),
        Kind::Dictionary(value) => takes(value),
    }
}

/// The integer as the 64 bits whose lower end is the column's value, if the column holds it.
#[inline]
fn ranged(
    scalar: Scalar<'_>,
    range: Range,
    plan: &Plan,
    context: &Context,
) -> Result<i64, Trouble> {
    let (fits, bits) = match scalar {
        Scalar::Int(value) => {
            (value >= range.min && (value < 0 || value as u64 <= range.max), value)
        }
        Scalar::UInt(value) => (value <= range.max, value as i64),
        _ => unreachable!("only integers are ranged"),
    };
    if fits {
        return Ok(bits);
    }
    Err(context.fault(code::OUT_OF_RANGE, || {
        let value = match scalar {
            Scalar::UInt(value) => value.to_string(),
            _ => bits.to_string(),
        };
        format!(
            "{value} does not fit {}, which holds {} to {}",
            type_name(plan),
            range.min,
            range.max
        )
    }))
}

#[inline]
fn push_int(column: &mut Column<'_>, width: usize, bits: i64) {
    match width {
        8 => column.push_fixed(bits.to_ne_bytes()),
        4 => column.push_fixed((bits as i32).to_ne_bytes()),
        2 => column.push_fixed((bits as i16).to_ne_bytes()),
        _ => column.push_fixed((bits as i8).to_ne_bytes()),
    }
}

fn push_float(column: &mut Column<'_>, width: usize, value: f64, context: &Context) -> Taken {
    type F16 = <Float16Type as ArrowPrimitiveType>::Native;
    let finite = match width {
        8 => {
            column.push_fixed(value.to_ne_bytes());
            return Ok(());
        }
        4 => (value as f32).is_finite(),
        _ => F16::from_f64(value).is_finite(),
    };
    if value.is_finite() && !finite {
        return Err(context.fault(code::OUT_OF_RANGE, || {
            format!("{value:e} is beyond the largest number of {}", type_name(column.plan))
        }));
    }
    match width {
        4 => column.push_fixed((value as f32).to_ne_bytes()),
        _ => column.push_fixed(F16::from_f64(value).to_ne_bytes()),
    }
    Ok(())
}

fn push_decimal(column: &mut Column<'_>, text: &str, context: &Context) -> Taken {
    let Kind::Decimal { width, precision, scale } = column.plan.kind else {
        unreachable!("only decimals are read as such");
    };
    let value = decimal::parse(text, precision, scale)
        .map_err(|fault| text_fault(fault, text, column.plan, context))?;
    let (low, _) = value.to_parts();
    match width {
        4 => column.push_fixed((low as i32).to_ne_bytes()),
        8 => column.push_fixed((low as i64).to_ne_bytes()),
        16 => column.push_fixed(low.to_ne_bytes()),
        _ => column.push_fixed(value.to_le_bytes()),
    }
    Ok(())
}

fn read_time(form: TimeForm, text: &str) -> Result<i64, TextFault> {
    match form {
        TimeForm::Days => time::parse_date(text),
        TimeForm::DayMillis => Ok(time::parse_date(text)? * 86_400_000),
        TimeForm::TimeOfDay(unit) => time::parse_time(text, unit),
        TimeForm::Timestamp { unit, zoned } => time::parse_timestamp(text, unit, zoned),
        TimeForm::Duration => Err(TextFault::Form),
    }
}

fn parse_int<'a>(key: &str, plan: &Plan, context: &Context) -> Result<Scalar<'a>, Trouble> {
    key.parse::<i64>()
        .map(Scalar::Int)
        .or_else(|_| key.parse::<u64>().map(Scalar::UInt))
        .map_err(|_| text_fault(TextFault::Form, key, plan, context))
}
