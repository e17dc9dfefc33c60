//! Load: writers that send from threads of their own, and the check of what has arrived.
//!
//! A row is `{"w": WRITER, "n": 0, 1, 2 …, "pad": TEXT}`: each can be told from all others, and
//! its place is known.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use proto::v1::Primitive;
use serde::Deserialize;

use super::{Answer, Engine, Failure, Stream};
use crate::{reader::Record, wait::DEADLINE};

/// The columns of rows made by [`rows`].
pub const COLUMNS: [(&str, Primitive); 3] =
    [("w", Primitive::Text), ("n", Primitive::Int64), ("pad", Primitive::Text)];

/// What fills the rows of a load; it compresses well.
const PAD: &str = "to be or not to be, that is the question that was to be asked";

/// How often a load that may not send looks whether it has been stopped.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Rows of a writer as JSON lines, each with `pad`.
pub fn rows(writer: &str, numbers: Range<u64>, pad: &str) -> String {
    let mut lines = String::new();
    for n in numbers {
        writeln!(lines, r#"{{"w":"{writer}","n":{n},"pad":"{pad}"}}"#)
            .expect("a string can be written");
    }
    lines
}

/// A writer that sends batches until it is told to stop, or the service closes.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<Sent>,
}

/// How a load sends.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Rows of a batch.
    pub batch_rows: u64,
    /// The wait after each batch; none at all keeps as much on its way as the credit allows.
    pub pause: Duration,
}

/// What a load has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The writer.
    pub writer: String,
    /// Rows that were sent: 0, 1, 2 … .
    pub rows_sent: u64,
    /// Rows that were acknowledged, the first of those.
    pub rows_durable: u64,
    /// The service said that it is about to close.
    pub draining: bool,
    /// How the stream ended; `None` if it did not.
    pub end: Option<Result<(), Failure>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    rows_durable: AtomicU64,
}

impl Sent {
    /// Rows that were all acknowledged.
    pub fn whole(writer: &str, rows: u64) -> Self {
        let writer = writer.to_owned();
        Self { writer, rows_sent: rows, rows_durable: rows, draining: false, end: None }
    }
}

impl Load {
    /// Opens a stream and starts to send.
    pub fn start(engine: &Engine, output: &str, writer: &str, pace: Pace) -> Self {
        let stream = engine.open(output, writer);
        let shared = Arc::<Shared>::default();
        let (writer, seen) = (writer.to_owned(), shared.clone());
        let thread = thread::spawn(move || run(stream, writer, pace, &seen));
        Self { shared, thread }
    }

    /// Rows that are acknowledged by now.
    pub fn rows_durable(&self) -> u64 {
        self.shared.rows_durable.load(Ordering::SeqCst)
    }

    /// Waits until some rows more are acknowledged, and returns how long that took.
    ///
    /// # Panics
    /// When it takes longer than the deadline.
    #[track_caller]
    pub fn wait_progress(&self, rows: u64) -> Duration {
        let (start, goal) = (Instant::now(), self.rows_durable() + rows);
        crate::wait::wait_until("more rows are acknowledged", DEADLINE, || {
            self.rows_durable() >= goal
        });
        start.elapsed()
    }

    /// Stops sending, waits until everything sent is durable, and tells what it was.
    ///
    /// # Panics
    /// When the load has failed, or that takes longer than the deadline.
    pub fn stop(self) -> Sent {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.join()
    }

    /// Waits until the stream ends by the service's doing.
    ///
    /// # Panics
    /// When the load has failed.
    pub fn join(self) -> Sent {
        self.thread.join().expect("the load has not failed")
    }
}

fn run(mut stream: Stream, writer: String, pace: Pace, shared: &Shared) -> Sent {
    let Pace { batch_rows, pause } = pace;
    stream.declare(&COLUMNS);
    let (mut draining, mut end, mut idle_since) = (false, None, Instant::now());
    while end.is_none() {
        let stop = shared.stop.load(Ordering::SeqCst);
        if stop && stream.durable_through == stream.sent {
            break;
        }
        let mut wait = LOOK_EVERY;
        let first = stream.sent * batch_rows;
        let lines = rows(&writer, first..first + batch_rows, PAD);
        let may_send = !stop && !draining && stream.may_send(lines.len() as u64);
        if may_send {
            stream.send(lines);
            wait = pause;
        }
        let mut until = Instant::now() + wait;
        // At least a look at what is there, however short the wait.
        while let Some(answer) = stream.next(until.saturating_duration_since(Instant::now())) {
            idle_since = Instant::now();
            if !may_send {
                until = idle_since; // the answer may be new credit
            }
            match answer {
                Answer::Ack(ack) => {
                    let rows = ack.durable_through * batch_rows;
                    shared.rows_durable.store(rows, Ordering::SeqCst);
                }
                Answer::Draining(_) => draining = true,
                Answer::Ended(ended) => {
                    end = Some(ended);
                    break;
                }
                Answer::Refused(refused) => panic!("nothing is wrong with the rows: {refused:?}"),
                Answer::Held(_) | Answer::Heartbeat => {}
            }
        }
        assert!(idle_since.elapsed() < DEADLINE, "{writer} hears nothing for {DEADLINE:?}");
    }
    let (rows_sent, rows_durable) = (stream.sent * batch_rows, stream.durable_through * batch_rows);
    Sent { writer, rows_sent, rows_durable, draining, end }
}

#[derive(Deserialize)]
struct Row {
    w: String,
    n: u64,
}

/// Checks that a topic holds the acknowledged rows of all loads, nothing that they have not sent,
/// nothing twice, and each writer's rows in order within each partition.
///
/// # Panics
/// When one of these does not hold.
#[track_caller]
pub fn check(records: &[Record], sent: &[Sent]) {
    let mut last: BTreeMap<(i32, String), u64> = BTreeMap::new();
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in records {
        let Row { w, n } = serde_json::from_str(record.text()).expect("a record is a row as JSON");
        if let Some(before) = last.insert((record.partition, w.clone()), n) {
            let partition = record.partition;
            assert!(before < n, "{w} in partition {partition}: row {n} comes after row {before}");
        }
        found.entry(w).or_default().push(n);
    }
    for Sent { writer, rows_sent, rows_durable, .. } in sent {
        let mut numbers = found.remove(writer).unwrap_or_default();
        numbers.sort_unstable();
        let twice = numbers.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None, "{writer}: a row is there twice");
        assert!(
            numbers.last().is_none_or(|last| last < rows_sent),
            "{writer}: rows out of nowhere"
        );
        let durable = numbers.iter().filter(|n| *n < rows_durable).count() as u64;
        assert_eq!(durable, *rows_durable, "{writer}: acknowledged rows are missing");
    }
    assert!(found.is_empty(), "rows of writers that nobody knows: {:?}", found.keys());
}
