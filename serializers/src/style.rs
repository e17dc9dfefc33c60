//! Options that change how whole columns are written, settled when a batch is bound, so that
//! columns which they do not concern cost nothing.

use std::mem;

use arrow_schema::TimeUnit;

use crate::{
    column::{Column, Struct, Timestamps, Values},
    format::TimestampFormat,
    time,
};

/// Values that are not written as their type is.
pub(crate) enum Styled<'a> {
    /// Numbers in quotes.
    Quoted(Values<'a>),
    /// Timestamps with seven digits behind the point.
    Iso7(Timestamps<'a>),
    /// Timestamps as integers.
    Epoch(&'a [i64], Scale),
}

/// From one unit of time to another.
#[derive(Clone, Copy)]
pub(crate) enum Scale {
    Multiply(i64),
    Divide(i64),
}

impl Scale {
    fn new(from: TimeUnit, per_second: i64) -> Self {
        let from_per_second = time::per_second(from);
        if from_per_second > per_second {
            Self::Divide(from_per_second / per_second)
        } else {
            Self::Multiply(per_second / from_per_second)
        }
    }

    /// The value in the other unit, rounded down, or none if it has more than 64 bits.
    pub(crate) fn apply(self, value: i64) -> Option<i64> {
        match self {
            Self::Multiply(factor) => value.checked_mul(factor),
            Self::Divide(divisor) => Some(value.div_euclid(divisor)),
        }
    }
}

/// What is written in another way than by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) timestamps: TimestampFormat,
    pub(crate) integers64_quoted: bool,
    pub(crate) decimals_quoted: bool,
}

impl Style {
    /// Marks the values that it concerns.
    pub(crate) fn apply(&self, columns: &mut Struct) {
        if *self != Self::default() {
            columns.members.iter_mut().for_each(|column| self.mark(column));
        }
    }

    fn mark(&self, column: &mut Column) {
        let styled = match &mut column.values {
            Values::List(_, items) => return self.mark(items),
            Values::Struct(members) => return self.apply(members),
            // Keys are strings as they are.
            Values::Map(map) => return self.mark(&mut map.values),
            Values::Dictionary(_, values) => return self.mark(values),
            Values::Int64(_) | Values::UInt64(_) if self.integers64_quoted => Styled::Quoted,
            Values::Decimal32(..)
            | Values::Decimal64(..)
            | Values::Decimal128(..)
            | Values::Decimal256(..)
                if self.decimals_quoted =>
            {
                Styled::Quoted
            }
            Values::Timestamp(_) => return self.mark_timestamps(column),
            _ => return,
        };
        let values = mem::replace(&mut column.values, Values::Null);
        column.values = Values::Styled(Box::new(styled(values)));
    }

    fn mark_timestamps(&self, column: &mut Column) {
        let per_second = match self.timestamps {
            TimestampFormat::Iso => return,
            TimestampFormat::Iso7 => None,
            TimestampFormat::EpochSeconds => Some(1),
            TimestampFormat::EpochMilliseconds => Some(1_000),
            TimestampFormat::EpochMicroseconds => Some(1_000_000),
        };
        let values = mem::replace(&mut column.values, Values::Null);
        let Values::Timestamp(times) = values else { unreachable!("these are timestamps") };
        let styled = match per_second {
            None => Styled::Iso7(times),
            Some(per_second) => Styled::Epoch(times.values, Scale::new(times.unit, per_second)),
        };
        column.values = Values::Styled(Box::new(styled));
    }
}
