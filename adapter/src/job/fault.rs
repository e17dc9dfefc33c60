//! Faults of a job file, and how a person and a program read them.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use super::source::Snippet;

/// One thing that is wrong with a job file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The stable name of this kind of fault, such as `UNKNOWN_KEY`.
    pub code: &'static str,
    /// The line, from 1; 0 if the fault is of the file as a whole.
    pub line: u32,
    /// The column in characters, from 1; 0 if the fault is of the file as a whole.
    pub column: u32,
    /// What it is about, such as `outputs[0].batching.linger`; empty for the whole file.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// What is wrong with a job file, in the order of the file: everything, or the first hundred.
///
/// Neither the text nor the JSON ever holds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The file as the caller named it.
    pub file: String,
    /// The faults, ordered by line and column; never empty.
    pub list: Vec<Fault>,
    /// The line each fault stands in, as far as it may be shown; as long as `list`.
    snippets: Vec<Option<Snippet>>,
    /// How many more faults there are than `list` holds.
    omitted: usize,
}

/// The escape sequences of a terminal, or nothing.
struct Paint {
    place: &'static str,
    error: &'static str,
    gutter: &'static str,
    help: &'static str,
    end: &'static str,
}

const COLOR: Paint = Paint {
    place: "\x1b[1m",
    error: "\x1b[1;31m",
    gutter: "\x1b[34m",
    help: "\x1b[1;36m",
    end: "\x1b[0m",
};
const PLAIN: Paint = Paint { place: "", error: "", gutter: "", help: "", end: "" };

impl Faults {
    pub(super) fn new(file: &str, faults: Vec<(Fault, Option<Snippet>)>, omitted: usize) -> Self {
        let (list, snippets) = faults.into_iter().unzip();
        Self { file: file.to_owned(), list, snippets, omitted }
    }

    /// A fault of the file as a whole.
    pub(super) fn of_file(file: &str, code: &'static str, message: String, help: &str) -> Self {
        let (path, help) = (String::new(), help.to_owned());
        Self::new(file, vec![(Fault { code, line: 0, column: 0, path, message, help }, None)], 0)
    }

    /// The faults as text for a person, with colours if `color` says so.
    pub fn render(&self, color: bool) -> String {
        let paint = if color { &COLOR } else { &PLAIN };
        let mut text = String::new();
        for (fault, snippet) in self.list.iter().zip(&self.snippets) {
            self.write_fault(&mut text, fault, snippet.as_ref(), paint)
                .expect("a String takes everything that is written to it");
        }
        let count = self.list.len() + self.omitted;
        match (count, self.omitted) {
            (0 | 1, _) => {}
            (_, 0) => text.push_str(&format!("{count} faults in {}\n", self.file)),
            _ => {
                let shown = self.list.len();
                text.push_str(&format!(
                    "{count} faults in {}, the first {shown} shown\n",
                    self.file
                ));
            }
        }
        text
    }

    fn write_fault(
        &self,
        out: &mut String,
        fault: &Fault,
        snippet: Option<&Snippet>,
        paint: &Paint,
    ) -> fmt::Result {
        let Paint { place, error, gutter, help, end } = paint;
        let Fault { code, line, column, message, .. } = fault;
        let at = match line {
            0 => self.file.clone(),
            _ => format!("{}:{line}:{column}", self.file),
        };
        writeln!(out, "{place}{at}:{end} {error}error[{code}]{end}: {message}")?;
        let margin = line.to_string().len();
        if let Some(Snippet { text, indent, width }) = snippet {
            writeln!(out, " {gutter}{line} |{end} {text}")?;
            let (blank, caret) = (" ".repeat(*indent), "^".repeat(*width));
            writeln!(out, " {:margin$} {gutter}|{end} {blank}{error}{caret}{end}", "")?;
        }
        let space = if *line == 0 { 1 } else { margin + 2 };
        writeln!(out, "{:space$}{gutter}={end} {help}help{end}: {}", "", fault.help)
    }

    /// The faults for a program: `{"file": …, "faults": [{"code": …, …}], "omitted": 0}`.
    pub fn to_json(&self) -> Value {
        let fault = |fault: &Fault| {
            let Fault { code, line, column, path, message, help } = fault;
            json!({
                "code": code, "line": line, "column": column,
                "path": path, "message": message, "help": help,
            })
        };
        json!({
            "file": self.file,
            "faults": self.list.iter().map(fault).collect::<Vec<_>>(),
            "omitted": self.omitted,
        })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Faults {}
