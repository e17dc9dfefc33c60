//! Column builders: values go in one by one, an Arrow array comes out.
//!
//! Arrow's own builders cannot take a value back. These can (`truncate`), so that a row that turns
//! out bad half-way leaves no trace in any column, however deep.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BinaryViewArray, StringArray, StringViewArray, make_array,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, MutableBuffer, NullBuffer, NullBufferBuilder};
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::DataType;

use super::fault::{Taken, Trouble, code};
use super::plan::{Kind, Plan};
use super::table::Context;
use super::{DecodeError, pack};

/// A column under construction.
pub(super) struct Column<'p> {
    pub(super) plan: &'p Plan,
    nulls: NullBufferBuilder,
    values: Values<'p>,
}

/// Where the values of a column go.
enum Values<'p> {
    Null,
    Bits(BooleanBufferBuilder),
    Fixed { bytes: MutableBuffer, width: usize },
    Bytes { offsets: Vec<i32>, bytes: MutableBuffer },
    Record(Vec<Column<'p>>),
    List { offsets: Vec<i32>, item: Box<Column<'p>> },
    FixedList { item: Box<Column<'p>>, size: usize },
    Map { offsets: Vec<i32>, key: Box<Column<'p>>, value: Box<Column<'p>> },
    Dictionary(Box<Column<'p>>),
}

/// A list whose elements come.
pub(super) struct OpenList<'c, 'p> {
    item: &'c mut Column<'p>,
    /// Its first element in `item`.
    start: usize,
    /// So many elements are part of the list's own slot.
    paid: usize,
}

impl<'p> OpenList<'_, 'p> {
    /// Makes room for an element: its column and its index in the list.
    pub(super) fn next(
        &mut self,
        context: &mut Context,
    ) -> Result<(&mut Column<'p>, usize), Trouble> {
        let index = self.item.len() - self.start;
        if index >= self.paid {
            context.charge(self.item.plan.slot_bytes)?;
        }
        Ok((self.item, index))
    }
}

impl<'p> Column<'p> {
    /// An empty column with room for `rows` values; texts and lists grow as they come.
    pub(super) fn new(plan: &'p Plan, rows: usize) -> Self {
        let offsets = || {
            let mut offsets = Vec::with_capacity(rows + 1);
            offsets.push(0);
            offsets
        };
        let fixed = |width| Values::Fixed { bytes: MutableBuffer::new(rows * width), width };
        let values = match &plan.kind {
            Kind::Null => Values::Null,
            Kind::Bool => Values::Bits(BooleanBufferBuilder::new(rows)),
            Kind::Int(range) | Kind::Time { range, .. } => fixed(range.width),
            Kind::Float { width } | Kind::Decimal { width, .. } => fixed(*width),
            Kind::FixedBinary { size } => fixed(*size),
            Kind::Text | Kind::Json | Kind::Binary => {
                Values::Bytes { offsets: offsets(), bytes: MutableBuffer::new(0) }
            }
            Kind::Record { fields, .. } => {
                Values::Record(fields.iter().map(|field| Self::new(field, rows)).collect())
            }
            Kind::List(item) => {
                Values::List { offsets: offsets(), item: Box::new(Self::new(item, 0)) }
            }
            Kind::FixedList { item, size } => {
                Values::FixedList { item: Box::new(Self::new(item, rows * size)), size: *size }
            }
            Kind::Map { key, value } => Values::Map {
                offsets: offsets(),
                key: Box::new(Self::new(key, 0)),
                value: Box::new(Self::new(value, 0)),
            },
            Kind::Dictionary(value) => Values::Dictionary(Box::new(Self::new(value, rows))),
        };
        Self { plan, nulls: NullBufferBuilder::new(rows), values }
    }

    /// How many values it has.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Takes a null, which a required column refuses.
    #[inline]
    pub(super) fn null(&mut self, context: &Context) -> Taken {
        if self.plan.required {
            return Err(context.fault(code::NULL_IN_REQUIRED, || {
                "the value is null, but the column is required".to_owned()
            }));
        }
        self.fill();
        Ok(())
    }

    /// Takes a null, required or not: what stands under a null record or list is never seen.
    fn fill(&mut self) {
        match &mut self.values {
            Values::Null => {}
            Values::Bits(bits) => bits.append(false),
            Values::Fixed { bytes, width } => bytes.extend_zeros(*width),
            Values::Bytes { offsets, .. }
            | Values::List { offsets, .. }
            | Values::Map { offsets, .. } => offsets.push(end(offsets)),
            Values::Record(fields) => fields.iter_mut().for_each(Column::fill),
            Values::FixedList { item, size } => (0..*size).for_each(|_| item.fill()),
            Values::Dictionary(values) => values.fill(),
        }
        self.nulls.append_null();
    }

    /// Takes back everything after the first `len` values.
    pub(super) fn truncate(&mut self, len: usize) {
        match &mut self.values {
            Values::Null => {}
            Values::Bits(bits) => bits.truncate(len),
            Values::Fixed { bytes, width } => bytes.truncate(len * *width),
            Values::Bytes { offsets, bytes } => {
                offsets.truncate(len + 1);
                bytes.truncate(end(offsets) as usize);
            }
            Values::Record(fields) => fields.iter_mut().for_each(|field| field.truncate(len)),
            Values::List { offsets, item } => {
                offsets.truncate(len + 1);
                item.truncate(end(offsets) as usize);
            }
            Values::FixedList { item, size } => item.truncate(len * *size),
            Values::Map { offsets, key, value } => {
                offsets.truncate(len + 1);
                key.truncate(end(offsets) as usize);
                value.truncate(end(offsets) as usize);
            }
            Values::Dictionary(values) => values.truncate(len),
        }
        self.nulls.truncate(len);
    }

    /// Takes a value of fixed width, as its bytes.
    #[inline]
    pub(super) fn push_fixed<const N: usize>(&mut self, value: [u8; N]) {
        let Values::Fixed { bytes, .. } = &mut self.values else {
            unreachable!("numbers and times are of fixed width");
        };
        bytes.extend_from_slice(&value);
        self.nulls.append_non_null();
    }

    /// Takes a boolean.
    #[inline]
    pub(super) fn push_bool(&mut self, value: bool) {
        let Values::Bits(bits) = &mut self.values else {
            unreachable!("booleans are bits");
        };
        bits.append(value);
        self.nulls.append_non_null();
    }

    /// Takes a text or bytes.
    #[inline]
    pub(super) fn push_bytes(&mut self, value: &[u8], context: &mut Context) -> Taken {
        match &mut self.values {
            Values::Bytes { offsets, bytes } => {
                context.charge(value.len())?;
                let Ok(end) = i32::try_from(bytes.len() + value.len()) else {
                    return Err(context.too_large()); // beyond 2 GiB in one column
                };
                bytes.extend_from_slice(value);
                offsets.push(end);
            }
            Values::Fixed { bytes, .. } => bytes.extend_from_slice(value),
            _ => unreachable!("texts and bytes go into columns of bytes"),
        }
        self.nulls.append_non_null();
        Ok(())
    }

    /// The column of the values, if it is a dictionary.
    pub(super) fn dictionary(&mut self) -> Option<&mut Column<'p>> {
        match &mut self.values {
            Values::Dictionary(values) => Some(values),
            _ => None,
        }
    }

    /// The fields, if it is a record. Close the record when each of them has its value.
    #[inline]
    pub(super) fn record(&mut self) -> Option<&mut Vec<Column<'p>>> {
        match &mut self.values {
            Values::Record(fields) => Some(fields),
            _ => None,
        }
    }

    /// The next list, if it is a column of lists. Close the list after its last element.
    pub(super) fn list(&mut self) -> Option<OpenList<'_, 'p>> {
        match &mut self.values {
            Values::List { offsets, item } => {
                Some(OpenList { start: end(offsets) as usize, item, paid: 0 })
            }
            Values::FixedList { item, size } => {
                Some(OpenList { start: self.nulls.len() * *size, item, paid: *size })
            }
            _ => None,
        }
    }

    /// The columns of the keys and values, if it is a map.
    pub(super) fn map(&mut self) -> Option<(&mut Column<'p>, &mut Column<'p>)> {
        match &mut self.values {
            Values::Map { key, value, .. } => Some((key, value)),
            _ => None,
        }
    }

    /// Ends the value that went into the fields, elements, entries or dictionary of this column.
    pub(super) fn close(&mut self, context: &Context) -> Taken {
        match &mut self.values {
            Values::List { offsets, item } | Values::Map { offsets, key: item, .. } => {
                let Ok(end) = i32::try_from(item.len()) else {
                    return Err(context.too_large()); // beyond 2^31 elements in one column
                };
                offsets.push(end);
            }
            Values::FixedList { item, size } => {
                let came = item.len() - self.nulls.len() * *size;
                if came != *size {
                    return Err(context.fault(code::TYPE_MISMATCH, || {
                        format!("the list has {came} elements, but the column takes {size}")
                    }));
                }
            }
            Values::Record(_) | Values::Dictionary(_) => {}
            Values::Null | Values::Bits(_) | Values::Fixed { .. } | Values::Bytes { .. } => {
                unreachable!("plain values are not opened")
            }
        }
        self.nulls.append_non_null();
        Ok(())
    }

    /// The values as an array of the column's type.
    ///
    /// # Errors
    /// If a dictionary has more distinct values than its keys can number.
    pub(super) fn finish(mut self) -> Result<ArrayRef, DecodeError> {
        let len = self.len();
        let nulls = self.nulls.finish().filter(|nulls| nulls.null_count() > 0);
        let data_type = &self.plan.data_type;
        let builder = ArrayData::builder(data_type.clone()).len(len);
        let builder = match self.values {
            Values::Null => return Ok(built(builder)),
            Values::Bits(mut bits) => builder.add_buffer(bits.finish().into_inner()),
            Values::Fixed { bytes, .. } => builder.add_buffer(bytes.into()),
            Values::Bytes { offsets, bytes } => {
                return Ok(finish_bytes(data_type, offsets, bytes.into(), nulls));
            }
            Values::Record(fields) => finish_children(builder, fields)?,
            Values::List { offsets, item } => {
                let offsets = match data_type {
                    DataType::LargeList(_) => wide(&offsets),
                    _ => Buffer::from_vec(offsets),
                };
                finish_children(builder.add_buffer(offsets), [*item])?
            }
            Values::FixedList { item, .. } => finish_children(builder, [*item])?,
            Values::Map { offsets, key, value } => {
                let DataType::Map(entries, _) = data_type else {
                    unreachable!("a map builds a map")
                };
                let pairs = ArrayData::builder(entries.data_type().clone()).len(key.len());
                let pairs = built(finish_children(pairs, [*key, *value])?).to_data();
                builder.add_buffer(Buffer::from_vec(offsets)).add_child_data(pairs)
            }
            Values::Dictionary(values) => {
                let values = values.finish()?;
                return pack::dictionary(&self.plan.name, data_type, &values, nulls);
            }
        };
        Ok(built(builder.nulls(nulls)))
    }
}

fn finish_children<'p>(
    mut builder: ArrayDataBuilder,
    children: impl IntoIterator<Item = Column<'p>>,
) -> Result<ArrayDataBuilder, DecodeError> {
    for child in children {
        builder = builder.add_child_data(child.finish()?.to_data());
    }
    Ok(builder)
}

fn finish_bytes(
    data_type: &DataType,
    offsets: Vec<i32>,
    bytes: Buffer,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let len = offsets.len() - 1;
    let text = matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let plain = if text { DataType::Utf8 } else { DataType::Binary };
    match data_type {
        DataType::LargeUtf8 | DataType::LargeBinary => {
            let builder = ArrayData::builder(data_type.clone()).len(len).nulls(nulls);
            built(builder.add_buffer(wide(&offsets)).add_buffer(bytes))
        }
        _ => {
            let builder = ArrayData::builder(plain).len(len).nulls(nulls);
            let data = builder.add_buffer(Buffer::from_vec(offsets)).add_buffer(bytes);
            let array = built(data);
            match data_type {
                DataType::Utf8View => {
                    Arc::new(StringViewArray::from(&StringArray::from(array.to_data())))
                }
                DataType::BinaryView => {
                    Arc::new(BinaryViewArray::from(&BinaryArray::from(array.to_data())))
                }
                _ => array,
            }
        }
    }
}

fn built(builder: ArrayDataBuilder) -> ArrayRef {
    make_array(builder.build().expect("a column is valid at the end of every row"))
}

fn end(offsets: &[i32]) -> i32 {
    *offsets.last().expect("offsets start with 0")
}

fn wide(offsets: &[i32]) -> Buffer {
    offsets.iter().map(|&offset| i64::from(offset)).collect::<Vec<_>>().into()
}
