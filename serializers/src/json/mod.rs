//! Rows as JSON objects: one a line, or in arrays.
//!
//! Row by row, with one match a value. Of the hundred instructions that a short value costs with
//! its key the match is six (callgrind, `benches/json.rs`), and the processor foresees it, since
//! every row repeats it; going column by column would save those and write every value twice.

mod embedded;
mod options;
mod text;
mod value;

pub use options::{Decimals, Integers64, JsonLayout, JsonOptions, Nulls};
pub(crate) use value::Writer;

use arrow_array::RecordBatch;
use arrow_schema::Fields;

use crate::{
    column::bind_batch,
    encoder::EncodeError,
    output::Output,
    records::{Limits, Packing, Records},
    rows::{Frame, Packer},
    shape::{PlanError, Tree},
    style::Style,
};

/// A schema, ready to become JSON.
#[derive(Debug)]
pub(crate) struct JsonEncoder {
    options: JsonOptions,
    style: Style,
    tree: Tree,
    /// By the field's number.
    keys: Vec<Key>,
}

impl JsonEncoder {
    pub(crate) fn compile(options: &JsonOptions, fields: &Fields) -> Result<Self, PlanError> {
        let tree = Tree::build(fields)?;
        let keys = Key::all(&tree);
        let style = Style {
            timestamps: options.timestamps,
            integers64_quoted: options.integers64 == Integers64::String,
            decimals_quoted: options.decimals == Decimals::String,
        };
        Ok(Self { options: options.clone(), style, tree, keys })
    }

    pub(crate) fn encode(
        &self,
        batches: &[RecordBatch],
        packing: Packing,
        limits: &Limits,
        records: &mut Records,
    ) -> Result<(), EncodeError> {
        match self.options.layout {
            JsonLayout::LineSeparated => self.framed(Lines, batches, packing, limits, records),
            JsonLayout::Array => self.framed(Array, batches, packing, limits, records),
        }
    }

    fn framed(
        &self,
        frame: impl Frame,
        batches: &[RecordBatch],
        packing: Packing,
        limits: &Limits,
        records: &mut Records,
    ) -> Result<(), EncodeError> {
        let mut packer = Packer::new(frame, packing, limits, &self.tree.names, records);
        let done = batches.iter().try_for_each(|batch| {
            let mut columns = bind_batch(&self.tree.root, batch);
            self.style.apply(&mut columns);
            packer.batch(batch.num_rows(), |out, row| {
                let mut writer = Writer { out, keys: &self.keys, options: &self.options };
                writer.object(&columns, row)
            })
        });
        packer.finish(done)
    }
}

/// Objects, with a line break between them.
struct Lines;

impl Frame for Lines {
    #[inline]
    fn separate(&mut self, out: &mut Output) {
        out.push(b'\n');
    }
}

/// One array of objects.
struct Array;

impl Frame for Array {
    fn end_bytes(&self) -> usize {
        1
    }

    #[inline]
    fn open(&mut self, out: &mut Output) {
        out.push(b'[');
    }

    #[inline]
    fn separate(&mut self, out: &mut Output) {
        out.push(b',');
    }

    #[inline]
    fn close(&mut self, out: &mut Output, _: u32) {
        out.push(b']');
    }
}

/// What stands before a member's value: a comma, the name, a colon. In an object's first member
/// the comma is overwritten by the brace.
#[derive(Debug)]
pub(crate) struct Key {
    /// The text if it is short, else nothing.
    short: [u8; Key::SHORT_BYTES],
    /// The length of the short text, or 0.
    short_len: u8,
    long: Box<[u8]>,
}

impl Key {
    /// Two vector registers: stored whole, whatever the length.
    const SHORT_BYTES: usize = 32;

    /// The keys of all fields, by number.
    pub(crate) fn all(tree: &Tree) -> Vec<Self> {
        tree.names.iter().map(|name| Self::new(name)).collect()
    }

    fn new(name: &str) -> Self {
        let mut out = Output::new(Vec::new(), usize::MAX);
        out.push(b',');
        text::write(&mut out, name.as_bytes()).expect("names are not limited");
        out.push(b':');
        let text = out.finish();
        let mut short = [0; Self::SHORT_BYTES];
        match short.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(&text);
                Self { short, short_len: text.len() as u8, long: Box::default() }
            }
            None => Self { short, short_len: 0, long: text.into() },
        }
    }
}
