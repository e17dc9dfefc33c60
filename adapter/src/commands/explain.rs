//! `explain`: what a code means, and what to do; without one, all codes.
use serde_json::{Value, json};

use crate::{
    codes::{self, Entry},
    exit::Exit,
    job::near_names,
    output_format::OutputFormat,
};

/// What is to be explained.
#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// The code, such as TOPIC_NOT_FOUND; without one all are listed
    #[arg(value_name = "CODE", value_parser = known)]
    code: Option<&'static str>,
}

/// Prints what a code means, or all codes with their causes.
pub fn run(args: &ExplainArgs, format: OutputFormat) -> Exit {
    match (args.code, format) {
        (Some(code), OutputFormat::Text) => {
            println!("{code}");
            codes::all()[code].iter().for_each(|entry| println!("\n{}", text(entry)));
        }
        (Some(code), OutputFormat::Json) => println!("{}", to_json(code, &codes::all()[code])),
        (None, OutputFormat::Text) => {
            for area in codes::AREAS {
                println!("{}", area.title);
                area.entries.iter().for_each(|entry| println!("  {}  {}", entry.code, entry.cause));
                println!();
            }
            println!("kafka-output explain CODE says what to do.");
        }
        (None, OutputFormat::Json) => {
            codes::all().iter().for_each(|(code, entries)| println!("{}", to_json(code, entries)));
        }
    }
    Exit::Done
}

/// The code as the catalogue has it, however it was typed.
fn known(typed: &str) -> Result<&'static str, String> {
    let all = codes::all();
    let meant = typed.trim().replace('-', "_").to_ascii_uppercase();
    if let Some((code, _)) = all.get_key_value(meant.as_str()) {
        return Ok(code);
    }
    let near = near_names(typed, all.into_keys());
    Err(match near.as_slice() {
        [] => "no such code; `kafka-output explain` lists all".to_owned(),
        near => format!("no such code; near it: {}", near.join(", ")),
    })
}

fn text(entry: &Entry) -> String {
    let Entry { places, rows_written, retry, cause, remedy, stream_analytics, .. } = entry;
    let places = places.iter().map(|place| place.words()).collect::<Vec<_>>().join(", ");
    let azure = stream_analytics.map(|name| format!("\n  Stream Analytics  {name}"));
    format!(
        "  cause             {cause}\n  \
           remedy            {remedy}\n  \
           told              {places}\n  \
           rows written      {}\n  \
           trying again      {}{}",
        rows_written.words(),
        retry.words(),
        azure.unwrap_or_default()
    )
}

fn to_json(code: &str, entries: &[&Entry]) -> Value {
    let meaning = |entry: &&Entry| {
        let Entry { places, rows_written, retry, cause, remedy, stream_analytics, .. } = entry;
        json!({
            "places": places.iter().map(|place| place.name()).collect::<Vec<_>>(),
            "cause": cause,
            "remedy": remedy,
            "rowsWritten": rows_written.name(),
            "retry": retry.name(),
            "streamAnalytics": stream_analytics,
        })
    };
    json!({ "code": code, "meanings": entries.iter().map(meaning).collect::<Vec<_>>() })
}
