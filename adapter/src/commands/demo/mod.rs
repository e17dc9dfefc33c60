//! `demo`: the whole way of real rows, with an embedded broker, and proof that they arrived.
mod compare;
pub(super) mod flights;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde_json::json;

use self::compare::Comparison;
use crate::{
    client::{Client, Error, Rows, Writer, WriterOptions},
    exit::Exit,
    job,
    kafka::{mock::MockKafka, reader::TopicReader},
    output_format::OutputFormat,
    serve::Service,
};

/// Rows of a batch.
const BATCH_ROWS: usize = 500;

/// The embedded broker keeps about 5 MB of a partition. The sender waits when the reader is this
/// many rows behind, so that nothing is dropped before it is read.
const LAG_ROWS_PER_PARTITION: u64 = 4_000;

/// How long the reader may find nothing new before it gives up.
const READ_PATIENCE: Duration = Duration::from_secs(30);

/// What can be chosen.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Rows to send; the sample of 10,000 flights is repeated
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rows: u64,
    /// Partitions of the topic
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=100))]
    partitions: i32,
    /// Compression of Kafka batches
    #[arg(long, value_enum, default_value_t)]
    compression: Codec,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Codec {
    None,
    Gzip,
    Snappy,
    #[default]
    Lz4,
    Zstd,
}

/// What the demo found.
struct Findings {
    comparison: Comparison,
    sent: Sent,
    resume_after: u64,
    position: Option<Bytes>,
}

/// How the sending went.
struct Sent {
    batches: u64,
    /// Until the first batch was acknowledged: connections, a producer id.
    first_seconds: f64,
    /// Rows after the first batch, and how long they took.
    rows: u64,
    seconds: f64,
}

impl Sent {
    fn rows_per_second(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.rows as f64 / self.seconds }
    }
}

/// Runs the demo.
pub async fn run(args: DemoArgs, format: OutputFormat) -> Exit {
    let text = format == OutputFormat::Text;
    match demo(&args, text).await {
        Ok(findings) => {
            if text {
                print_findings(&args, &findings);
            } else {
                println!("{}", to_json(&args, &findings));
            }
            if findings.comparison.is_equal() { Exit::Done } else { Exit::Failure }
        }
        Err(reason) => {
            eprintln!("the demo failed: {reason}");
            Exit::Failure
        }
    }
}

async fn demo(args: &DemoArgs, text: bool) -> Result<Findings, String> {
    let broker = MockKafka::start(1).map_err(|error| error.to_string())?;
    broker.create_topic("flights", args.partitions).map_err(|error| error.to_string())?;
    let servers = broker.bootstrap_servers();
    let yaml = job_file(&servers, args.compression);
    if text {
        println!("An embedded Kafka broker listens on {servers}, with the topic `flights`.");
        println!("\nThe job file of the service:\n");
        yaml.lines().for_each(|line| println!("    {line}"));
    }
    let job = job::parse("demo.yaml", &yaml).map_err(|faults| faults.to_string())?;
    let service = Service::start(&job).await.map_err(|error| error.to_string())?;
    let endpoint = format!("http://{}", service.address);
    if text {
        println!("\nThe service listens on {endpoint}. Rows go this way:\n");
        println!("    flights.csv → Arrow → gRPC stream `Write` → JSON → round robin → librdkafka");
        println!(
            "      → broker → acknowledgement back to the sender; and a consumer reads the topic\n"
        );
    }
    let read_rows = Arc::new(AtomicU64::new(0));
    let reader = {
        let (args_rows, partitions, seen) = (args.rows, args.partitions, read_rows.clone());
        let servers = servers.clone();
        thread::spawn(move || read_back(&servers, partitions, args_rows, &seen))
    };
    let sent = send(&endpoint, args, &read_rows).await.map_err(|error| error.to_string())?;
    let comparison = tokio::task::spawn_blocking(move || reader.join())
        .await
        .map_err(|error| error.to_string())?
        .map_err(|_| "the reader ended early".to_owned())??;
    let mut client = Client::connect(&endpoint, Duration::from_secs(10))
        .await
        .map_err(|error| error.to_string())?;
    let writer = client.get_writer("flights", "demo").await.map_err(|error| error.to_string())?;
    drop(client);
    let stopped = service.stop(Duration::from_secs(10)).await;
    if stopped.unsettled > 0 {
        return Err(format!("{} records are not settled", stopped.unsettled));
    }
    let (resume_after, position) = (writer.durable_through, writer.position);
    let position = position.map(Bytes::from);
    Ok(Findings { comparison, sent, resume_after, position })
}

fn job_file(servers: &str, codec: Codec) -> String {
    let codec = match codec {
        Codec::None => "None",
        Codec::Gzip => "Gzip",
        Codec::Snappy => "Snappy",
        Codec::Lz4 => "Lz4",
        Codec::Zstd => "Zstd",
    };
    format!(
        "name: demo\n\
         listen:\n  grpc: {{ address: 127.0.0.1:0 }}   # 0: any free port\n\
         outputs:\n  - alias: flights\n    bootstrapServers: {servers}\n    topic: flights\n\
         \x20   serialization: {{ type: Json, format: LineSeparated }}\n\
         \x20   partitioning: {{ strategy: roundRobin }}\n\
         \x20   compression: {{ type: {codec} }}\n"
    )
}

/// Sends the sample, again and again, in batches; the position is the number of rows sent.
async fn send(endpoint: &str, args: &DemoArgs, read: &AtomicU64) -> Result<Sent, Error> {
    let sample = flights::batch();
    let mut writer = Writer::open(endpoint, WriterOptions::new("flights", "demo")).await?;
    let schema = writer.schema(&sample.schema())?;
    let (mut sent, mut batches) = (0u64, 0);
    let mut start = Instant::now();
    let (mut first_rows, mut first_seconds) = (0, 0.0);
    let lag_max = LAG_ROWS_PER_PARTITION * args.partitions as u64;
    while sent < args.rows {
        let at = (sent % sample.num_rows() as u64) as usize;
        let left = usize::try_from(args.rows - sent).unwrap_or(usize::MAX);
        let rows = BATCH_ROWS.min(sample.num_rows() - at).min(left);
        let batch = Rows::from_arrow(&sample.slice(at, rows))?;
        sent += rows as u64;
        writer.send(schema, &batch, Some(sent.to_string().into())).await?;
        batches += 1;
        if batches == 1 {
            writer.settled().await?;
            (first_rows, first_seconds) = (sent, start.elapsed().as_secs_f64());
            start = Instant::now();
        }
        while sent.saturating_sub(read.load(Ordering::Relaxed)) > lag_max {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    writer.settled().await?;
    let seconds = start.elapsed().as_secs_f64();
    writer.finish().await?;
    Ok(Sent { batches, first_seconds, rows: sent - first_rows, seconds })
}

/// Reads until as many records came as rows were sent, and a little longer: one too many would be
/// a row that arrived twice.
fn read_back(
    servers: &str,
    partitions: i32,
    rows: u64,
    seen: &AtomicU64,
) -> Result<Comparison, String> {
    let reader = TopicReader::open(servers, "flights", partitions).map_err(|e| e.to_string())?;
    let mut comparison = Comparison::new(rows, partitions as usize);
    let mut last = Instant::now();
    loop {
        let complete = seen.load(Ordering::Relaxed) >= rows;
        let patience =
            if complete { Duration::from_millis(300) } else { Duration::from_millis(100) };
        match reader.next(patience).map_err(|error| error.to_string())? {
            Some(record) => {
                comparison.take(&record);
                seen.fetch_add(1, Ordering::Relaxed);
                last = Instant::now();
            }
            None if complete || last.elapsed() > READ_PATIENCE => return Ok(comparison),
            None => {}
        }
    }
}

fn print_findings(args: &DemoArgs, findings: &Findings) {
    let Findings { comparison, sent, resume_after, position } = findings;
    println!("Records of each partition:");
    let most = comparison.partitions.iter().max().copied().unwrap_or(1).max(1);
    for (partition, records) in comparison.partitions.iter().enumerate() {
        let bar = "█".repeat((records * 40 / most) as usize);
        println!("    {partition:>3}  {records:>8}  {bar}");
    }
    println!("\nSome of them:\n");
    for record in &comparison.examples {
        println!("    partition {} offset {}", record.partition, record.offset);
        println!("      {}", String::from_utf8_lossy(&record.value));
    }
    println!("\n{} rows in {} batches, every batch acknowledged.", args.rows, sent.batches);
    println!(
        "The first after {:.2} s (connecting), the other {} rows in {:.3} s: {:.0} rows/s",
        sent.first_seconds,
        sent.rows,
        sent.seconds,
        sent.rows_per_second()
    );
    println!("(the embedded broker and the reader that checks every row share this machine)");
    let position = position.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    println!(
        "Resume point of writer `demo`: batch {resume_after}, position `{position}` (rows sent)"
    );
    println!("\n{}", comparison.verdict());
}

fn to_json(args: &DemoArgs, findings: &Findings) -> serde_json::Value {
    let comparison = &findings.comparison;
    json!({
        "rows": args.rows,
        "batches": findings.sent.batches,
        "first_acknowledgement_seconds": findings.sent.first_seconds,
        "rows_after_first_batch": findings.sent.rows,
        "seconds": findings.sent.seconds,
        "rows_per_second": findings.sent.rows_per_second(),
        "records_per_partition": comparison.partitions,
        "missing": comparison.missing(),
        "unexpected": comparison.unexpected,
        "resume_after": findings.resume_after,
        "position": findings.position.as_deref().map(String::from_utf8_lossy),
        "equal": comparison.is_equal(),
    })
}
