//! A line of the log: what an event says, and how it is written.
use std::{fmt, fmt::Write as _, time::SystemTime};

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use tracing::{
    Event, Level,
    callsite::Identifier,
    field::{Field, Visit},
};

use super::clean;
use crate::codes::{self, Place};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    Text {
        /// Whether a terminal shows it.
        colours: bool,
    },
    /// For programs: an object a line.
    Json,
}

/// What an event says.
#[derive(Clone, Debug)]
pub(super) struct Line {
    time: SystemTime,
    /// How bad it is.
    pub(super) level: Level,
    target: String,
    /// Where in the code it comes from.
    pub(super) callsite: Identifier,
    /// In words.
    pub(super) message: String,
    fields: Vec<(&'static str, Value)>,
    /// It comes by the crate `log`, whose lines have one place in the code for all.
    is_foreign: bool,
    /// How often the same was not written since the line before this one, and in how many seconds.
    pub(super) repeated: Option<(u64, u64)>,
}

/// The value of a field.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    /// A number or a thing as it shows itself.
    Shown(String),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
}

impl Line {
    /// What an event says.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut line = Self {
            time: SystemTime::now(),
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            callsite: metadata.callsite(),
            message: String::new(),
            fields: Vec::new(),
            is_foreign: false,
            repeated: None,
        };
        event.record(&mut line);
        line
    }

    /// When it was said.
    pub(super) fn time(&self) -> SystemTime {
        self.time
    }

    /// The stable code.
    pub(super) fn code(&self) -> Option<&str> {
        self.text("code")
    }

    /// The output that it is about, or what else it is about that has credentials.
    pub(super) fn output(&self) -> Option<&str> {
        self.text("output").or_else(|| self.text("of"))
    }

    /// What it is about, if that can be told: an output and which of its credentials, or who
    /// connects, without the port, which is another one each time, and what is wrong then.
    pub(super) fn subject(&self) -> Option<String> {
        if self.is_foreign {
            return Some(self.target.clone());
        }
        let all = |names: &[&str]| -> Vec<&str> {
            names.iter().filter_map(|name| self.text(name)).collect()
        };
        if let Some(output) = self.output() {
            let which = all(&["purpose", "subject"]);
            return Some([&[output], &which[..]].concat().join(" "));
        }
        let who = ["caller", "peer", "host"].into_iter().find_map(|name| self.text(name))?;
        let (address, more) = who.split_once(' ').unwrap_or((who, ""));
        let is_socket = address.parse::<std::net::SocketAddr>().is_ok();
        let host = address.rsplit_once(':').filter(|_| is_socket).map_or(address, |(host, _)| host);
        Some([&[host, more], &all(&["missing", "error"])[..]].concat().join(" "))
    }

    /// The first sentence of what the catalogue says to do about it.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        // Of what is told to callers a code may mean something else.
        let is_answer = self.target.starts_with("kafka_output::grpc");
        let first = if is_answer { Place::Call } else { Place::Waits };
        let code = self.code().filter(|_| self.level <= Level::WARN)?;
        codes::remedy(code, [first, Place::Log, Place::Credentials])
    }

    /// As it is written, with its end.
    pub(super) fn print(&self, form: Form) -> String {
        let mut printed = match form {
            Form::Text { colours } => self.to_text(colours),
            Form::Json => serde_json::to_string(self).expect("a line has names and plain values"),
        };
        printed.push('\n');
        printed
    }

    fn to_text(&self, colours: bool) -> String {
        let level = format!("{:>5}", self.level.as_str());
        let mut text = match (colours, self.level) {
            (false, _) => format!("{} {level} {}", self.timestamp(), clean(&self.message)),
            (true, level_of) => {
                let colour = match level_of {
                    Level::ERROR => 31,
                    Level::WARN => 33,
                    Level::INFO => 32,
                    Level::DEBUG => 34,
                    Level::TRACE => 35,
                };
                let (time, message) = (self.timestamp(), clean(&self.message));
                format!("\x1b[2m{time}\x1b[0m \x1b[{colour}m{level}\x1b[0m {message}")
            }
        };
        text += &self.again();
        let remedy = self.remedy().filter(|remedy| !says(&self.message, remedy));
        if let Some(remedy) = remedy {
            let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
            text += &format!("{end} Remedy: {remedy}");
        }
        for (name, value) in &self.fields {
            // To a String it cannot fail.
            let _ = write!(text, " {name}={value}");
        }
        text
    }

    /// What stands behind the message of a line that stands for others.
    fn again(&self) -> String {
        match self.repeated {
            None => String::new(),
            Some((1, seconds)) => format!(" … once more in the last {seconds} s"),
            Some((times, seconds)) => format!(" … {times} times more in the last {seconds} s"),
        }
    }

    fn timestamp(&self) -> String {
        let time = jiff::Timestamp::try_from(self.time).unwrap_or_default();
        format!("{time:.6}")
    }

    fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(of, _)| *of == name)?;
        match value {
            Value::Text(text) | Value::Shown(text) => Some(text),
            Value::Signed(_) | Value::Unsigned(_) | Value::Float(_) | Value::Bool(_) => None,
        }
    }

    fn take(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text) | Value::Shown(text)) => self.message = text,
            ("log.target", Value::Text(target)) => {
                (self.target, self.is_foreign) = (target, true);
            }
            // Its place in the source matters to nobody.
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.fields.push((name.trim_start_matches("r#"), value)),
        }
    }
}

/// Whether a message has these words, or at least their beginning: many say what to do.
fn says(message: &str, remedy: &str) -> bool {
    const ENOUGH: usize = 20;
    let beginning: String = remedy.chars().take(ENOUGH).collect();
    message.contains(&beginning)
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, Value::Shown(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, Value::Text(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, Value::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, Value::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, Value::Bool(value));
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Shown(text) => f.write_str(&clean(text)),
            Self::Signed(number) => write!(f, "{number}"),
            Self::Unsigned(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Bool(is_so) => write!(f, "{is_so}"),
        }
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.timestamp())?;
        map.serialize_entry("level", self.level.as_str())?;
        map.serialize_entry("message", &format!("{}{}", self.message, self.again()))?;
        for (name, value) in &self.fields {
            match value {
                Value::Text(text) | Value::Shown(text) => map.serialize_entry(name, text)?,
                Value::Signed(number) => map.serialize_entry(name, number)?,
                Value::Unsigned(number) => map.serialize_entry(name, number)?,
                Value::Float(number) => map.serialize_entry(name, number)?,
                Value::Bool(is_so) => map.serialize_entry(name, is_so)?,
            }
        }
        if let Some(remedy) = self.remedy() {
            map.serialize_entry("remedy", remedy)?;
        }
        if let Some((times, _)) = self.repeated {
            map.serialize_entry("repeated", &times)?;
        }
        map.serialize_entry("target", &self.target)?;
        map.end()
    }
}
