//! The rows of a benchmark: as batches of an engine, and as the records that they become.
use std::{num::NonZeroU32, path::Path, sync::Arc};

use arrow_schema::SchemaRef;
use tokio::{sync::mpsc, task::spawn_blocking};

use super::Stop;
use crate::{
    client::{Rows, encode_schema},
    commands::{demo::flights, preview::Topic},
    job::{self, Job},
    kafka::{Mark, bare::Load, record_bytes_max},
    output::{Output, Plan},
    rows::{Carrier, schema_from_ipc},
    send::{BROKEN_FILE, FileArgs, Origin, Part, files::ChunkSize, read_all},
    steering,
};

/// Rows of a batch, as `send` has them.
const BATCH_ROWS: usize = 1_000;

/// What is kept in memory of a file, as batches.
const BYTES_MAX: u64 = 64 << 20;

/// Kafka's own `max.message.bytes`, for records that are only made, not sent.
const MESSAGE_BYTES_MAX: u64 = 1_048_588;

/// What is sent.
pub(super) struct Work {
    /// Its columns.
    pub(super) schema: SchemaRef,
    /// The batches of an engine.
    pub(super) batches: Arc<[Rows]>,
    /// The records of each.
    pub(super) loads: Arc<[Load]>,
    /// Where the rows come from.
    pub(super) source: String,
}

impl Work {
    /// Reads the rows, and encodes them as the output does.
    pub(super) async fn load(
        file: Option<&Path>,
        job: &Job,
        output: &job::Output,
    ) -> Result<Self, Stop> {
        let (schema, batches) = match file {
            Some(file) => of_file(file).await?,
            None => sample()?,
        };
        let partitions = 1;
        let topic = Topic::new(partitions, record_bytes_max(MESSAGE_BYTES_MAX) as usize);
        let topic = Arc::new(topic);
        let output = steering::output_of(job, output, topic.clone());
        let plan = plan(&schema, &output)?;
        let mut loads = Vec::with_capacity(batches.len());
        for rows in &batches {
            loads.extend(load(rows, &plan, &output, &topic).await?);
        }
        if loads.len() < batches.len() {
            return Err(Stop::input("a batch has no row that can be written"));
        }
        let source = match file {
            Some(file) => file.display().to_string(),
            None => "a sample of flights".to_owned(),
        };
        Ok(Self { schema, batches: batches.into(), loads: loads.into(), source })
    }

    /// Bytes of a record, on average.
    pub(super) fn record_bytes(&self) -> f64 {
        let bytes: usize = self.loads.iter().map(|load| load.bytes.len()).sum();
        let records: usize = self.loads.iter().map(|load| load.ends.len()).sum();
        bytes as f64 / records as f64
    }
}

/// The records of a batch; none if none of its rows can be written.
async fn load(
    rows: &Rows,
    plan: &Plan,
    output: &Output,
    topic: &Topic,
) -> Result<Option<Load>, Stop> {
    let said = |refusal: crate::output::Refusal| {
        let at = refusal.rows.named.first().map_or_else(String::new, |bad| {
            format!(" (row {}, column `{}`: {})", bad.row, bad.column, bad.reason)
        });
        Stop::input(format!("the rows cannot be written: {}{at}", refusal.reason))
    };
    let read = output.read(plan, Carrier::ArrowIpc, rows.content()).await.map_err(said)?;
    output.send(plan, vec![read], vec![Mark::default()], None).await.map_err(said)?;
    let submitted = topic.take();
    let encoded = submitted.first().expect("it was sent").encoded();
    if encoded.ends.is_empty() {
        return Ok(None);
    }
    let records = 0..encoded.ends.len() as u32;
    let rows = records.map(|record| encoded.rows.of(record).count() as u64).sum();
    Ok(Some(Load { bytes: encoded.bytes.clone(), ends: encoded.ends.clone(), rows }))
}

fn plan(schema: &SchemaRef, output: &Output) -> Result<Plan, Stop> {
    let wire = encode_schema(schema).map_err(Stop::failed)?;
    let schema = schema_from_ipc(&wire).map_err(|error| Stop::input(error.to_string()))?;
    Plan::compile(schema, &output.format).map_err(|fault| {
        let alias = &output.alias;
        Stop::input(format!(
            "output `{alias}` cannot take these columns: {fault}; give it rows of its own by \
             --rows-file"
        ))
    })
}

fn sample() -> Result<(SchemaRef, Vec<Rows>), Stop> {
    let flights = flights::batch();
    let starts = (0..flights.num_rows()).step_by(BATCH_ROWS);
    let slice = |start| {
        let rows = flights.slice(start, BATCH_ROWS.min(flights.num_rows() - start));
        Rows::from_arrow(&rows).map_err(Stop::failed)
    };
    Ok((flights.schema(), starts.map(slice).collect::<Result<_, _>>()?))
}

async fn of_file(path: &Path) -> Result<(SchemaRef, Vec<Rows>), Stop> {
    let input = FileArgs {
        paths: vec![path.to_owned()],
        format: None,
        types: Vec::new(),
        delimiter: None,
        null_text: vec![String::new()],
        no_header: false,
        batch_rows: NonZeroU32::new(BATCH_ROWS as u32).expect("there are some"),
        limit: None,
    };
    let files = spawn_blocking(move || input.survey()).await;
    let files = files.unwrap_or_else(|_| Err(BROKEN_FILE.to_owned())).map_err(Stop::input)?;
    let files = Arc::new(files);
    let (sender, mut chunks) = mpsc::channel(2);
    let reads = files.clone();
    let reading = spawn_blocking(move || {
        let size = ChunkSize { rows: BATCH_ROWS, bytes: ChunkSize::BYTES_MAX };
        if let Err(error) = read_all(&reads, 0, None, size, &sender) {
            sender.blocking_send(Err(error)).ok();
        }
    });
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(chunk) = chunks.recv().await {
        let (file, first_row, chunk) = chunk.map_err(|error| Stop::input(error.to_string()))?;
        let origin = Origin { sequence: 0, file, first_row, lines: None, rows_through: 0 };
        let rows = Part { batch: chunk.batch, origin }.encode().map_err(Stop::failed)?;
        bytes += rows.bytes();
        batches.push(rows);
        if bytes >= BYTES_MAX {
            break;
        }
    }
    drop(chunks);
    reading.await.map_err(|_| Stop::input(BROKEN_FILE))?;
    if batches.is_empty() {
        return Err(Stop::input(format!("{} has no rows", path.display())));
    }
    Ok((files.schema.clone(), batches))
}
