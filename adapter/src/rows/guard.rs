//! Checks a record batch of Arrow IPC against its schema and its body before Arrow's reader sees
//! it: the reader trusts lengths and offsets, and panics or allocates where they lie.
//!
//! After these checks every length is bounded by the bytes that came, every range is inside the
//! body, and no byte is claimed twice, so that copies for alignment stay below the body's size.
//! What is inside the buffers (offsets, UTF-8, keys of dictionaries) is left to Arrow's validation.

use std::fmt;

use arrow_ipc::RecordBatch;
use arrow_schema::{DataType, Field};

use super::fault::{self, Step};

/// Lists may have so many elements that take no bytes (nulls of type null, empty records), …
const WEIGHTLESS_MAX: usize = 1 << 16;
/// … and so many for each byte of the body. Else a few bytes could claim 2^62 elements, which a
/// writer of text would then write out.
const WEIGHTLESS_PER_BYTE_MAX: usize = 64;

/// What does not add up in a message, and the way to the column from the inside out.
#[derive(Debug)]
pub(super) struct Malformed {
    reason: String,
    path: Vec<Step>,
}

impl Malformed {
    #[cold]
    pub(super) fn new<T>(reason: impl Into<String>) -> Result<T, Self> {
        Err(Self { reason: reason.into(), path: Vec::new() })
    }

    pub(super) fn inside(mut self, name: &str) -> Self {
        self.path.push(Step::Field(name.to_owned()));
        self
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "column `{}`: ", fault::column(&self.path))?;
        }
        f.write_str(&self.reason)
    }
}

/// How many nodes and buffers the columns of a schema have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    nodes: usize,
    /// Without those of views beyond the first two.
    buffers: usize,
    views: usize,
}

impl Shape {
    /// How many fields the schema has, those inside others counted.
    pub(super) fn fields(&self) -> usize {
        self.nodes
    }

    pub(super) fn of<'f>(fields: impl IntoIterator<Item = &'f Field>) -> Self {
        let mut shape = Self::default();
        fields.into_iter().for_each(|field| shape.add(field.data_type()));
        shape
    }

    fn add(&mut self, data_type: &DataType) {
        use DataType as D;
        self.nodes += 1;
        self.buffers += match data_type {
            D::Null => 0,
            D::Utf8 | D::LargeUtf8 | D::Binary | D::LargeBinary => 3,
            D::Struct(_) | D::FixedSizeList(_, _) => 1,
            _ => 2,
        };
        match data_type {
            D::Utf8View | D::BinaryView => self.views += 1,
            D::Struct(fields) => fields.iter().for_each(|field| self.add(field.data_type())),
            D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) | D::Map(item, _) => {
                self.add(item.data_type());
            }
            _ => {}
        }
    }
}

/// Checks `batch`, whose columns are `fields` (of the shape `shape`) with `rows` rows.
///
/// `dictionaries` says for each dictionary of the columns, in their order, whether it came.
pub(super) fn check<'f>(
    batch: RecordBatch<'_>,
    fields: impl IntoIterator<Item = &'f Field>,
    shape: Shape,
    rows: usize,
    body_len: usize,
    dictionaries: &[bool],
) -> Result<(), Malformed> {
    if batch.compression().is_some() {
        return Malformed::new(
            "its buffers are compressed, which is not supported: compress the gRPC messages \
             instead",
        );
    }
    let variadic = batch.variadicBufferCounts();
    if variadic.map_or(0, |counts| counts.len()) != shape.views {
        return Malformed::new("the number of variadic buffer counts does not suit the schema");
    }
    let mut buffers = shape.buffers;
    for count in variadic.into_iter().flatten() {
        buffers = usize::try_from(count)
            .ok()
            .and_then(|count| buffers.checked_add(count))
            .map_or_else(|| Malformed::new("a variadic buffer count is out of range"), Ok)?;
    }
    let came = batch.buffers().map_or(0, |buffers| buffers.len());
    if came != buffers {
        return Malformed::new(format!("it has {came} buffers, but the schema needs {buffers}"));
    }
    let came = batch.nodes().map_or(0, |nodes| nodes.len());
    if came != shape.nodes || batch.nodes().is_none() || batch.buffers().is_none() {
        return Malformed::new(format!(
            "it has {came} field nodes, but the schema needs {}",
            shape.nodes
        ));
    }
    let weightless =
        WEIGHTLESS_MAX.saturating_add(body_len.saturating_mul(WEIGHTLESS_PER_BYTE_MAX));
    let mut guard = Guard {
        batch,
        dictionaries,
        next: Next::default(),
        body_len,
        claimed: 0,
        weightless_left: weightless,
    };
    fields.into_iter().try_for_each(|field| {
        guard.column(field.data_type(), Some(rows), false).map_err(|m| m.inside(field.name()))
    })
}

/// What comes next of each kind.
#[derive(Default)]
struct Next {
    node: usize,
    buffer: usize,
    view: usize,
    dictionary: usize,
}

struct Guard<'a> {
    batch: RecordBatch<'a>,
    dictionaries: &'a [bool],
    next: Next,
    body_len: usize,
    /// Bytes of the buffers so far.
    claimed: usize,
    weightless_left: usize,
}

impl Guard<'_> {
    /// Checks a column of `rows` values, or of as many as it says; `inside` a list the number of
    /// rows does not bound it.
    fn column(
        &mut self,
        data_type: &DataType,
        rows: Option<usize>,
        inside: bool,
    ) -> Result<(), Malformed> {
        use DataType as D;
        let (len, nulls) = self.node(rows)?;
        if let D::Null = data_type {
            if nulls != len {
                return Malformed::new(format!("{nulls} of {len} values of type null are null"));
            }
            return self.weightless(if inside { len } else { 0 });
        }
        self.validity(len, nulls)?;
        match data_type {
            D::Boolean => self.values(len.div_ceil(8)),
            D::Utf8 | D::Binary => {
                self.offsets(len, 4)?;
                self.buffer().map(drop)
            }
            D::LargeUtf8 | D::LargeBinary => {
                self.offsets(len, 8)?;
                self.buffer().map(drop)
            }
            D::Utf8View | D::BinaryView => self.views(len),
            D::FixedSizeBinary(width) => self.values(len.saturating_mul(*width as usize)),
            D::List(item) | D::Map(item, _) => {
                self.offsets(len, 4)?;
                self.child(item, None, true)
            }
            D::LargeList(item) => {
                self.offsets(len, 8)?;
                self.child(item, None, true)
            }
            D::FixedSizeList(item, size) => match len.checked_mul(*size as usize) {
                Some(elements) => self.child(item, Some(elements), true),
                None => Malformed::new(format!("{len} lists of {size} elements are too many")),
            },
            D::Struct(fields) => {
                if fields.is_empty() && inside {
                    self.weightless(len)?;
                }
                fields.iter().try_for_each(|field| self.child(field, Some(len), inside))
            }
            D::Dictionary(keys, _) => self.keys(keys, len, nulls),
            plain => {
                let width = plain.primitive_width().expect("what is left is of fixed width");
                self.values(len.saturating_mul(width))
            }
        }
    }

    fn child(&mut self, field: &Field, rows: Option<usize>, inside: bool) -> Result<(), Malformed> {
        self.column(field.data_type(), rows, inside).map_err(|m| m.inside(field.name()))
    }

    /// The length and null count of the next node.
    fn node(&mut self, rows: Option<usize>) -> Result<(usize, usize), Malformed> {
        let nodes = self.batch.nodes().expect("the nodes are counted");
        let node = nodes.get(self.next.node);
        self.next.node += 1;
        let (Ok(len), Ok(nulls)) =
            (usize::try_from(node.length()), usize::try_from(node.null_count()))
        else {
            return Malformed::new(format!(
                "it has {} values of which {} are null",
                node.length(),
                node.null_count()
            ));
        };
        if nulls > len {
            return Malformed::new(format!("{nulls} of {len} values are null"));
        }
        match rows {
            Some(rows) if rows != len => {
                Malformed::new(format!("it has {len} values where {rows} are due"))
            }
            _ => Ok((len, nulls)),
        }
    }

    /// The length of the next buffer.
    fn buffer(&mut self) -> Result<usize, Malformed> {
        let index = self.next.buffer;
        let buffers = self.batch.buffers().expect("the buffers are counted");
        let buffer = buffers.get(index);
        self.next.buffer += 1;
        let (Ok(start), Ok(len)) =
            (usize::try_from(buffer.offset()), usize::try_from(buffer.length()))
        else {
            return Malformed::new(format!("buffer {index} has a negative offset or length"));
        };
        if start.checked_add(len).is_none_or(|end| end > self.body_len) {
            return Malformed::new(format!(
                "buffer {index} has {len} bytes at {start}, beyond the body of {} bytes",
                self.body_len
            ));
        }
        self.claimed += len; // both are at most the body's length
        if self.claimed > self.body_len {
            return Malformed::new(format!("buffer {index} overlaps another"));
        }
        Ok(len)
    }

    fn values(&mut self, due: usize) -> Result<(), Malformed> {
        let index = self.next.buffer;
        let came = self.buffer()?;
        if came < due {
            return Malformed::new(format!("buffer {index} has {came} bytes where {due} are due"));
        }
        Ok(())
    }

    fn validity(&mut self, len: usize, nulls: usize) -> Result<(), Malformed> {
        self.values(if nulls == 0 { 0 } else { len.div_ceil(8) })
    }

    fn offsets(&mut self, len: usize, width: usize) -> Result<(), Malformed> {
        // An empty column may leave its one offset out.
        self.whole_values(if len == 0 { 0 } else { len.saturating_add(1) }, width)
    }

    /// A buffer that Arrow's reader takes as a slice of values from end to end.
    fn whole_values(&mut self, len: usize, width: usize) -> Result<(), Malformed> {
        let index = self.next.buffer;
        let (came, due) = (self.buffer()?, len.saturating_mul(width));
        if came < due || came % width != 0 {
            return Malformed::new(format!(
                "buffer {index} has {came} bytes where {len} values of {width} bytes are due"
            ));
        }
        Ok(())
    }

    fn views(&mut self, len: usize) -> Result<(), Malformed> {
        const VIEW_BYTES: usize = 16;
        self.whole_values(len, VIEW_BYTES)?;
        let counts = self.batch.variadicBufferCounts().expect("the views are counted");
        let count = counts.get(self.next.view);
        self.next.view += 1;
        (0..count).try_for_each(|_| self.buffer().map(drop))
    }

    fn keys(&mut self, keys: &DataType, len: usize, nulls: usize) -> Result<(), Malformed> {
        let came = self.dictionaries[self.next.dictionary];
        self.next.dictionary += 1;
        if !came && nulls < len {
            return Malformed::new(
                "its dictionary did not come: every batch brings its dictionaries, as a whole IPC \
                 stream does",
            );
        }
        let width = keys.primitive_width().expect("a dictionary's keys are integers");
        self.whole_values(len, width)
    }

    fn weightless(&mut self, len: usize) -> Result<(), Malformed> {
        match self.weightless_left.checked_sub(len) {
            Some(left) => {
                self.weightless_left = left;
                Ok(())
            }
            None => Malformed::new(format!("lists claim {len} elements that take no bytes")),
        }
    }
}
