//! `reload`, `pause`, `resume`, `drain`: what an operator has a running service do.
use serde_json::Value;

use crate::{
    exit::Exit,
    operator::{Operator, OperatorError, ServiceArgs},
    output_format::OutputFormat,
};

/// An output of a running service.
#[derive(Clone, Debug, clap::Args)]
pub struct OutputArgs {
    /// The output's alias in the job file
    #[arg(value_name = "OUTPUT")]
    alias: String,
    #[command(flatten)]
    service: ServiceArgs,
}

/// What is to become of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Rows wait.
    Pause,
    /// Rows pass.
    Resume,
    /// Streams end.
    Drain,
}

/// Has the job file loaded again.
pub async fn reload(service: &ServiceArgs, format: OutputFormat) -> Exit {
    tell(Operator::new(service).order("/reload").await, format, |applied| {
        let names = |key: &str| {
            let names = applied[key].as_array().into_iter().flatten().filter_map(Value::as_str);
            names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let generation = &applied["generation"];
        let (added, changed, removed) = (names("added"), names("changed"), names("removed"));
        if added.len() + changed.len() + removed.len() == 0 {
            println!("no output differs; generation {generation} stays in use");
            return;
        }
        println!("generation {generation} is in use");
        for (what, names) in [
            ("new", added),
            ("changed", changed),
            ("ended", removed),
            ("not touched", names("same")),
        ] {
            if !names.is_empty() {
                println!("  {what}: {names}");
            }
        }
        if applied["unsettledRecords"].as_u64().is_some_and(|records| records > 0) {
            let records = &applied["unsettledRecords"];
            println!("  {records} records of what has ended may or may not be written");
        }
    })
}

/// Has an output paused, resumed or drained.
pub async fn set(args: &OutputArgs, order: Order, format: OutputFormat) -> Exit {
    let word = match order {
        Order::Pause => "pause",
        Order::Resume => "resume",
        Order::Drain => "drain",
    };
    let alias = encoded(&args.alias);
    let done = Operator::new(&args.service).order(&format!("/outputs/{alias}/{word}")).await;
    tell(done, format, |set| {
        let alias = &args.alias;
        let (streams, records) = (&set["streams"], &set["recordsInFlight"]);
        let again = if set["changed"] == false { " already" } else { "" };
        match order {
            Order::Pause => println!(
                "output `{alias}` is{again} paused: {streams} streams stay, their rows wait; {records} \
                 records are on their way\nIt stays so until `kafka-output resume {alias}` or a \
                 restart of the service."
            ),
            Order::Resume => println!("output `{alias}` is{again} open"),
            Order::Drain => println!(
                "output `{alias}` is{again} drained: {streams} streams are left, {records} records \
                 are on their way\nIt stays so until `kafka-output resume {alias}` or a restart of \
                 the service."
            ),
        }
    })
}

/// Tells what was done, or why it was not.
fn tell(
    done: Result<String, OperatorError>,
    format: OutputFormat,
    show: impl FnOnce(&Value),
) -> Exit {
    let done = done.and_then(|done| {
        serde_json::from_str::<Value>(&done).map_err(|_| OperatorError::Refused { said: done })
    });
    match (done, format) {
        (Ok(done), OutputFormat::Json) => println!("{done}"),
        (Ok(done), OutputFormat::Text) => show(&done),
        (Err(error), OutputFormat::Json) => {
            println!("{}", serde_json::json!({ "error": error.to_string() }));
            return error.exit();
        }
        (Err(error), OutputFormat::Text) => {
            eprintln!("{error}");
            return error.exit();
        }
    }
    Exit::Done
}

/// An alias as a part of a path.
fn encoded(alias: &str) -> String {
    let mut path = String::new();
    for byte in alias.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(byte.into());
            }
            _ => path += &format!("%{byte:02X}"),
        }
    }
    path
}
