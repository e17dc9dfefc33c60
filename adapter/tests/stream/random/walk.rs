//! The service beside the model: every step is done to both, and both must say the same.
//!
//! Each step waits for the facts that show it done: the answers that the model foresees, a refused
//! gap behind them, before which nothing else may come, and what is [seen](Facts) from outside.
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use kafka_output::{
    grpc::Shared,
    job::Packing,
    kafka::{Cause, Delivery as _, Permit, receipt::Settled},
};
use proto::v1::{GetWriterRequest, Open, ResetWriterRequest, WriteOnceRequest};
use tokio::task::yield_now;
use tonic::Code;

use super::{
    Counts,
    batch::{Batch, Carrier, Row, Rows, columns},
    line::{Connection, may_become, news, sorted},
    model::{Facts, Fate, Flight, Line, Model, Said, Stall},
};
use crate::support::{
    Bench, Setup,
    engine::{Engine, check},
    kafka::ModelKafka,
};

/// The outputs; the second one sets bad rows aside.
pub const OUTPUTS: [&str; 2] = ["a", "b"];

/// The writers, of which two have one name in two outputs.
pub const WRITERS: [(usize, &str); 3] = [(0, "w"), (0, "v"), (1, "w")];

/// A number that leaves a gap whatever was sent.
pub const FAR: u64 = 1 << 60;

/// How long the service may take to close: it ends what is stuck before the walk gives up.
const DRAIN: Duration = Duration::from_secs(20);

pub struct Walk {
    pub model: Model,
    pub counts: Counts,
    /// What is waited for, for a person.
    pub waits: String,
    kafka: Vec<Arc<ModelKafka>>,
    bench: Option<Bench>,
    shared: Arc<Shared>,
    engine: Engine,
    lines: BTreeMap<Line, Connection>,
    lines_begun: Line,
    /// The model Kafka's number of each flight; empty ones are not told apart.
    numbers: [Vec<Option<usize>>; OUTPUTS.len()],
    full: [Option<Permit>; OUTPUTS.len()],
    streams_max: usize,
    salt: u64,
    /// Rows that were sent last under a number.
    sent: HashMap<(usize, u64), Rows>,
    /// Records that an engine was told to be durable.
    promised: HashSet<(usize, String)>,
}

impl Walk {
    pub async fn start(streams_max: usize, packs: bool) -> Self {
        let mut setup =
            Setup { outputs: &OUTPUTS, dropping: &OUTPUTS[1..], streams_max, ..Setup::default() };
        if packs {
            // Batches are read as if they waited for others, and go one by one.
            setup.packing = Some(Packing { time: Duration::from_secs(60), ..Packing::NONE });
        }
        let bench = Bench::with(setup).await;
        let model = Model::new(&[false, true], &WRITERS.map(|(output, _)| output), streams_max);
        Self {
            model,
            counts: Counts::default(),
            waits: String::new(),
            kafka: bench.kafka.clone(),
            engine: bench.engine().await,
            shared: bench.shared.clone(),
            bench: Some(bench),
            lines: BTreeMap::new(),
            lines_begun: 0,
            numbers: Default::default(),
            full: Default::default(),
            streams_max,
            salt: 0,
            sent: HashMap::new(),
            promised: HashSet::new(),
        }
    }

    /// Rows that nobody has sent yet.
    pub fn rows(&mut self, carrier: Carrier, rows: &[Row]) -> Rows {
        self.salt += 1;
        Rows { salt: self.salt, carrier, rows: rows.to_vec() }
    }

    /// The rows that were sent last under a number, or others if there are none.
    pub fn rows_again(&mut self, writer: usize, sequence: u64) -> Rows {
        let known = self.sent.get(&(writer, sequence)).cloned();
        known.unwrap_or_else(|| self.rows(Carrier::Json, &[Row::Good]))
    }

    /// Notes what goes out under the next number of a writer.
    pub fn sends(&mut self, writer: usize, batch: &Batch) {
        self.sent.insert((writer, batch.sequence), batch.rows.clone());
    }

    /// The newest stream of a writer that the engine has.
    pub fn stream_of(&self, of: usize) -> Option<Line> {
        let mut newest = self.lines.iter().rev();
        newest.find_map(|(line, connection)| match connection {
            Connection::Stream { writer, .. } if *writer == of => Some(*line),
            _ => None,
        })
    }

    /// The highest number that the engine knows to be durable from its newest stream.
    pub fn told(&self, of: usize) -> u64 {
        let told = self.stream_of(of).and_then(|line| self.lines.get(&line)).map(Connection::told);
        told.unwrap_or(self.model.writers[of].durable)
    }

    /// A stream of a writer, and batches on its older one of which nobody waits for an answer.
    pub async fn open(
        &mut self,
        writer: usize,
        epoch: Option<u64>,
        acknowledged: Option<u64>,
        before: Vec<Batch>,
    ) {
        let line = self.begin();
        let mut before = if self.can_send(writer) { before } else { Vec::new() };
        if epoch.unwrap_or(0) < self.model.writers[writer].epoch {
            // It will not take over.
            self.batches(writer, std::mem::take(&mut before)).await;
        }
        let older = self.send(writer, &before).await;
        let (output, id) = WRITERS[writer];
        let (output, writer_id) = (OUTPUTS[output].to_owned(), id.to_owned());
        let position = acknowledged.filter(|known| known % 2 == 0);
        let position = position.map(|known| Bytes::from(format!("known {known}")));
        let open = Open {
            output,
            writer_id,
            epoch,
            acknowledged,
            acknowledged_position: position.clone().map(Into::into),
            heartbeat_interval: None,
        };
        let known = acknowledged.map(|acknowledged| (acknowledged, position));
        let stream = self.engine.send_open(open).await;
        stream.schema(columns()).await;
        self.lines.insert(line, Connection::stream(writer, stream));
        let after = |model: &mut Model| model.open(writer, line, epoch, known.clone());
        match older {
            Some(older) if !before.is_empty() => self.race(writer, older, &before, after).await,
            _ => after(&mut self.model),
        }
        self.agree(&[(writer, line)]).await;
    }

    /// Batches on the newest stream of a writer. False if it has none that sends.
    pub async fn batches(&mut self, writer: usize, batches: Vec<Batch>) -> bool {
        if !self.can_send(writer) {
            return false;
        }
        let Some(line) = self.send(writer, &batches).await else { return false };
        for batch in batches {
            self.model.receive(writer, line, batch);
        }
        self.agree(&[(writer, line)]).await;
        true
    }

    /// The engine hangs up, with batches before it of which nobody waits for an answer. False if it
    /// has no stream.
    pub async fn leave(&mut self, writer: usize, before: Vec<Batch>) -> bool {
        let before = if self.can_send(writer) { before } else { Vec::new() };
        let Some(line) = self.send(writer, &before).await else { return false };
        self.lines.remove(&line);
        self.round_trips().await;
        let leave = |model: &mut Model| model.leave(writer, line);
        if before.is_empty() {
            leave(&mut self.model);
        } else {
            self.race(writer, line, &before, leave).await;
        }
        self.agree(&[]).await;
        true
    }

    /// The engine sends no more on its newest stream. False if it has none that sends.
    pub async fn half_close(&mut self, writer: usize) -> bool {
        if !self.can_send(writer) {
            return false;
        }
        let Some(line) = self.stream_of(writer) else { return false };
        if let Some(Connection::Stream { stream, half_closed, .. }) = self.lines.get_mut(&line) {
            stream.half_close();
            *half_closed = true;
        }
        self.model.half_close(writer, line);
        self.agree(&[]).await;
        true
    }

    /// A call of a writer.
    pub async fn call(&mut self, writer: usize, epoch: Option<u64>, batch: Batch) {
        let (output, id) = WRITERS[writer];
        let line = self.begin();
        let writer_id = Some(id.to_owned());
        let request = WriteOnceRequest { writer_id, epoch, ..once(output, &batch) };
        let rows = batch.rows.clone();
        self.model.call(writer, line, epoch, batch);
        self.calls(writer, line, request, rows).await;
    }

    /// A call without a writer, into the first output.
    pub async fn nameless_call(&mut self, batch: Batch) {
        let line = self.begin();
        let (request, rows) = (once(0, &batch), batch.rows.clone());
        self.model.nameless_call(0, line, batch);
        self.calls(self.model.writers.len() - 1, line, request, rows).await;
    }

    async fn calls(&mut self, writer: usize, line: Line, request: WriteOnceRequest, rows: Rows) {
        let mut calls = self.engine.calls.clone();
        let answer = async move { Ok(calls.write_once(request).await?.into_inner()) };
        let answer = tokio::spawn(answer);
        self.lines.insert(line, Connection::Call { writer, rows, answer });
        self.agree(&[]).await;
    }

    /// The caller of one of the calls hangs up. False if there is none.
    pub async fn hang_up(&mut self, which: usize) -> bool {
        let calls = self.lines.iter().filter_map(|(line, connection)| match connection {
            Connection::Call { writer, .. } => Some((*line, *writer)),
            Connection::Stream { .. } => None,
        });
        let calls: Vec<_> = calls.collect();
        let Some((line, writer)) = calls.get(which % calls.len().max(1)).copied() else {
            return false;
        };
        let Some(Connection::Call { answer, .. }) = self.lines.remove(&line) else { return false };
        answer.abort();
        let _ = answer.await;
        self.model.leave(writer, line);
        self.agree(&[]).await;
        true
    }

    /// Kafka settles one of the batches that it has. False if it has none.
    pub async fn settle(&mut self, output: usize, which: usize, fate: &Fate) -> bool {
        let flights = self.model.outputs[output].flights.iter().enumerate();
        let flying: Vec<_> =
            flights.filter(|(_, flight)| flight.fate.is_none()).map(|(at, _)| at).collect();
        let Some(flight) = flying.get(which % flying.len().max(1)).copied() else { return false };
        let number = self.numbers[output][flight].expect("it is known by its records");
        match fate {
            Fate::Durable => self.kafka[output].durable(number),
            Fate::Unknown => self.kafka[output].unknown(number),
            Fate::Lost => self.kafka[output].lose(number),
            Fate::Rejected(_) => self.kafka[output].settle(number, |record| {
                if fate.rejects(record as usize) {
                    Settled::Rejected(Cause::new("ROW_REFUSED", "the test says so"))
                } else {
                    Settled::Durable
                }
            }),
        }
        self.model.settle(output, flight, fate.clone());
        self.agree(&[]).await;
        true
    }

    /// The output takes nothing more for now. False if it does so already.
    pub async fn stall(&mut self, output: usize, how: Stall) -> bool {
        if self.model.outputs[output].stall.is_some() {
            return false;
        }
        match how {
            Stall::NoLeader => self.kafka[output].set_partitions(Some(&[false; 3])),
            Stall::Memory => {
                let mut room = self.kafka[output].share().reserve(0).await;
                room.resize(1 << 40);
                self.full[output] = Some(room);
            }
        }
        self.model.outputs[output].stall = Some(how);
        true
    }

    /// It goes on. False if it does so already.
    pub async fn unstall(&mut self, output: usize) -> bool {
        if self.model.outputs[output].stall.is_none() {
            return false;
        }
        self.kafka[output].set_partitions(Some(&[true; 3]));
        self.full[output] = None;
        self.model.unstall(output);
        self.agree(&[]).await;
        true
    }

    /// What is known of a writer.
    pub async fn ask(&mut self, writer: usize) {
        let (output, id) = WRITERS[writer];
        let request =
            GetWriterRequest { output: OUTPUTS[output].to_owned(), writer_id: id.to_owned() };
        let known = self.engine.calls.clone().get_writer(request).await.unwrap().into_inner();
        let model = &self.model.writers[writer];
        assert_eq!(known.known, model.known);
        assert_eq!((known.durable_through, known.epoch), (model.durable, model.epoch));
        assert_eq!(known.position.as_deref(), model.position.as_deref());
        assert_eq!(known.live, self.model.live(writer));
        assert_eq!(
            u64::from(known.batches_in_flight),
            model.accepted.saturating_sub(model.durable)
        );
    }

    /// Forgets a writer.
    pub async fn reset(&mut self, writer: usize) {
        let (output, id) = WRITERS[writer];
        let request =
            ResetWriterRequest { output: OUTPUTS[output].to_owned(), writer_id: id.to_owned() };
        let answer = self.engine.calls.clone().reset_writer(request).await;
        match (self.model.reset(writer), answer) {
            (Some(known), Ok(answer)) => assert_eq!(answer.into_inner().was_known, known),
            (None, Err(status)) => {
                check(&status, Code::FailedPrecondition, "WRITER_BUSY", "yes", "no");
                self.counts.add("refused: WRITER_BUSY for ResetWriter");
                return;
            }
            (expected, answer) => panic!("known: {expected:?}, but {answer:?}"),
        }
        // Its numbers name other rows from here on.
        self.sent.retain(|(of, _), _| *of != writer);
    }

    /// Everything goes on, is settled as durable and heard; then every writer writes once more,
    /// and nothing is kept of any of it.
    pub async fn quiesce(&mut self) {
        self.settle_all().await;
        for writer in 0..WRITERS.len() {
            let epoch = Some(self.model.writers[writer].epoch);
            if self.model.credits == 0 {
                // As many streams as may be, none of which has anything to wait for.
                for other in 0..WRITERS.len() {
                    self.leave(other, Vec::new()).await;
                }
            }
            self.open(writer, epoch, None, Vec::new()).await;
            let rows = self.rows(Carrier::Arrow, &[Row::Good, Row::Good]);
            let sequence = self.model.next(writer);
            let batch = Batch { sequence, rows, ..Batch::default() };
            self.sends(writer, &batch);
            self.batches(writer, vec![batch]).await;
            self.settle_all().await;
            assert_eq!(self.told(writer), sequence, "the next batch of every writer goes through");
            self.ask(writer).await;
            self.leave(writer, Vec::new()).await;
        }
        for writer in 0..WRITERS.len() {
            while self.stream_of(writer).is_some() {
                self.leave(writer, Vec::new()).await;
            }
        }
        assert!(self.lines.is_empty(), "a call has no answer");
        let Facts { sessions, credits, .. } = self.facts();
        assert_eq!(sessions, 0, "streams or calls are stuck");
        assert_eq!(credits, self.streams_max, "all credit is given back");
        self.room_is_back();
    }

    /// The service closes while everything is as it is: all hear of it, and what Kafka can still be
    /// given is settled and told.
    pub async fn drain(&mut self) {
        for output in 0..OUTPUTS.len() {
            if self.model.is_call_waited_for(output) {
                self.unstall(output).await;
            }
        }
        let bench = self.bench.take().expect("it is drained once");
        let draining = tokio::spawn(bench.drain(DRAIN));
        self.model.drain();
        self.agree(&[]).await;
        self.settle_all().await;
        self.waits = "all sessions to end".to_owned();
        assert!(draining.await.unwrap(), "a stream or a call is stuck");
        assert!(self.lines.is_empty(), "somebody has not heard how it ended");
        self.room_is_back();
    }

    fn room_is_back(&self) {
        for kafka in &self.kafka {
            assert_eq!(kafka.share().used_bytes(), 0, "all room is given back");
        }
    }

    async fn settle_all(&mut self) {
        for output in 0..OUTPUTS.len() {
            self.unstall(output).await;
        }
        for output in 0..OUTPUTS.len() {
            while self.settle(output, 0, &Fate::Durable).await {}
        }
    }

    fn begin(&mut self) -> Line {
        self.lines_begun += 1;
        self.lines_begun
    }

    /// Whether the newest stream of a writer can send.
    fn can_send(&self, writer: usize) -> bool {
        let line = self.stream_of(writer).and_then(|line| self.lines.get(&line));
        matches!(line, Some(Connection::Stream { half_closed: false, .. }))
    }

    /// Sends batches on the newest stream of a writer.
    async fn send(&mut self, writer: usize, batches: &[Batch]) -> Option<Line> {
        let line = self.stream_of(writer)?;
        let Some(Connection::Stream { stream, sent, .. }) = self.lines.get_mut(&line) else {
            return None;
        };
        for batch in batches {
            sent.insert(batch.sequence, batch.rows.clone());
            stream.batch(batch.wire()).await;
        }
        Some(line)
    }

    /// Who waits for its turn has no credit yet, and that it hangs up is not seen from outside. But
    /// it is looked at when calls behind it on this connection are answered: all runs on one thread,
    /// and every queue on the way is first in, first out.
    async fn round_trips(&self) {
        for _ in 0..2 {
            self.engine.get_writer("nobody").await;
        }
    }

    /// Some of the batches were read before something else happened to their stream: what is heard
    /// of it and what is seen tells how many. Whoever hangs up is seen to be gone by the credit.
    async fn race(
        &mut self,
        writer: usize,
        line: Line,
        before: &[Batch],
        after: impl Fn(&mut Model),
    ) {
        let output = WRITERS[writer].0;
        let (mut told, mut heard) = (0, None);
        if let Some(mut connection) = self.lines.remove(&line) {
            told = connection.told();
            let all = connection.rest().await;
            for said in &all {
                let promised = connection.promises(said);
                self.promised.extend(promised.into_iter().map(|record| (output, record)));
            }
            heard = Some(all);
        }
        let models = (0..=before.len()).map(|read| {
            let mut model = self.model.clone();
            for batch in &before[..read] {
                model.receive(writer, line, batch.clone());
            }
            after(&mut model);
            let due = model.due.remove(&line).unwrap_or_default();
            let explained =
                heard.as_ref().is_none_or(|heard| news(heard, told) == news(&due, told));
            (read, model, explained)
        });
        let models = models.filter(|(.., explained)| *explained);
        let mut models: Vec<_> =
            models.map(|(read, model, _)| (read, model.facts(), model)).collect();
        assert!(!models.is_empty(), "no part of {before:?} explains {heard:?}");
        self.waits = format!("some of {before:?} to explain {heard:?} and what is seen");
        let which = loop {
            let facts = self.facts();
            if let Some(which) = models.iter().position(|(_, foreseen, _)| *foreseen == facts) {
                break which;
            }
            yield_now().await;
        };
        let (read, _, model) = models.swap_remove(which);
        for said in heard.iter().flatten() {
            self.counts.heard(said);
        }
        self.counts.add(&format!("race: {}", if read == 0 { "none" } else { "some" }));
        self.model = model;
    }

    /// Waits until the service has done and said what the model foresees, and nothing else.
    async fn agree(&mut self, touched: &[(usize, Line)]) {
        let lines = touched.iter().copied();
        let (open, opening): (Vec<_>, Vec<_>) =
            lines.partition(|(_, line)| self.lines.get(line).is_some_and(Connection::is_open));
        self.leave_gaps(&open).await;
        for output in 0..OUTPUTS.len() {
            let flights = self.model.outputs[output].flights.len();
            let given = self.kafka[output].count();
            self.waits = format!("{flights} batches in output {output} instead of {given}");
            self.kafka[output].submitted(flights).await;
            self.number(output);
        }
        self.hear_all().await;
        self.leave_gaps(&opening).await;
        self.hear_all().await;
        let foreseen = self.model.facts();
        loop {
            let facts = self.facts();
            for (seen, foreseen) in facts.outputs.iter().zip(&foreseen.outputs) {
                assert!(seen[0] <= foreseen[0], "nothing else is written");
            }
            if facts == foreseen {
                return;
            }
            self.waits = format!("{foreseen:?} instead of {facts:?}");
            yield_now().await;
        }
    }

    /// What is seen of the service.
    fn facts(&self) -> Facts {
        let credits = std::iter::from_fn(|| self.shared.credits.open());
        let credits: Vec<_> = credits.collect(); // given back at once
        Facts {
            sessions: *self.shared.sessions.borrow(),
            credits: credits.len(),
            outputs: self
                .kafka
                .iter()
                .map(|kafka| [kafka.count(), kafka.share().waiting(), kafka.leaderless()])
                .collect(),
        }
    }

    /// Leaves a gap on streams that are read: its refusal comes behind all other answers. Behind a
    /// batch that is stuck nobody waits for it, and its time is over with all that were over before.
    async fn leave_gaps(&mut self, lines: &[(usize, Line)]) {
        for (writer, line) in lines {
            let Some(Connection::Stream { stream, .. }) = self.lines.get(line) else { continue };
            if let Some(impatient) = self.model.reads(*writer, *line) {
                let gap = Batch { sequence: FAR, impatient, ..Batch::default() };
                stream.batch(gap.wire()).await;
                self.model.receive(*writer, *line, gap);
            }
        }
    }

    /// Finds out which batch of the model each new one is that Kafka has.
    fn number(&mut self, output: usize) {
        let flights = &self.model.outputs[output].flights;
        let numbers = &mut self.numbers[output];
        let known = numbers.len();
        numbers.resize(flights.len(), None);
        for number in known..flights.len() {
            let records = self.kafka[output].records(number);
            let again = |flight: &Flight| flight.fate.is_none() && flight.rows.records() == records;
            assert!(
                records.is_empty() || !flights[..known].iter().any(again),
                "{records:?} are written while they are on their way"
            );
            let promised =
                records.iter().find(|record| self.promised.contains(&(output, (*record).clone())));
            assert_eq!(promised, None, "it was acknowledged, and is written again");
            let which = (known..flights.len())
                .find(|at| numbers[*at].is_none() && flights[*at].rows.records() == records);
            let which = which.unwrap_or_else(|| panic!("nobody sent {records:?}"));
            numbers[which] = Some(number);
        }
    }

    async fn hear_all(&mut self) {
        while let Some((line, due)) = self.model.due.first_key_value() {
            let (line, due) = (*line, due.clone());
            self.hear(line, &due).await;
            self.model.due.remove(&line);
        }
    }

    /// Hears what is due on a line, and nothing else.
    async fn hear(&mut self, line: Line, due: &[Said]) {
        let connection = self.lines.get_mut(&line).expect("somebody listens");
        let mut heard = Vec::new();
        while sorted(&heard) != sorted(due) {
            self.waits = format!("line {line} to hear {due:?}, so far {heard:?}");
            let said = connection.next().await;
            if !connection.is_told_again(&said, due) {
                heard.push(said);
            }
            assert!(may_become(&heard, due), "line {line} hears {heard:?} instead of {due:?}");
        }
        connection.may_be_told_again(&heard, due);
        let output = self.model.writers[connection.writer()].output;
        for said in &heard {
            self.counts.heard(said);
            let promised = connection.promises(said);
            self.promised.extend(promised.into_iter().map(|record| (output, record)));
        }
        if matches!(heard.last(), Some(Said::End(_) | Said::Done { .. })) {
            self.lines.remove(&line);
        }
    }
}

impl Drop for Walk {
    /// Says how everything is when a case fails.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let memory = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        eprintln!("it waited for {}\ndue: {:#?}", self.waits, self.model.due);
        eprintln!("{}foreseen: {:?}", self.model.leases(), self.model.facts());
        eprintln!("seen:     {:?}\n{memory}", self.facts());
        for (kafka, output) in self.kafka.iter().zip(&self.model.outputs) {
            let flying = output.flights.iter().filter(|flight| flight.fate.is_none()).count();
            let room = kafka.share().used_bytes();
            eprintln!("{flying} batches not settled, {room} bytes, {:?}", output.stall);
        }
    }
}

fn once(output: usize, batch: &Batch) -> WriteOnceRequest {
    WriteOnceRequest {
        output: OUTPUTS[output].to_owned(),
        schema: Some(columns()),
        batch: Some(batch.wire()),
        ..WriteOnceRequest::default()
    }
}
