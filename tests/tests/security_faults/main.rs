//! Each fault of security has a message of its own within 15 seconds, while tries go on; no other
//! output is disturbed; and when the fault is mended the output comes by itself.
//!
//! Every fault is an output of its own in one service, beside one without a fault that writes all
//! the time.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod brokers;
mod identity;
mod vault;

use std::{
    thread,
    time::{Duration, Instant},
};

use tests::{
    check,
    engine::{
        Engine,
        load::{Load, Pace},
    },
    kafka::{Listener, SecureBrokers},
    reader,
};

/// The longest until a fault has its own message.
const TOLD_WITHIN: Duration = Duration::from_secs(15);

/// Between looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The alias of the output without a fault.
const GOOD: &str = "good";

/// An output with a fault.
struct Case {
    /// Its alias.
    name: &'static str,
    /// Its way into the brokers.
    listener: Listener,
    /// Its keys, in YAML's flow style.
    keys: String,
    /// The code that it must be told by.
    code: &'static str,
    /// What the text must name.
    says: Vec<String>,
}

impl Case {
    fn new(
        name: &'static str,
        listener: Listener,
        keys: impl Into<String>,
        code: &'static str,
        says: &[&str],
    ) -> Self {
        let says = says.iter().map(|text| (*text).to_owned()).collect();
        Self { name, listener, keys: keys.into(), code, says }
    }
}

/// Waits until each case is told by its code, and says how long the slowest took.
fn wait_told(engine: &Engine, cases: &[Case], since: Instant) {
    let mut waiting: Vec<&Case> = cases.iter().collect();
    while !waiting.is_empty() {
        waiting.retain(|case| {
            let output = engine.output(case.name);
            let told = output.trouble_code == case.code;
            if told {
                println!("{:>5.1?} {}: {}", since.elapsed(), case.name, output.trouble);
                for text in &case.says {
                    assert!(
                        output.trouble.contains(text),
                        "{}: no {text}: {}",
                        case.name,
                        output.trouble
                    );
                }
            }
            !told
        });
        if since.elapsed() > TOLD_WITHIN {
            let others: Vec<_> = waiting
                .iter()
                .map(|case| {
                    let output = engine.output(case.name);
                    format!(
                        "{}: {} instead of {}: {}",
                        case.name, output.trouble_code, case.code, output.trouble
                    )
                })
                .collect();
            assert!(others.is_empty(), "not told in time:\n{}", others.join("\n"));
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// The rows of the output without a fault, while others fail.
fn start_good(engine: &Engine) -> Load {
    engine.wait_ready(GOOD);
    let pace = Pace { batch_rows: 50, pause: Duration::from_millis(50) };
    let load = Load::start(engine, GOOD, "good", pace);
    load.wait_progress(100);
    load.heard();
    load
}

/// Nothing of it was lost, and nothing held it up.
fn end_good(load: Load, brokers: &SecureBrokers, topic: &str) {
    let heard = load.heard();
    println!("the good output: {:.0} rows/s, longest pause {:?}", heard.rate(), heard.longest_gap);
    // Threefold slack for a machine that does other things as well.
    assert!(heard.longest_gap < Duration::from_secs(3), "{:?}", heard.longest_gap);
    let sent = load.stop();
    let plain = brokers.bootstrap(Listener::Plaintext);
    check::exactly(&reader::topic(&plain, topic).records(), &[sent]);
}
