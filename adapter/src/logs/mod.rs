//! The log: lines on stderr, of which those that repeat are counted, and the last errors for the
//! status. Warnings and errors have a stable code, and the remedy of the catalogue with it.
mod line;
mod lines;
mod recent;
mod repeats;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, io::IsTerminal as _, sync::OnceLock};

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

pub use self::recent::Told;
use self::{
    line::Form,
    lines::{Lines, Writing},
    recent::{LAST, Recent},
};
use crate::kafka;

/// Whose lines may be as detailed as asked for. Those of HTTP, TLS and Azure crates hold headers
/// and bodies, that is: tokens and secrets; and at `info` Azure's tell each request. Of all others
/// warnings are logged.
const DETAILED: [&str; 2] = ["kafka_output", "keyvault"];

static WRITING: OnceLock<Writing> = OnceLock::new();

/// Logs at the level of KAFKA_OUTPUT_LOG. Without it the service logs what an operator needs, and
/// commands whose own words are the point log warnings; what `keyvault` warns of stands in those
/// words. What librdkafka says that matters is logged by the output that it concerns, with its
/// remedy, so its own lines stay off.
pub fn init(serving: bool) {
    let level = if serving { "info" } else { "warn,keyvault=error" };
    let [first, second] = kafka::LOG_TARGETS;
    let default = format!("{level},{first}=off,{second}=off");
    let filter = std::env::var("KAFKA_OUTPUT_LOG").unwrap_or_else(|_| default.clone());
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        eprintln!("KAFKA_OUTPUT_LOG: {error}; logging `{default}`");
        EnvFilter::new(&default)
    });
    let harmless = filter_fn(|line| *line.level() <= level_max(line.target()));
    let lines = Lines::new(form(), std::io::stderr);
    let writing = lines.writing();
    // What others warn of is in their words, and may hold anything: it is logged, and not shown.
    let own = filter_fn(|line| is_own(line.target())).and(LevelFilter::WARN);
    // A second call, as in tests, keeps the first.
    let layers = tracing_subscriber::registry()
        .with(lines.with_filter(harmless.and(filter)))
        .with(Recent(&LAST).with_filter(own));
    if layers.try_init().is_ok() {
        let _ = WRITING.set(writing);
    }
}

/// Writes what was counted and not written yet. Nothing is logged any more.
pub fn end() {
    if let Some(writing) = WRITING.get() {
        writing.end();
    }
}

/// The warnings and errors that this process told last, the newest first.
pub fn last_errors() -> Vec<Told> {
    LAST.told()
}

/// As KAFKA_OUTPUT_LOG_FORMAT says, else what suits who reads it.
fn form() -> Form {
    let is_terminal = std::io::stderr().is_terminal();
    let colours = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let asked = std::env::var("KAFKA_OUTPUT_LOG_FORMAT").unwrap_or_default();
    match asked.as_str() {
        "json" => Form::Json,
        "text" => Form::Text { colours },
        _ => {
            if !asked.is_empty() {
                eprintln!("KAFKA_OUTPUT_LOG_FORMAT is `{}`; it is text or json", clean(&asked));
            }
            if is_terminal { Form::Text { colours } } else { Form::Json }
        }
    }
}

/// What a terminal shows, and does not obey: strangers' texts are in it, too.
fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => cleaned.extend(character.escape_default()),
            false => cleaned.push(character),
        }
    }
    Cow::Owned(cleaned)
}

fn is_own(target: &str) -> bool {
    DETAILED.contains(&crate_of(target))
}

/// The most detailed level of lines from there that is logged, whatever is asked for.
fn level_max(target: &str) -> Level {
    let is_detailed = is_own(target) || kafka::LOG_TARGETS.contains(&crate_of(target));
    if is_detailed { Level::TRACE } else { Level::WARN }
}

fn crate_of(target: &str) -> &str {
    target.split("::").next().unwrap_or_default()
}

#[cfg(test)]
mod levels {
    use super::*;

    #[test]
    fn what_others_log_is_bounded_whatever_is_asked_for() {
        for target in ["kafka_output::serve", "keyvault", "librdkafka"] {
            assert_eq!(level_max(target), Level::TRACE, "{target}");
        }
        for target in ["typespec_client_core::http::policies::logging", "h2", "keyvaultx::a"] {
            assert_eq!(level_max(target), Level::WARN, "{target}");
        }
    }
}
