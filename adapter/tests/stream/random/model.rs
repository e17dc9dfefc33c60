//! The contract as a state machine: what every writer hears of whatever happens, and what Kafka is
//! given. It knows no time, no tasks and no wire.
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::batch::{Batch, Carrier, Rows};

/// A stream or a call, in the order of their start.
pub type Line = usize;

/// What the engine knows to be durable, and the position of it.
pub type Known = Option<(u64, Option<Bytes>)>;

/// A row that is set aside: batch, row, code.
pub type Aside = (u64, u64, String);

/// What the service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Waiting,
    Opened { resume_after: u64, position: Option<Bytes>, maybe: Option<u64>, aside: Vec<Aside> },
    Ack { through: u64, aside: Vec<Aside> },
    Refused { sequence: u64, code: String, expected: u64, rows: Vec<(u64, String)> },
    Draining,
    Done { through: Option<u64>, already: bool, aside: Vec<Aside> },
    End(Option<String>),
}

/// Why an output takes no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// Its memory is full.
    Memory,
    /// No partition has a leader.
    NoLeader,
}

/// How Kafka settles a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Durable,
    /// It refuses every record for good of whose place in this list it says so, from the first
    /// on again; the others are durable.
    Rejected(Vec<bool>),
    Unknown,
    /// It says nothing and forgets it.
    Lost,
}

/// A batch that Kafka has.
#[derive(Clone, Debug)]
pub struct Flight {
    pub rows: Rows,
    pub fate: Option<Fate>,
    writer: usize,
}

#[derive(Clone, Default)]
pub struct Output {
    pub drops_bad_rows: bool,
    pub stall: Option<Stall>,
    /// All, in the order in which they were submitted.
    pub flights: Vec<Flight>,
}

#[derive(Clone, Default)]
pub struct Writer {
    pub output: usize,
    pub known: bool,
    pub epoch: u64,
    pub durable: u64,
    pub position: Option<Bytes>,
    pub accepted: u64,
    /// Batches up to here may be written.
    maybe: u64,
    /// A batch has come since it is known.
    met: bool,
    /// Rows of durable batches of streams that were set aside.
    aside: Vec<Aside>,
    /// A call without a writer has one of its own.
    nameless: bool,
    remembered: VecDeque<(u64, Rows)>,
    leases: VecDeque<Lease>,
}

#[derive(Clone, Debug)]
struct Lease {
    line: Line,
    stage: Stage,
    call: bool,
    /// The engine may still send.
    sending: bool,
    draining: bool,
    /// The batch that waits for room or for a leader.
    work: Option<Batch>,
    pending: VecDeque<Batch>,
    flying: VecDeque<InFlight>,
    /// A batch of it is unknown.
    unknown: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Waiting {
        acknowledged: Known,
    },
    Open,
    /// The caller of a call has gone; it goes on.
    Unheard,
    Over,
}

#[derive(Clone, Debug)]
struct InFlight {
    sequence: u64,
    position: Option<Bytes>,
    flight: usize,
}

/// Batches whose rows are remembered of a writer without a stream.
const REMEMBERED_IDLE: usize = 16;

/// What is seen of the service without a word of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Streams and calls that are not over, or of which Kafka has something.
    pub sessions: usize,
    /// Streams and calls that may still begin.
    pub credits: usize,
    /// Of each output: batches that Kafka was given, that wait for room, and for a leader.
    pub outputs: Vec<[usize; 3]>,
}

#[derive(Clone)]
pub struct Model {
    pub outputs: Vec<Output>,
    pub writers: Vec<Writer>,
    /// Streams and calls that may still begin.
    pub credits: usize,
    /// What nobody has heard yet.
    pub due: BTreeMap<Line, Vec<Said>>,
}

impl Model {
    /// Nothing has happened yet.
    pub fn new(drop_bad_rows: &[bool], outputs_of_writers: &[usize], streams_max: usize) -> Self {
        let output = |drops: &bool| Output { drops_bad_rows: *drops, ..Output::default() };
        let writer = |output: &usize| Writer { output: *output, ..Writer::default() };
        Self {
            outputs: drop_bad_rows.iter().map(output).collect(),
            writers: outputs_of_writers.iter().map(writer).collect(),
            credits: streams_max,
            due: BTreeMap::new(),
        }
    }

    /// A stream of a writer.
    pub fn open(&mut self, at: usize, line: Line, epoch: Option<u64>, acknowledged: Known) {
        let (writer, epoch) = (&mut self.writers[at], epoch.unwrap_or(0));
        let live = !writer.leases.is_empty();
        if self.credits == 0 && !live {
            return self.end(line, "TOO_MANY_WRITERS");
        }
        if epoch < writer.epoch {
            return self.end(line, "STALE_EPOCH");
        }
        (writer.known, writer.epoch) = (true, epoch);
        if let Some(older) = writer.leases.back()
            && !older.call
            && older.stage != Stage::Over
        {
            let older = older.line;
            self.end(older, "TAKEN_OVER");
            self.close(at, older);
        }
        if live {
            self.say(line, Said::Waiting);
        }
        self.writers[at].leases.push_back(Lease::new(line, Stage::Waiting { acknowledged }));
        self.advance(at);
    }

    /// A single call, of a writer or without.
    pub fn call(&mut self, at: usize, line: Line, epoch: Option<u64>, batch: Batch) {
        // Memory comes before the message is read.
        if self.credits == 0 {
            return self.end(line, "TOO_MANY_WRITERS");
        }
        if batch.rows.carrier == Carrier::Missing {
            return self.end(line, "INVALID_BATCH");
        }
        let (writer, epoch) = (&mut self.writers[at], epoch.unwrap_or(0));
        if epoch < writer.epoch {
            return self.end(line, "STALE_EPOCH");
        }
        if !writer.leases.is_empty() {
            return self.end(line, "WRITER_BUSY");
        }
        (writer.known, writer.epoch) = (true, epoch);
        writer.resume(None);
        writer.leases.push_back(Lease { call: true, ..Lease::new(line, Stage::Open) });
        self.credits -= 1;
        self.start(at, batch);
        self.advance(at);
    }

    /// A call without a writer: nothing is recognised.
    pub fn nameless_call(&mut self, output: usize, line: Line, batch: Batch) {
        self.writers.push(Writer { output, nameless: true, ..Writer::default() });
        self.call(self.writers.len() - 1, line, None, Batch { sequence: 1, ..batch });
    }

    /// The service reads a batch of a stream.
    pub fn receive(&mut self, at: usize, line: Line, batch: Batch) {
        let next = self.next(at);
        let Some(lease) = self.writers[at].lease(line) else { return };
        match lease.stage {
            Stage::Waiting { .. } => {
                self.end(line, "CREDIT_EXCEEDED");
                self.close(at, line);
                return self.advance(at);
            }
            Stage::Open => {}
            Stage::Unheard | Stage::Over => return,
        }
        if batch.sequence == 0 {
            self.end(line, "INVALID_BATCH");
            self.close(at, line);
        } else if lease.work.is_none() {
            self.start(at, batch);
        } else if batch.impatient && batch.sequence >= next {
            self.refuse(line, &batch, "BATCH_TIMEOUT", next);
        } else {
            let late = batch.impatient;
            lease.pending.push_back(Batch { impatient: false, late, ..batch });
        }
        self.advance(at);
    }

    /// The engine sends no more on a stream.
    pub fn half_close(&mut self, at: usize, line: Line) {
        if let Some(lease) = self.writers[at].lease(line) {
            lease.sending = false;
        }
        self.advance(at);
    }

    /// The engine hangs up.
    pub fn leave(&mut self, at: usize, line: Line) {
        let Some(lease) = self.writers[at].lease(line) else { return };
        if lease.call && !lease.flying.is_empty() {
            lease.stage = Stage::Unheard;
        } else {
            self.close(at, line);
        }
        self.due.remove(&line);
        self.advance(at);
    }

    /// Kafka settles a batch.
    pub fn settle(&mut self, output: usize, flight: usize, fate: Fate) {
        let flight = &mut self.outputs[output].flights[flight];
        flight.fate = Some(fate);
        let writer = flight.writer;
        self.advance(writer);
    }

    /// Records go on.
    pub fn unstall(&mut self, output: usize) {
        self.outputs[output].stall = None;
        for at in 0..self.writers.len() {
            if self.writers[at].output != output {
                continue;
            }
            let leases = self.writers[at].leases.iter_mut();
            let work = leases.filter_map(|lease| lease.work.take()).next();
            if let Some(batch) = work {
                self.start(at, batch);
                self.advance(at);
            }
        }
    }

    /// Forgets a writer; `None` if it is busy.
    pub fn reset(&mut self, at: usize) -> Option<bool> {
        let writer = &mut self.writers[at];
        if !writer.leases.is_empty() {
            return None;
        }
        let known = writer.known;
        *writer = Writer { output: writer.output, ..Writer::default() };
        Some(known)
    }

    /// The service closes.
    pub fn drain(&mut self) {
        for at in 0..self.writers.len() {
            let lines: Vec<_> = self.writers[at].leases.iter().map(|lease| lease.line).collect();
            for line in lines {
                let lease = self.writers[at].lease(line).expect("it was there");
                let stage = lease.stage.clone();
                match stage {
                    Stage::Waiting { .. } => {
                        self.end(line, "DRAINING");
                        self.close(at, line);
                    }
                    Stage::Open if !lease.call => {
                        (lease.sending, lease.draining) = (false, true);
                        self.say(line, Said::Draining);
                    }
                    Stage::Open if lease.work.is_some() => {
                        self.end(line, "DRAINING");
                        self.close(at, line);
                    }
                    Stage::Open | Stage::Unheard | Stage::Over => {}
                }
            }
            self.advance(at);
        }
    }

    /// Whether somebody waits for a call that waits. When both hear that the service closes, it is
    /// open who is first, and whether the second comes to its turn.
    pub fn is_call_waited_for(&self, output: usize) -> bool {
        let mut writers = self.writers.iter().filter(|writer| writer.output == output);
        writers.any(|writer| {
            let first = writer.leases.front();
            first.is_some_and(|first| first.call && first.work.is_some()) && writer.leases.len() > 1
        })
    }

    /// The number that comes next on the newest line of a writer, if nothing is refused.
    pub fn next(&self, at: usize) -> u64 {
        let writer = &self.writers[at];
        let open = writer.leases.iter().filter(|lease| lease.stage == Stage::Open);
        let waiting = open.flat_map(|lease| lease.work.iter().chain(&lease.pending));
        waiting.fold(writer.accepted + 1, |next, batch| next + u64::from(batch.sequence == next))
    }

    /// Of a line that is read, whether something is stuck on it.
    pub fn reads(&self, at: usize, line: Line) -> Option<bool> {
        let mut leases = self.writers[at].leases.iter();
        let lease = leases.find(|lease| lease.line == line)?;
        (lease.stage == Stage::Open && lease.sending).then_some(lease.work.is_some())
    }

    /// What is seen of it all.
    pub fn facts(&self) -> Facts {
        let facts = |(at, output): (usize, &Output)| {
            let writers = self.writers.iter().filter(|writer| writer.output == at);
            let leases = writers.flat_map(|writer| &writer.leases);
            let stuck = leases.filter(|lease| lease.work.is_some()).count();
            let by = |stall| if output.stall == Some(stall) { stuck } else { 0 };
            [output.flights.len(), by(Stall::Memory), by(Stall::NoLeader)]
        };
        Facts {
            sessions: self.writers.iter().map(|writer| writer.leases.len()).sum(),
            credits: self.credits,
            outputs: self.outputs.iter().enumerate().map(facts).collect(),
        }
    }

    /// The leases of all writers, for a person.
    pub fn leases(&self) -> String {
        let leases = |(at, writer): (usize, &Writer)| {
            let Writer { output, durable, accepted, leases, .. } = writer;
            format!("writer {at} of output {output}, {durable}..{accepted}: {leases:#?}\n")
        };
        self.writers
            .iter()
            .enumerate()
            .filter(|(_, of)| !of.leases.is_empty())
            .map(leases)
            .collect()
    }

    /// Whether a stream or call of a writer is live.
    pub fn live(&self, at: usize) -> bool {
        !self.writers[at].leases.is_empty()
    }

    /// A batch comes to its turn on the open line of a writer.
    fn start(&mut self, at: usize, batch: Batch) {
        let writer = &mut self.writers[at];
        let output = &self.outputs[writer.output];
        let lease = writer.leases.front_mut().expect("the open lease is the first");
        let (line, call, sequence) = (lease.line, lease.call, batch.sequence);
        let expected = writer.accepted + 1;
        let known = writer.remembered.iter().rev().find(|(known, _)| *known == sequence);
        if batch.rows.carrier == Carrier::Missing {
            return self.refuse(line, &batch, "NO_ROWS_CARRIER", expected);
        }
        if sequence < expected {
            if known.is_some_and(|(_, rows)| *rows != batch.rows) && sequence > 0 {
                self.end(line, "SEQUENCE_REUSED");
                return self.close(at, line);
            }
            let durable = writer.durable;
            return match call {
                true if sequence == 0 => self.end_call(at, line, "SEQUENCE_GAP"),
                true => self.done(at, line, Some(durable), true, Vec::new()),
                false if sequence <= durable => {
                    self.say(line, Said::Ack { through: durable, aside: Vec::new() });
                }
                false => {}
            };
        }
        let drops = output.drops_bad_rows;
        let blank = drops && batch.rows.good().next().is_none() || batch.rows.rows.is_empty();
        let refusal = if sequence > expected {
            Some("SEQUENCE_GAP")
        } else if batch.late {
            Some("BATCH_TIMEOUT")
        } else if batch.position.as_ref().is_some_and(|position| position.len() > 1024) {
            Some("POSITION_TOO_LONG")
        } else if !batch.declared && !call {
            Some("UNKNOWN_SCHEMA")
        } else if output.stall == Some(Stall::Memory) {
            batch.impatient.then_some("BATCH_TIMEOUT").or(Some("STUCK"))
        } else if batch.rows.carrier == Carrier::Garbage {
            Some("BAD_CARRIER")
        } else if !drops && !batch.rows.bad().is_empty() {
            Some("BAD_ROWS")
        } else if output.stall == Some(Stall::NoLeader) && !blank {
            batch.impatient.then_some("BATCH_TIMEOUT").or(Some("STUCK"))
        } else {
            None
        };
        match refusal {
            Some("STUCK") => {
                let lease = self.writers[at].lease(line).expect("it is open");
                lease.work = Some(batch);
            }
            Some(code) if call => self.end_call(at, line, code),
            Some(code) => self.refuse(line, &batch, code, expected),
            None => self.submit(at, batch, blank),
        }
    }

    fn submit(&mut self, at: usize, batch: Batch, blank: bool) {
        let writer = &mut self.writers[at];
        let flights = &mut self.outputs[writer.output].flights;
        (writer.accepted, writer.met) = (batch.sequence, true);
        writer.remembered.push_back((batch.sequence, batch.rows.clone()));
        let lease = writer.leases.front_mut().expect("the open lease is the first");
        let at_once = blank && lease.flying.is_empty();
        let (sequence, position) = (batch.sequence, batch.position);
        lease.flying.push_back(InFlight { sequence, position, flight: flights.len() });
        let fate = blank.then_some(Fate::Durable);
        flights.push(Flight { rows: batch.rows, fate, writer: at });
        if batch.impatient && !at_once {
            let line = lease.line;
            self.end(line, "BATCH_TIMEOUT");
            self.close(at, line);
        }
    }

    /// Everything that follows for a writer, until something else happens.
    fn advance(&mut self, at: usize) {
        loop {
            // What needs no work is answered before what Kafka has.
            if let Some(batch) = self.writers[at].take_answered() {
                self.start(at, batch);
                continue;
            }
            self.settle_front(at);
            let writer = &mut self.writers[at];
            let Some(front) = writer.leases.front_mut() else { return };
            let idle = front.flying.is_empty() && front.work.is_none() && front.pending.is_empty();
            match front.stage {
                Stage::Over if front.flying.is_empty() => {
                    writer.leases.pop_front();
                    if writer.leases.is_empty() {
                        writer.rest();
                    }
                }
                Stage::Waiting { ref acknowledged } => {
                    let acknowledged = acknowledged.clone();
                    self.turn(at, acknowledged);
                }
                Stage::Open if front.work.is_none() && !front.pending.is_empty() => {
                    let batch = front.pending.pop_front().expect("it is not empty");
                    self.start(at, batch);
                }
                Stage::Open if idle && !front.sending && !front.call => {
                    let (line, reason) =
                        (front.line, front.draining.then(|| "DRAINING".to_owned()));
                    self.say(line, Said::End(reason));
                    self.close(at, line);
                }
                Stage::Open | Stage::Unheard | Stage::Over => return,
            }
        }
    }

    /// The oldest lease comes to its turn.
    fn turn(&mut self, at: usize, acknowledged: Known) {
        let lease = self.writers[at].leases.front_mut().expect("somebody waits");
        let line = lease.line;
        if self.credits == 0 {
            lease.stage = Stage::Over;
            return self.end(line, "TOO_MANY_WRITERS");
        }
        lease.stage = Stage::Open;
        self.credits -= 1;
        let writer = &mut self.writers[at];
        let aside = writer.resume(acknowledged);
        let (resume_after, position) = (writer.durable, writer.position.clone());
        let maybe = writer.met.then_some(writer.maybe.max(writer.durable));
        self.say(line, Said::Opened { resume_after, position, maybe, aside });
    }

    /// Moves a writer on behind what is settled, in order.
    fn settle_front(&mut self, at: usize) {
        loop {
            let writer = &mut self.writers[at];
            let flights = &self.outputs[writer.output].flights;
            let Some(lease) = writer.leases.front_mut() else { return };
            let Some(first) = lease.flying.front() else { return };
            let Flight { rows, fate: Some(fate), .. } = &flights[first.flight] else { return };
            let sequence = if writer.nameless { 0 } else { first.sequence };
            let aside = fate.aside(sequence, rows);
            let first = lease.flying.pop_front().expect("it was the first");
            lease.unknown |= matches!(fate, Fate::Unknown | Fate::Lost);
            let (line, call, stage) = (lease.line, lease.call, lease.stage.clone());
            let unknown = lease.unknown;
            if unknown {
                writer.maybe = writer.maybe.max(first.sequence);
            } else {
                (writer.durable, writer.position) = (first.sequence, first.position);
                if !call {
                    writer.aside.extend(aside.clone());
                }
            }
            let through = (!writer.nameless).then_some(writer.durable);
            match stage {
                Stage::Open if unknown => {
                    self.end(line, "DELIVERY_UNKNOWN");
                    self.close(at, line);
                }
                Stage::Open if call => self.done(at, line, through, false, aside),
                Stage::Open => self.say(line, Said::Ack { through: first.sequence, aside }),
                Stage::Unheard => self.close(at, line),
                Stage::Waiting { .. } | Stage::Over => {}
            }
        }
    }

    /// Nothing more is said on a line, and what Kafka does not have of it is dropped.
    fn close(&mut self, at: usize, line: Line) {
        let Some(lease) = self.writers[at].lease(line) else { return };
        let held = matches!(lease.stage, Stage::Open | Stage::Unheard);
        lease.stage = Stage::Over;
        lease.work = None;
        lease.pending.clear();
        self.credits += usize::from(held);
    }

    fn done(
        &mut self,
        at: usize,
        line: Line,
        through: Option<u64>,
        already: bool,
        aside: Vec<Aside>,
    ) {
        self.say(line, Said::Done { through, already, aside });
        self.close(at, line);
    }

    fn end_call(&mut self, at: usize, line: Line, code: &str) {
        self.end(line, code);
        self.close(at, line);
    }

    fn refuse(&mut self, line: Line, batch: &Batch, code: &str, expected: u64) {
        let rows = if code == "BAD_ROWS" { batch.rows.bad() } else { Vec::new() };
        let (sequence, code) = (batch.sequence, code.to_owned());
        self.say(line, Said::Refused { sequence, code, expected, rows });
    }

    fn end(&mut self, line: Line, reason: &str) {
        self.say(line, Said::End(Some(reason.to_owned())));
    }

    fn say(&mut self, line: Line, said: Said) {
        self.due.entry(line).or_default().push(said);
    }
}

impl Writer {
    fn lease(&mut self, line: Line) -> Option<&mut Lease> {
        self.leases.iter_mut().find(|lease| lease.line == line)
    }

    /// The batch whose turn it is, if it needs no work.
    fn take_answered(&mut self) -> Option<Batch> {
        let next = self.accepted + 1;
        let lease = self.leases.front_mut().filter(|lease| lease.stage == Stage::Open)?;
        let needs_work = |batch: &mut Batch| {
            let long = batch.position.as_ref().is_some_and(|position| position.len() > 1024);
            let known = batch.declared && batch.rows.carrier != Carrier::Missing;
            batch.sequence == next && known && !long && !batch.late
        };
        lease.pending.pop_front_if(|batch| lease.work.is_none() && !needs_work(batch))
    }

    fn resume(&mut self, acknowledged: Known) -> Vec<Aside> {
        let known = acknowledged.as_ref().map(|(known, _)| *known);
        if let Some((known, position)) = acknowledged
            && known > self.durable
        {
            (self.durable, self.position, self.met) = (known, position, false);
        }
        self.accepted = self.durable;
        let durable = self.durable;
        self.remembered.retain(|(sequence, _)| *sequence <= durable);
        let Some(known) = known else { return Vec::new() };
        self.aside.retain(|(sequence, ..)| *sequence > known);
        self.aside.clone()
    }

    fn rest(&mut self) {
        self.accepted = self.durable;
        let surplus = self.remembered.len().saturating_sub(REMEMBERED_IDLE);
        self.remembered.drain(..surplus);
    }
}

impl Lease {
    fn new(line: Line, stage: Stage) -> Self {
        Self {
            line,
            stage,
            call: false,
            sending: true,
            draining: false,
            work: None,
            pending: VecDeque::new(),
            flying: VecDeque::new(),
            unknown: false,
        }
    }
}

impl Fate {
    /// Whether Kafka refuses a record.
    pub fn rejects(&self, record: usize) -> bool {
        let Self::Rejected(which) = self else { return false };
        which.iter().cycle().nth(record) == Some(&true)
    }

    /// Rows that are not written, whoever set them aside.
    fn aside(&self, sequence: u64, rows: &Rows) -> Vec<Aside> {
        let refused = rows.good().enumerate().filter(|(record, _)| self.rejects(*record));
        let refused = refused.map(|(_, row)| (row, "ROW_REFUSED".to_owned()));
        let mut all: Vec<_> = rows
            .bad()
            .into_iter()
            .chain(refused)
            .map(|(row, code)| (sequence, row, code))
            .collect();
        all.sort();
        all
    }
}
