//! A page with its code blocks, and the outputs that they describe.

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, extension::EXTENSION_TYPE_NAME_KEY};
use bytes::Bytes;
use kafka_output::{
    job::{self, ErrorPolicy},
    rows::{Carrier, Decoder, Limits},
};
use serde_json::Value;
use serializers::{Encoder, Packing, Records};

/// More than any example has.
const BYTES_MAX: usize = 1 << 20;

pub(crate) struct Page {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// What was compared on a page.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) outputs: usize,
    pub(crate) records: usize,
    /// Schemas, rejected rows and refusals.
    pub(crate) others: usize,
    /// What is not true, so that a page is mended in one go.
    pub(crate) faults: Vec<String>,
}

impl Checked {
    pub(crate) fn compare(&mut self, place: &str, found: &str, expected: &str) {
        if found != expected {
            self.faults.push(format!("{place}\n  says    {expected}\n  but is  {found}"));
        }
    }
}

/// A code block with a second word in its info string.
struct Block {
    /// With the page, for messages.
    place: String,
    kind: String,
    /// What else the info string says.
    rest: String,
    text: String,
}

/// What an output makes of the rows.
pub(crate) struct Written {
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) schema: Option<String>,
    rejected: Vec<String>,
    refused: Option<String>,
    /// Lines end with CR LF, which the pages show as line breaks.
    is_csv: bool,
}

impl Page {
    fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(info) = line.strip_prefix("```") else { continue };
            let text: Vec<_> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            let mut words = info.split(' ').skip(1).map(str::to_owned);
            let Some(kind) = words.next() else { continue };
            let place = format!("{}:{}", self.name, number + 1);
            let rest = words.collect::<Vec<_>>().join(" ");
            blocks.push(Block { place, kind, rest, text: text.join("\n") });
        }
        blocks
    }

    /// The keys of all outputs of the page.
    pub(crate) fn outputs(&self) -> Vec<String> {
        let outputs = self.blocks().into_iter().filter(|block| block.kind == "output");
        outputs.map(|block| block.text).collect()
    }

    pub(crate) fn check_examples(&self, checked: &mut Checked) {
        let folder = tempfile::tempdir().unwrap();
        let (mut columns, mut rows) = (String::new(), String::new());
        let mut shown: Option<Shown> = None;
        for block in self.blocks() {
            if ["columns", "rows", "file", "output"].contains(&block.kind.as_str()) {
                shown.take().into_iter().for_each(|shown| shown.finish(checked));
            }
            match block.kind.as_str() {
                "columns" => columns = block.text,
                "rows" => rows = block.text,
                "file" => fs::write(folder.path().join(&block.rest), &block.text).unwrap(),
                "output" => {
                    let written = write(folder.path(), &block.text, schema(&columns), &rows);
                    shown = Some(Shown { place: block.place, written, next: 0, told: false });
                    checked.outputs += 1;
                }
                _ => match &mut shown {
                    Some(shown) => shown.compare(&block, checked),
                    None => panic!("{}: what output writes this?", block.place),
                },
            }
        }
        shown.into_iter().for_each(|shown| shown.finish(checked));
    }
}

/// An output, as far as the page has shown what it writes.
struct Shown {
    place: String,
    written: Written,
    /// The record that is shown next.
    next: usize,
    /// Whether the rejected rows, or the refusal, were shown.
    told: bool,
}

impl Shown {
    fn compare(&mut self, block: &Block, checked: &mut Checked) {
        let Block { place, kind, text, .. } = block;
        match kind.as_str() {
            "records" => text.lines().for_each(|line| self.compare_text(place, line, checked)),
            "record" => self.compare_text(place, text, checked),
            "bytes" => {
                let digits = text.lines().map(|line| line.split('#').next().unwrap());
                let digits: String = digits.flat_map(str::split_whitespace).collect();
                let found = hex(&self.next_record());
                if !matches(&found, &digits) {
                    checked.compare(place, &found, &digits);
                }
                checked.records += 1;
                return;
            }
            "rejected" => {
                checked.compare(place, &self.written.rejected.join("\n"), text);
                self.told = true;
            }
            "refused" => {
                checked.compare(place, self.written.refused.as_deref().unwrap_or_default(), text);
                self.told = true;
            }
            "schema" => {
                let found = self.written.schema.clone().unwrap_or_default();
                let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
                if parsed(&found).is_none() || parsed(&found) != parsed(text) {
                    checked.compare(place, &found, text);
                }
            }
            _ => panic!("{place}: no block is called `{kind}`"),
        }
        checked.others += usize::from(!kind.starts_with("record"));
    }

    fn compare_text(&mut self, place: &str, text: &str, checked: &mut Checked) {
        let record = String::from_utf8_lossy(&self.next_record()).into_owned();
        let expected = if self.written.is_csv { text.replace('\n', "\r\n") } else { text.into() };
        checked.compare(place, &record, &expected);
        checked.records += 1;
    }

    /// The record that follows; empty if there is none.
    fn next_record(&mut self) -> Vec<u8> {
        self.next += 1;
        self.written.records.get(self.next - 1).cloned().unwrap_or_default()
    }

    /// All was shown.
    fn finish(self, checked: &mut Checked) {
        let Self { place, written, next, told } = self;
        for record in written.records.iter().skip(next) {
            let text = String::from_utf8_lossy(record);
            checked.compare(&place, &format!("{text} = {}", hex(record)), "nothing of this record");
        }
        if !told {
            checked.compare(&place, &written.rejected.join("\n"), "");
            checked.compare(&place, written.refused.as_deref().unwrap_or_default(), "");
        }
    }
}

/// Whether a text is as expected, where `...` stands for anything.
fn matches(mut found: &str, expected: &str) -> bool {
    let mut parts = expected.split("...").collect::<Vec<_>>();
    let last = parts.pop().unwrap();
    for (number, part) in parts.iter().enumerate() {
        match found.find(part) {
            Some(at) if number > 0 || at == 0 => found = &found[at + part.len()..],
            _ => return false,
        }
    }
    if parts.is_empty() { found == last } else { found.ends_with(last) }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Columns such as `flight: non-null Int64`, a line each.
fn schema(columns: &str) -> Arc<Schema> {
    let field = |line: &str| {
        let (name, of) = line.split_once(": ").unwrap();
        let (nullable, of) = match of.strip_prefix("non-null ") {
            Some(of) => (false, of),
            None => (true, of),
        };
        column(name, of, nullable, false)
    };
    Arc::new(Schema::new(columns.lines().map(field).collect::<Vec<_>>()))
}

/// A column of a type as Arrow for Rust writes it.
pub(crate) fn column(name: &str, of: &str, nullable: bool, json: bool) -> Field {
    let field = Field::new(name, of.parse::<DataType>().unwrap(), nullable);
    let extension = (EXTENSION_TYPE_NAME_KEY.to_owned(), "arrow.json".to_owned());
    if json { field.with_metadata(HashMap::from([extension])) } else { field }
}

/// Decodes and encodes rows as an output with these keys does.
pub(crate) fn write(folder: &Path, keys: &str, schema: Arc<Schema>, rows: &str) -> Written {
    let output: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    let yaml = format!(
        "name: docs\noutputs:\n  - alias: docs\n    bootstrapServers: localhost:9092\n    \
         topic: docs\n{output}"
    );
    let file = folder.join("job.yaml");
    fs::write(&file, yaml).unwrap();
    let job = job::load(&file).unwrap_or_else(|faults| panic!("{faults}"));
    let output = &job.outputs[0];
    let format = &output.serialization.format;
    let mut written = Written {
        records: Vec::new(),
        schema: None,
        rejected: Vec::new(),
        refused: None,
        is_csv: matches!(format, serializers::Format::Csv(_)),
    };
    let (decoder, batch) = decode(schema, rows);
    let encoder = match Encoder::compile(format, decoder.schema()) {
        Ok(encoder) => encoder,
        Err(error) => {
            written.refused = Some(error.to_string());
            return written;
        }
    };
    written.schema = encoder.avro_schema().map(str::to_owned);
    let packing = output.packing.map_or(Packing::NONE, |packing| packing.limits);
    let limits = serializers::Limits { record_bytes_max: BYTES_MAX, batch_bytes_max: BYTES_MAX };
    let mut records = Records::new();
    encoder.encode_all(&[batch], packing, &limits, &mut records).unwrap();
    written.records = (0..records.len()).map(|record| records.record(record).to_vec()).collect();
    written.rejected = records.rejected().iter().map(ToString::to_string).collect();
    if output.error_policy == ErrorPolicy::Stop && !written.rejected.is_empty() {
        // The batch is refused as a whole.
        written.records.clear();
    }
    written
}

fn decode(schema: Arc<Schema>, rows: &str) -> (Decoder, RecordBatch) {
    let decoder = Decoder::compile(schema).unwrap();
    let limits = Limits { rows_max: 1_000, bytes_max: BYTES_MAX };
    let rows = Bytes::from(rows.to_owned());
    let decoded = decoder.decode(Carrier::JsonLines, &rows, &limits).unwrap();
    assert_eq!(decoded.rejected, [], "rows that cannot be read");
    (decoder, decoded.batch)
}
