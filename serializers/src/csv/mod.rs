//! Rows as lines of comma separated values.

mod options;
mod text;
mod value;

use arrow_array::RecordBatch;
use arrow_schema::Fields;

use self::{
    text::CsvStrings,
    value::{Line, Null, Writer},
};
use crate::{
    column::bind_batch,
    encoder::EncodeError,
    json::{JsonOptions, Key},
    output::Output,
    records::{Limits, Packing, Records},
    rows::{Frame, Packer},
    shape::{PlanError, Tree},
    style::Style,
};

pub use self::options::{CsvOptions, Delimiter, NullText, NullTextError};

const LINE_END: &[u8; 2] = b"\r\n";

/// A schema, ready to become CSV.
#[derive(Debug)]
pub(crate) struct CsvEncoder {
    line: Line,
    style: Style,
    /// The first line of every record with its end, or nothing.
    header: Vec<u8>,
    tree: Tree,
}

impl CsvEncoder {
    pub(crate) fn compile(options: &CsvOptions, fields: &Fields) -> Result<Self, PlanError> {
        let tree = Tree::build(fields)?;
        let null_text = match (fields.len(), options.null_text.as_str()) {
            (0, _) => return Err(PlanError::NoColumns),
            // An empty line would be no row to most readers.
            (1, "") => "\"\"",
            (_, text) => text,
        };
        let delimiter = options.delimiter.as_byte();
        let line = Line {
            strings: CsvStrings { delimiter, formula_guard: options.formula_guard },
            null: Null::new(null_text),
            null_is_text: !options.null_text.as_str().is_empty(),
            json: JsonOptions { non_finite: options.non_finite, ..JsonOptions::default() },
            keys: Key::all(&tree),
        };
        let header = if options.header { header(&line, fields) } else { Vec::new() };
        let style = Style { timestamps: options.timestamps, ..Style::default() };
        Ok(Self { line, style, header, tree })
    }

    pub(crate) fn encode(
        &self,
        batches: &[RecordBatch],
        packing: Packing,
        limits: &Limits,
        records: &mut Records,
    ) -> Result<(), EncodeError> {
        let lines = Lines { header: &self.header };
        let mut packer = Packer::new(lines, packing, limits, &self.tree.names, records);
        let done = batches.iter().try_for_each(|batch| {
            let mut columns = bind_batch(&self.tree.root, batch);
            self.style.apply(&mut columns);
            packer.batch(batch.num_rows(), |out, row| {
                Writer { out, line: &self.line }.row(&columns, row)
            })
        });
        packer.finish(done)
    }
}

/// The names of the columns as a line, with its end.
fn header(line: &Line, fields: &Fields) -> Vec<u8> {
    let mut out = Output::new(Vec::new(), usize::MAX);
    for field in fields {
        let start = out.position();
        line.strings.write(&mut out, field.name().as_bytes()).expect("names are not limited");
        if out.written(start) == line.null.as_bytes() && line.null_is_text {
            text::quote_written(&mut out, start).expect("names are not limited");
        }
        out.push(line.strings.delimiter);
    }
    // The delimiter behind the last.
    out.take_back(out.position() - 1);
    out.extend(LINE_END);
    out.finish()
}

/// Lines, with a break between them, behind a header.
struct Lines<'a> {
    header: &'a [u8],
}

impl Frame for Lines<'_> {
    #[inline]
    fn open(&mut self, out: &mut Output) {
        if !self.header.is_empty() {
            out.extend(self.header);
        }
    }

    #[inline]
    fn separate(&mut self, out: &mut Output) {
        out.put(LINE_END, LINE_END.len());
    }
}
