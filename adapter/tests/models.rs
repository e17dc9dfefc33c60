//! The files that share state between threads, built a second time with the primitives of a model
//! that tries every way in which their steps may interleave, and every order of memory that the
//! machine allows.
//!
//! What is tried is bounded by the number of preemptions; nearly all faults of concurrent code show
//! with two, three are tried here, and four with `KAFKA_OUTPUT_LONG` set.
//!
//! Not seen from here: the inside of tokio's channels, whose place is taken by their contract.
#![expect(clippy::unwrap_used, reason = "a test panics where something is not as it says")]

#[path = "models/sync.rs"]
mod sync;

#[expect(dead_code, reason = "the models use what has interleavings")]
#[path = "../src/credit.rs"]
mod credit;
#[expect(dead_code, unused_imports, reason = "as above")]
#[path = "../src/writers.rs"]
mod writers;

#[expect(dead_code, reason = "as above")]
#[path = "models/kafka.rs"]
mod kafka;

#[path = "models/budget.rs"]
mod budget_models;
#[path = "models/credit.rs"]
mod credit_models;
#[path = "models/receipt.rs"]
mod receipt_models;
#[path = "models/writers.rs"]
mod writers_models;

/// The rows that a writer remembers, without what stands in them.
mod output {
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct BadRows {
        pub named: Vec<u32>,
        pub total: u64,
    }
}

use std::{
    io::{self, Write as _},
    panic,
    pin::Pin,
    task::{Context, Poll, Waker},
    thread,
};

use loom::model::Builder;

/// Steps of a thread that another one takes first, at most, beside those where a thread must wait.
const PREEMPTIONS: usize = 3;

/// Explores how the threads of a model may interleave.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    // A failed model often ends in an abort, and what the test runner has captured is lost with it.
    // Panics without a text are how the model leaves a thread where it is.
    panic::set_hook(Box::new(|info| {
        if let Some(text) = info.payload_as_str() {
            let (thread, place) = (thread::current(), info.location());
            let model = thread.name().unwrap_or("a model");
            let place = place.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(io::stderr(), "{model}, {place}: {text}");
        }
    }));
    let long = std::env::var_os("KAFKA_OUTPUT_LONG").is_some();
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS + usize::from(long));
    builder.check(model);
}

/// Looks at a future once, as a task does that is woken for another reason.
fn poll_once<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
