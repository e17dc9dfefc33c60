//! Load: writers that send from threads of their own and keep a log of what they sent and heard.
//!
//! A row is `{"w": WRITER, "n": 0, 1, 2 …, "pad": TEXT}`: each can be told from all others, and
//! its place is known. [`crate::check`] compares the log with what has arrived.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use proto::v1::{Open, Primitive};

use super::{Answer, Engine, Failure, Stream, heard::Log, sent::is_bad};
pub use super::{heard::Heard, sent::Sent};
use crate::wait::DEADLINE;

/// The columns of rows made by [`rows`].
pub const COLUMNS: [(&str, Primitive); 3] =
    [("w", Primitive::Text), ("n", Primitive::Int64), ("pad", Primitive::Text)];

/// A column that is not declared.
const BAD_COLUMN: &str = "bad";

/// What fills the rows of a load; it compresses well.
const PAD: &str = "to be or not to be, that is the question that was to be asked";

/// How often a load that may not send looks whether it has been stopped.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Between attempts to reach a service that is away.
const RECONNECT_EVERY: Duration = Duration::from_millis(50);

/// Rows of a writer as JSON lines, each with `pad`.
pub fn rows(writer: &str, numbers: Range<u64>, pad: &str) -> String {
    let mut lines = String::new();
    for n in numbers {
        writeln!(lines, r#"{{"w":"{writer}","n":{n},"pad":"{pad}"}}"#)
            .expect("a string can be written");
    }
    lines
}

/// The same with rows that cannot be written, one of so many: they have a column that nobody has
/// declared.
pub fn rows_with_bad(writer: &str, numbers: Range<u64>, pad: &str, every: Option<u64>) -> String {
    let line = |n| match is_bad(n, every) {
        true => bad_row(writer, n),
        false => rows(writer, n..n + 1, pad),
    };
    numbers.map(line).collect()
}

/// A row that cannot be written, as a JSON line.
pub fn bad_row(writer: &str, n: u64) -> String {
    format!("{{\"w\":\"{writer}\",\"n\":{n},\"{BAD_COLUMN}\":0}}\n")
}

/// A writer that sends batches until it is told to stop, or the service closes. Dropping it ends
/// its thread, whatever is on its way.
#[derive(Debug)]
pub struct Load {
    writer: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Sent>>,
}

/// How a load sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Rows of a batch.
    pub batch_rows: u64,
    /// The wait after each batch; none at all keeps as much on its way as the credit allows.
    pub pause: Duration,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    dropped: AtomicBool,
    streams_ended: AtomicU64,
    rows_sent: AtomicU64,
    rows_durable: AtomicU64,
    log: Mutex<Log>,
}

impl Load {
    /// Opens a stream and starts to send.
    pub fn start(engine: &Engine, output: &str, writer: &str, pace: Pace) -> Self {
        Self::spawn(engine.open(output, writer), None, writer, pace, None)
    }

    /// The same through host and port, and whenever the stream ends it is opened again, until the
    /// load is stopped: what is not acknowledged is sent again.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn start_lasting(address: &str, output: &str, writer: &str, pace: Pace) -> Self {
        Self::start_lasting_with(address, output, writer, pace, None)
    }

    /// The same with rows that are bad, one of so many.
    ///
    /// # Panics
    /// As [`Load::start_lasting`].
    pub fn start_lasting_with(
        address: &str,
        output: &str,
        writer: &str,
        pace: Pace,
        bad_every: Option<u64>,
    ) -> Self {
        let engine = Engine::connect_to(address).expect("somebody listens");
        let again = Again::new(address, output, false);
        Self::spawn(engine.open(output, writer), Some(again), writer, pace, bad_every)
    }

    /// A lasting load that has a rival: another one sends the same rows under the same name, and so
    /// a stream may go on after batches that this one has never sent.
    ///
    /// # Panics
    /// As [`Load::start_lasting`].
    pub fn start_rival(address: &str, output: &str, writer: &str, pace: Pace) -> Self {
        let engine = Engine::connect_to(address).expect("somebody listens");
        let again = Again::new(address, output, true);
        Self::spawn(engine.open(output, writer), Some(again), writer, pace, None)
    }

    fn spawn(
        stream: Stream,
        again: Option<Again>,
        writer: &str,
        pace: Pace,
        bad_every: Option<u64>,
    ) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::default(),
            dropped: AtomicBool::default(),
            streams_ended: AtomicU64::default(),
            rows_sent: AtomicU64::default(),
            rows_durable: AtomicU64::default(),
            log: Mutex::new(Log::new()),
        });
        let run = Run {
            stream,
            again,
            writer: writer.to_owned(),
            pace,
            bad_every,
            rejected: 0,
            shared: shared.clone(),
            on_their_way: VecDeque::new(),
            unanswered: Vec::new(),
            ends: Vec::new(),
            contradictions: Vec::new(),
        };
        let writer = writer.to_owned();
        Self { writer, shared, thread: Some(thread::spawn(|| run.run())) }
    }

    /// Rows that are sent by now.
    pub fn rows_sent(&self) -> u64 {
        self.shared.rows_sent.load(Ordering::SeqCst)
    }

    /// Streams that have ended by now, for whatever reason.
    pub fn streams_ended(&self) -> u64 {
        self.shared.streams_ended.load(Ordering::SeqCst)
    }

    /// Rows that are acknowledged by now.
    pub fn rows_durable(&self) -> u64 {
        self.shared.rows_durable.load(Ordering::SeqCst)
    }

    /// Why something waits, as the service has said last.
    pub fn held(&self) -> Option<String> {
        let log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.held.as_ref().map(|(_, code)| code.clone())
    }

    /// Waits until some rows more are acknowledged, and returns how long that took.
    ///
    /// # Panics
    /// When it takes longer than the deadline, and as soon as the load's last stream has ended.
    #[track_caller]
    pub fn wait_progress(&self, rows: u64) -> Duration {
        let (start, goal) = (Instant::now(), self.rows_durable() + rows);
        let what = format!("more rows of {} are acknowledged", self.writer);
        crate::wait::wait_until(&what, DEADLINE, || {
            let is_over = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            let is_there = self.rows_durable() >= goal;
            let log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner);
            let Log { over, held, .. } = &*log;
            assert!(is_there || !is_over, "{what}: it has ended: {over:?}; held: {held:?}");
            is_there
        });
        start.elapsed()
    }

    /// Waits until nothing was acknowledged for so long.
    ///
    /// # Panics
    /// When rows go on until the deadline.
    #[track_caller]
    pub fn wait_stall(&self, long: Duration) {
        let mut last = (self.rows_durable(), Instant::now());
        crate::wait::wait_until("nothing is acknowledged any more", DEADLINE, || {
            if self.rows_durable() != last.0 {
                last = (self.rows_durable(), Instant::now());
            }
            last.1.elapsed() >= long
        });
    }

    /// What was heard since the start or the last call.
    pub fn heard(&self) -> Heard {
        let mut log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner);
        let Log { since, last, longest_gap, rows, mut latencies, held, over } =
            std::mem::replace(&mut *log, Log::new());
        // What goes on belongs to both.
        (log.last, log.held, log.over) = (last, held, over);
        latencies.sort_unstable();
        let longest_gap = longest_gap.max(last.elapsed());
        Heard { rows, time: since.elapsed(), longest_gap, latencies }
    }

    /// Sends nothing more; what is on its way goes on.
    pub fn send_no_more(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }

    /// Stops sending, waits until everything sent is durable, and tells what it was.
    ///
    /// # Panics
    /// When the load has failed, or nothing more becomes durable for as long as the deadline.
    pub fn stop(self) -> Sent {
        self.send_no_more();
        self.join()
    }

    /// Waits until the stream ends by the service's doing.
    ///
    /// # Panics
    /// When the load has failed.
    pub fn join(mut self) -> Sent {
        let thread = self.thread.take().expect("only this and the drop take it");
        thread.join().expect("the load has not failed")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.dropped.store(true, Ordering::SeqCst);
    }
}

/// How a load comes to its next stream.
struct Again {
    address: String,
    output: String,
    /// Others send the same rows under the same name.
    has_rival: bool,
}

impl Again {
    fn new(address: &str, output: &str, has_rival: bool) -> Self {
        Self { address: address.to_owned(), output: output.to_owned(), has_rival }
    }
}

/// The thread of a load.
struct Run {
    stream: Stream,
    again: Option<Again>,
    writer: String,
    pace: Pace,
    bad_every: Option<u64>,
    /// Rows that were named as set aside, and looked at.
    rejected: usize,
    shared: Arc<Shared>,
    /// Sequences without an answer, and when they were sent.
    on_their_way: VecDeque<(u64, Instant)>,
    unanswered: Vec<Range<u64>>,
    ends: Vec<Result<(), Failure>>,
    contradictions: Vec<String>,
}

impl Run {
    fn run(mut self) -> Sent {
        let Pace { batch_rows, pause } = self.pace;
        self.stream.declare(&COLUMNS);
        let (mut draining, mut end, mut idle_since) = (false, None, Instant::now());
        let mut last = (self.stream.durable_through, Instant::now());
        while end.is_none() && !self.is_dropped() {
            let stop = self.shared.stop.load(Ordering::SeqCst);
            let (through, sent, writer) =
                (self.stream.durable_through, self.stream.sent, &self.writer);
            if stop && through == sent {
                break;
            }
            if !stop || through != last.0 {
                last = (through, Instant::now());
            }
            // However often the service says that they wait.
            assert!(
                last.1.elapsed() < DEADLINE,
                "{writer}: of batches {} to {sent} none became durable for {DEADLINE:?}",
                through + 1
            );
            let mut wait = LOOK_EVERY;
            let may_send = !stop && !draining && self.send();
            if may_send {
                wait = pause;
            }
            let mut until = Instant::now() + wait;
            // At least a look at what is there, however short the wait.
            while let Some(answer) =
                self.stream.next(until.saturating_duration_since(Instant::now()))
            {
                idle_since = Instant::now();
                if !may_send {
                    until = idle_since; // the answer may be new credit
                }
                match answer {
                    Answer::Ack(_) => self.acknowledged(),
                    Answer::Draining(_) => draining = true,
                    Answer::Ended(ended) => {
                        self.shared.streams_ended.fetch_add(1, Ordering::SeqCst);
                        end = Some(ended);
                        break;
                    }
                    Answer::Refused(refused) => {
                        panic!("nothing is wrong with the rows: {refused:?}")
                    }
                    Answer::Held(held) => self.held(held.sequence, held.code),
                    Answer::Heartbeat => {}
                }
            }
            if end.is_some() && self.open_again() {
                self.ends.extend(end.take());
                (draining, idle_since) = (false, Instant::now());
            }
            let writer = &self.writer;
            assert!(idle_since.elapsed() < DEADLINE, "{writer} hears nothing for {DEADLINE:?}");
        }
        let Self { stream, writer, bad_every, unanswered, ends, contradictions, shared, .. } = self;
        let over = end.as_ref().map(|end| format!("{end:?}"));
        shared.log.lock().unwrap_or_else(PoisonError::into_inner).over = over;
        Sent {
            writer,
            rows_sent: shared.rows_sent.load(Ordering::SeqCst),
            rows_durable: stream.durable_through * batch_rows,
            rows_gone: 0,
            batch_rows,
            pad: Some(PAD.to_owned()),
            bad_every,
            draining,
            unanswered,
            ends,
            end,
            contradictions,
        }
    }

    fn is_dropped(&self) -> bool {
        self.shared.dropped.load(Ordering::SeqCst)
    }

    /// Sends the next batch if the credit allows it.
    fn send(&mut self) -> bool {
        let batch_rows = self.pace.batch_rows;
        let first = self.stream.sent * batch_rows;
        let numbers = first..first + batch_rows;
        let lines = rows_with_bad(&self.writer, numbers, PAD, self.bad_every);
        let may_send = self.stream.may_send(lines.len() as u64);
        if may_send {
            // A stream that was opened again goes back; what was sent stays sent.
            self.shared.rows_sent.fetch_max(first + batch_rows, Ordering::SeqCst);
            let sequence = self.stream.send(lines);
            self.on_their_way.push_back((sequence, Instant::now()));
        }
        may_send
    }

    fn held(&self, sequence: u64, code: String) {
        let mut log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.held = Some((sequence, code));
    }

    fn acknowledged(&mut self) {
        let (now, through) = (Instant::now(), self.stream.durable_through);
        if through > self.stream.sent {
            let sent = self.stream.sent;
            let what = format!("batch {through} is acknowledged, and {sent} were sent");
            self.contradictions.push(what);
        }
        for row in &self.stream.rejected[self.rejected..] {
            let n = (row.sequence - 1) * self.pace.batch_rows + row.row;
            if !is_bad(n, self.bad_every) || row.code != "UNKNOWN_COLUMN" {
                self.contradictions.push(format!("row {n} is set aside: {row:?}"));
            }
        }
        self.rejected = self.stream.rejected.len();
        let rows = through * self.pace.batch_rows;
        let before = self.shared.rows_durable.swap(rows, Ordering::SeqCst);
        let mut log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.progress(now);
        log.held.take_if(|(sequence, _)| *sequence <= through);
        log.rows += rows.saturating_sub(before);
        while let Some((_, sent)) =
            self.on_their_way.pop_front_if(|(sequence, _)| *sequence <= through)
        {
            log.latencies.push(now - sent);
        }
    }

    /// Opens the next stream of a load that lasts, and goes on where the service says.
    fn open_again(&mut self) -> bool {
        let Some(Again { address, output, has_rival }) = &self.again else { return false };
        let (durable, sent) = (self.stream.durable_through, self.stream.sent);
        let open = Open {
            output: output.clone(),
            writer_id: self.writer.clone(),
            acknowledged: Some(durable),
            ..Open::default()
        };
        let start = Instant::now();
        let stream = loop {
            let engine = Engine::connect_to(address);
            let opened = engine.and_then(|engine| {
                engine.try_open(open.clone()).map_err(|failure| format!("{failure:?}"))
            });
            match opened {
                Ok(stream) => break stream,
                Err(_) if self.is_dropped() => return false,
                Err(error) => assert!(start.elapsed() < DEADLINE, "{address}: {error}"),
            }
            thread::sleep(RECONNECT_EVERY);
        };
        let resume_after = stream.opened.resume_after;
        let through_max = if *has_rival { u64::MAX } else { sent };
        if !(durable..=through_max).contains(&resume_after) {
            self.contradictions.push(format!(
                "after batch {durable} was acknowledged and {sent} were sent, the next stream goes \
                 on after {resume_after}"
            ));
        }
        let rows = |sequence| sequence * self.pace.batch_rows;
        self.unanswered.push(rows(durable)..rows(sent));
        self.on_their_way.clear();
        (self.stream, self.rejected) = (stream, 0);
        self.stream.declare(&COLUMNS);
        self.acknowledged();
        true
    }
}
