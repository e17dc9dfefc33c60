//! Which files of rows, and how they are read: what `send` and `preview` have in common.
use std::{num::NonZeroU32, path::PathBuf};

use super::{
    files::{Files, Format, TextOptions, delimiter},
    types::Types,
};

#[expect(missing_docs, reason = "clap would take it for what the command is for")]
#[derive(Clone, Debug, clap::Args)]
pub struct FileArgs {
    /// Files of rows, in this order: CSV, JSON Lines, Arrow IPC or Parquet, all with the same
    /// columns.
    #[arg(value_name = "FILE", required = true)]
    pub paths: Vec<PathBuf>,

    /// The format of the files. Default: by their names (.csv .tsv .jsonl .ndjson .json .arrow
    /// .arrows .feather .ipc .parquet .pq).
    #[arg(long)]
    pub format: Option<Format>,

    /// Types of columns of text files: `COLUMN=TYPE,…` with bool, int8 … uint64, float32, float64,
    /// utf8, json, date, `time[us]`, `timestamp[us]`, `timestamp[us,UTC]`, `decimal(10,2)`; units
    /// are s, ms, us, ns. Columns that are not named are guessed.
    #[arg(long, value_name = "COLUMN=TYPE,…")]
    pub types: Vec<Types>,

    /// Between the fields of CSV: one character, or `tab`. Default: a comma, in .tsv files a tab.
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub delimiter: Option<u8>,

    /// Fields of CSV that are null. Default: the empty field.
    #[arg(long, value_name = "TEXT,…", value_delimiter = ',', default_value = "")]
    pub null_text: Vec<String>,

    /// The first line of CSV is a row; the columns are named column_1, column_2, …
    #[arg(long)]
    pub no_header: bool,

    /// Rows of a batch, the unit of sending and acknowledging. Smaller where limits or
    /// long rows ask for it.
    #[arg(long, value_name = "ROWS", default_value = "1000", value_parser = some_rows)]
    pub batch_rows: NonZeroU32,

    /// Take only the first rows of the files.
    #[arg(long, value_name = "ROWS")]
    pub limit: Option<u64>,
}

fn some_rows(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("write a whole number from 1 to {}", u32::MAX))
}

impl FileArgs {
    /// Looks the files through.
    ///
    /// # Errors
    /// What is wrong with them, or with what is said of them.
    pub fn survey(&self) -> Result<Files, String> {
        let files = Files::survey(&self.paths, self.format, self.text_options());
        let files = files.map_err(|error| error.to_string())?;
        self.check_used(files.formats())?;
        Ok(files)
    }

    /// How text files are to be read.
    pub fn text_options(&self) -> TextOptions {
        let all_tabs = self.paths.iter().all(|path| path.extension().is_some_and(|e| e == "tsv"));
        let usual = if all_tabs { b'\t' } else { b',' };
        TextOptions {
            delimiter: self.delimiter.unwrap_or(usual),
            header: !self.no_header,
            null_text: self.null_text.clone(),
            types: self.types.iter().flat_map(|types| types.0.clone()).collect(),
        }
    }

    /// A setting for text files without a text file is a mistake; it is not ignored.
    fn check_used(&self, formats: &[Format]) -> Result<(), String> {
        let csv = formats.contains(&Format::Csv);
        let text = csv || formats.contains(&Format::Jsonl);
        let unused = [
            ("--types", !self.types.is_empty() && !text),
            ("--delimiter", self.delimiter.is_some() && !csv),
            ("--no-header", self.no_header && !csv),
            ("--null-text", self.null_text != [""] && !csv),
        ];
        match unused.iter().find(|(_, unused)| *unused) {
            Some(("--types", _)) => Err("--types is for CSV and JSON Lines files; the others \
                                         bring their types"
                .to_owned()),
            Some((flag, _)) => Err(format!("{flag} is for CSV files, and none of these is one")),
            None => Ok(()),
        }
    }
}
