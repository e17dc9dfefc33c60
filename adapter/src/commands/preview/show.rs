//! What a preview prints: records on standard output, bad rows on standard error.
use std::{
    fmt::Write as _,
    io::{self, BufWriter, StdoutLock, Write as _},
    sync::Arc,
};

use indicatif::HumanCount;
use serializers::{AvroFraming, Format};

use super::{Stop, topic::Submitted};
use crate::{
    commands::values::Values,
    exit::Exit,
    job::ErrorPolicy,
    kafka::Rows,
    output::{BadRows, Output, Plan, Refusal},
    rows::BadRow,
    send::{Origin, Part, RowFault, files::Files},
};

/// Bad rows that are named.
const NAMED_ROWS_MAX: usize = 100;

/// Prints records, and counts them.
pub struct Show {
    raw: bool,
    records_max: u64,
    files: Arc<Files>,
    out: BufWriter<StdoutLock<'static>>,
    values: Values,
    records: u64,
    rows: u64,
    named: Vec<RowFault>,
    bad_rows: u64,
    refused: Option<String>,
}

impl Show {
    /// Shows the first `records_max` records.
    pub fn new(raw: bool, records_max: u64, files: Arc<Files>) -> Self {
        Self {
            raw,
            records_max,
            files,
            out: BufWriter::new(io::stdout().lock()),
            values: Values::new(true),
            records: 0,
            rows: 0,
            named: Vec::new(),
            bad_rows: 0,
            refused: None,
        }
    }

    /// Says where the records would go, and which schema they have.
    pub fn start(&mut self, output: &Output, plan: &Plan, partitions: u32) -> io::Result<()> {
        self.values.is_text = !matches!(output.format, Format::Avro(_));
        if self.raw {
            return Ok(());
        }
        let plural = if partitions == 1 { "" } else { "s" };
        writeln!(
            self.out,
            "Output `{}` writes to topic `{}`, here with {partitions} partition{plural}. Nothing \
             was connected to.",
            output.alias, output.topic
        )?;
        let (Format::Avro(options), Some((schema, fingerprint))) =
            (&output.format, plan.avro_schema())
        else {
            return Ok(());
        };
        let whose = match options.framing {
            AvroFraming::Container { .. } => "which every record brings".to_owned(),
            AvroFraming::SingleObject => {
                let swapped = fingerprint.swap_bytes();
                format!(
                    "which records name by its CRC-64-AVRO fingerprint {fingerprint:016x}, little \
                     endian: {swapped:016x}"
                )
            }
            AvroFraming::Confluent { schema_id } => {
                format!("which must be registered with the id {schema_id}")
            }
            AvroFraming::Raw => "which readers must know".to_owned(),
        };
        writeln!(self.out, "\nAvro schema, {whose}:\n{schema}")
    }

    /// Records of these parts; `offsets` are the numbers of their first rows.
    pub fn records(
        &mut self,
        submitted: &Submitted,
        parts: &[Part],
        offsets: &[u32],
    ) -> io::Result<()> {
        // What comes behind a refused batch is not written.
        if self.refused.is_some() {
            return Ok(());
        }
        let encoded = submitted.encoded();
        for (record, partition) in (0..).zip(submitted.partitions()) {
            self.records += 1;
            self.rows += encoded.rows.of(record).count() as u64;
            if self.records > self.records_max {
                continue;
            }
            let value = encoded.record(record);
            if self.raw {
                self.out.write_all(value)?;
                continue;
            }
            let (number, bytes) = (HumanCount(self.records), HumanCount(value.len() as u64));
            let rows = self.rows_text(&encoded.rows, record, parts, offsets);
            writeln!(
                self.out,
                "\nrecord {number}: partition {partition}, no key, {bytes} bytes, {rows}"
            )?;
            let rest = self.values.show(&mut self.out, value)?;
            self.rest(rest)?;
        }
        Ok(())
    }

    /// Shows long records whole.
    pub fn cut_nothing(&mut self) {
        self.values.cuts = false;
    }

    /// Says how many bytes of a record are left out.
    fn rest(&mut self, bytes: usize) -> io::Result<()> {
        let shows = if self.values.is_text { "shows" } else { "dumps" };
        match HumanCount(bytes as u64) {
            HumanCount(0) => Ok(()),
            bytes => writeln!(self.out, "          {bytes} more bytes (--all {shows} them)"),
        }
    }

    /// The rows of a record as the files count them.
    fn rows_text(&self, rows: &Rows, record: u32, parts: &[Part], offsets: &[u32]) -> String {
        let place = |row: u32| {
            let part = offsets.partition_point(|first| *first <= row) - 1;
            let origin = &parts[part].origin;
            (origin.file, origin.first_row + u64::from(row - offsets[part]) + 1)
        };
        let (count, last) = rows.of(record).fold((0_u64, 0), |(count, _), row| (count + 1, row));
        let ((file, first), (last_file, last)) = (place(rows.first(record)), place(last));
        let name = |file: usize| match self.files.paths() {
            [_] => String::new(),
            paths => format!(" of {}", paths[file].display()),
        };
        let (from, to, total) = (HumanCount(first), HumanCount(last), HumanCount(count));
        if count == 1 {
            format!("row {from}{}", name(file))
        } else if file == last_file && last - first + 1 == count {
            format!("rows {from} to {to}{}", name(file))
        } else if file == last_file {
            format!("{total} rows, from row {from} to row {to}{}", name(file))
        } else {
            format!("{total} rows, from row {from}{} to row {to}{}", name(file), name(last_file))
        }
    }

    /// Rows that are set aside.
    pub fn bad_rows(&mut self, origin: &Origin, bad: &BadRows) {
        self.bad_rows += bad.total;
        let room = NAMED_ROWS_MAX.saturating_sub(self.named.len());
        let files = &self.files;
        self.named.extend(bad.named.iter().take(room).map(|row| fault(files, origin, row)));
    }

    /// A batch of which nothing is written.
    pub fn refused(&mut self, part: &Part, refusal: &Refusal) {
        self.bad_rows(&part.origin, &refusal.rows);
        let (path, _, first) = part.origin.place(&self.files, 0);
        let last = first + part.batch.num_rows() as u64 - 1;
        let rows = match last - first {
            0 => format!("row {}", HumanCount(first)),
            _ => format!("rows {} to {}", HumanCount(first), HumanCount(last)),
        };
        self.refused.get_or_insert_with(|| {
            let what = match refusal.rows.total {
                0 => format!("{}: {}", refusal.code, refusal.reason),
                _ => "errorPolicy is Stop; mend the rows, or choose Drop".to_owned(),
            };
            format!(
                "{}: the batch of {rows} is refused, and `send` ends with it: {what}",
                path.display()
            )
        });
    }

    /// Says how many records there are, and what was wrong; `broken` is why not all was read.
    pub fn end(mut self, output: &Output, broken: Option<&str>) -> Result<Exit, Stop> {
        if !self.raw {
            let line = self.total(broken.is_some());
            writeln!(self.out, "\n{line}")?;
        }
        self.out.flush()?;
        let mut faults = self.faults(output.error_policy);
        for error in self.refused.as_deref().into_iter().chain(broken) {
            writeln!(faults, "error: {error}").expect("a string takes everything");
        }
        if !faults.is_empty() {
            say(&faults);
        }
        let is_whole = self.refused.is_none() && broken.is_none();
        Ok(if is_whole { Exit::Done } else { Exit::BadInput })
    }

    fn total(&self, is_broken: bool) -> String {
        let of = |count: u64, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{} {what}{plural}", HumanCount(count))
        };
        let mut text = format!("{} of {}", of(self.records, "record"), of(self.rows, "row"));
        if self.refused.is_some() {
            text += ", up to the batch that is refused";
        } else if is_broken {
            text += ", up to where the rows cannot be read";
        }
        if self.records > self.records_max {
            let shown = HumanCount(self.records_max);
            write!(text, "; {shown} shown (--records, --all)").expect("a string takes everything");
        }
        text + "."
    }

    /// The bad rows.
    fn faults(&self, policy: ErrorPolicy) -> String {
        let mut text = String::new();
        let mut line = |line: String| writeln!(text, "{line}").expect("a string takes everything");
        if self.bad_rows > 0 {
            let (rows, verb) = if self.bad_rows == 1 { ("row", "is") } else { ("rows", "are") };
            let what = match policy {
                ErrorPolicy::Stop => "cannot be written:".to_owned(),
                ErrorPolicy::Drop => format!("cannot be written and {verb} left out:"),
                ErrorPolicy::DeadLetter => {
                    "cannot be written and would become dead letters:".to_owned()
                }
            };
            line(format!("{} {rows} {what}", HumanCount(self.bad_rows)));
        }
        self.named.iter().for_each(|row| line(format!("  {}", row.text())));
        match self.bad_rows - self.named.len() as u64 {
            0 => {}
            more => line(format!("  … and {} more", HumanCount(more))),
        }
        text
    }
}

/// A bad row in the words of the file.
fn fault(files: &Files, origin: &Origin, bad: &BadRow) -> RowFault {
    let (file, line, row) = origin.place(files, u64::from(bad.row));
    RowFault {
        file: file.to_owned(),
        line,
        row: Some(row),
        column: bad.column.clone(),
        code: bad.code.to_owned(),
        reason: bad.reason.clone(),
    }
}

/// Prints to standard error. Whoever closes it does not want to know.
pub fn say(text: &str) {
    io::stderr().write_all(text.as_bytes()).ok();
}
