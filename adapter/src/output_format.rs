//! How a command tells its result: to a person or to a script.

/// The form of a command's result on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// Text for a person.
    #[default]
    Text,
    /// JSON for a script, one object a line, and nothing else.
    Json,
}

// What is asked of a command's result: before or behind the command's name, but for `preview` and
// `transactions`, whose `--output` is an output of the job. No documentation: clap would take it for
// that of the command.
#[expect(missing_docs, reason = "see above")]
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ResultArgs {
    /// What a person reads (default), or what a script reads: one JSON object a line on stdout
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub output: Option<OutputFormat>,
}

impl ResultArgs {
    /// The format that is asked for here, else there.
    pub fn or(self, outer: Self) -> OutputFormat {
        self.output.or(outer.output).unwrap_or_default()
    }
}
