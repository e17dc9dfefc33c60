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
