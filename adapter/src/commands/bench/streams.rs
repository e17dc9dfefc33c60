//! The engine of a benchmark: streams into a service of this process, on threads of their own, so
//! that what they take is not counted as the service's.
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{runtime::Runtime, time::timeout};

use super::{Stop, rows::Work};
use crate::{
    client::{Rows, SchemaId, Writer, WriterOptions},
    job::Output,
    kafka::bare::{Load, Passed},
    serve::Service,
};

/// What the threads are called.
pub(super) const THREADS: &str = "bench-engine";

/// How long the service may take to open a stream, and for what is on its way when a round ends.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The streams, between two rounds.
pub(super) struct Streams {
    engine: Option<Runtime>,
    writers: Vec<(Writer, SchemaId)>,
    batches: Arc<[Rows]>,
    loads: Arc<[Load]>,
}

impl Streams {
    /// Opens so many.
    pub(super) async fn open(
        service: &Service,
        output: &Output,
        count: u32,
        work: &Work,
    ) -> Result<Self, Stop> {
        let engine = tokio::runtime::Builder::new_multi_thread()
            .thread_name(THREADS)
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(Stop::failed)?;
        let endpoint = format!("http://{}", service.address);
        let (name, mut writers) = (fastrand::u64(..), Vec::new());
        for stream in 0..count {
            let (endpoint, schema) = (endpoint.clone(), work.schema.clone());
            let writer = format!("bench-{name:016x}/{stream}");
            let options = WriterOptions::new(output.alias.as_str(), writer);
            let opened = engine.spawn(async move {
                let opening = timeout(ANSWER_MAX, Writer::open(&endpoint, options)).await;
                let mut writer = opening
                    .map_err(|_| "a stream is not opened".to_owned())?
                    .map_err(|error| error.to_string())?;
                let schema = writer.schema(&schema).map_err(|error| error.to_string())?;
                Ok::<_, String>((writer, schema))
            });
            writers.push(opened.await.map_err(Stop::failed)?.map_err(Stop::failed)?);
        }
        let (batches, loads) = (work.batches.clone(), work.loads.clone());
        Ok(Self { engine: Some(engine), writers, batches, loads })
    }

    /// Sends for so long, at most so many bytes of records, until all of it is acknowledged.
    pub(super) async fn round(
        &mut self,
        (time, bytes_max): (Duration, u64),
        stop: &Arc<AtomicBool>,
    ) -> Result<Passed, Stop> {
        let start = Instant::now();
        let (end, count) = (start + time, self.writers.len());
        let engine = self.engine.as_ref().expect("it is open");
        let mut running = Vec::new();
        for (index, (writer, schema)) in self.writers.drain(..).enumerate() {
            let mut stream =
                Stream { writer, schema, open: VecDeque::new(), passed: Passed::default() };
            let (batches, loads, stop) = (self.batches.clone(), self.loads.clone(), stop.clone());
            let bytes_max = bytes_max / count as u64;
            running.push(engine.spawn(async move {
                // Each begins elsewhere in the rows.
                let skip = index * batches.len() / count;
                let work = batches.iter().zip(loads.iter()).cycle().skip(skip);
                for (rows, load) in work {
                    let is_over = Instant::now() >= end || stream.passed.bytes >= bytes_max;
                    if is_over || stop.load(Ordering::Relaxed) {
                        break;
                    }
                    stream.send(rows, load).await?;
                }
                stream.settle().await?;
                Ok::<_, String>(stream)
            }));
        }
        let mut all = Passed::default();
        for stream in running {
            let stream = stream.await.map_err(Stop::failed)?.map_err(Stop::failed)?;
            let Passed { rows, bytes, waits, .. } = stream.passed;
            all.rows += rows;
            all.bytes += bytes;
            all.waits.extend(waits);
            self.writers.push((stream.writer, stream.schema));
        }
        Ok(Passed { time: start.elapsed(), ..all })
    }

    /// Ends them. Returns how many rows were set aside.
    pub(super) async fn close(mut self) -> u64 {
        let aside = self.writers.iter().map(|(writer, _)| writer.progress().rejected_total).sum();
        for (mut writer, _) in self.writers.drain(..) {
            writer.stop(ANSWER_MAX).await;
        }
        aside
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        // A runtime must not wait for its threads on one of another's.
        if let Some(engine) = self.engine.take() {
            engine.shutdown_background();
        }
    }
}

/// A stream in a round.
struct Stream {
    writer: Writer,
    schema: SchemaId,
    /// Batches without an acknowledgement, and when they were handed over.
    open: VecDeque<(u64, Instant)>,
    passed: Passed,
}

impl Stream {
    async fn send(&mut self, rows: &Rows, load: &Load) -> Result<(), String> {
        let sent = timeout(ANSWER_MAX, self.writer.send(self.schema, rows, None)).await;
        let sequence = sent.map_err(|_| self.silent())?.map_err(|error| error.to_string())?;
        self.open.push_back((sequence, Instant::now()));
        self.passed.rows += load.rows;
        self.passed.bytes += load.bytes.len() as u64;
        self.take();
        Ok(())
    }

    /// Takes what is acknowledged.
    fn take(&mut self) {
        let through = self.writer.progress().durable_through;
        while let Some((_, since)) = self.open.pop_front_if(|(sequence, _)| *sequence <= through) {
            self.passed.waits.push(since.elapsed());
        }
    }

    async fn settle(&mut self) -> Result<(), String> {
        let end = tokio::time::Instant::now() + ANSWER_MAX;
        loop {
            self.take();
            if self.open.is_empty() {
                return Ok(());
            }
            if tokio::time::timeout_at(end, self.writer.changed()).await.is_err() {
                let settled = timeout(Duration::ZERO, self.writer.settled()).await;
                return match settled {
                    Ok(Err(error)) => Err(error.to_string()),
                    _ => Err(self.silent()),
                };
            }
        }
    }

    fn silent(&self) -> String {
        let held = self.writer.progress().held;
        let why = held.map_or_else(String::new, |held| format!(": {}: {}", held.code, held.reason));
        format!("no acknowledgement within {} s{why}", ANSWER_MAX.as_secs())
    }
}
