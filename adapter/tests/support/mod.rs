//! A service whose Kafka is a model, and an engine that talks to it: the real server, the real
//! wire, and every record settled by hand.
pub mod certificates;
pub mod engine;
pub mod kafka;
pub mod log;
pub mod rows;

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use kafka_output::{
    credit::Pool,
    grpc::{Bound, Entrance, Served, Server, Shared, callers::Rules},
    job::{self, ErrorPolicy, Packing, WriterRule},
    kafka::share_out,
    output::Output,
    partition::{Rotor, Turn},
    secrets::Reporter,
    traces::Tracer,
    valve::Valve,
    writers::Writers,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use self::{engine::Engine, kafka::ModelKafka};

/// How long a fact may take on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// By this is time awake counted.
pub const NAP: Duration = Duration::from_millis(100);

/// What a bench is made of.
pub struct Setup {
    /// Aliases of the outputs.
    pub outputs: &'static [&'static str],
    /// Most streams at once.
    pub streams_max: usize,
    /// Memory for what is unacknowledged.
    pub credit_bytes: u64,
    /// Memory for records, all outputs together.
    pub memory_bytes: u64,
    /// The largest message.
    pub message_bytes_max: u64,
    /// The largest record.
    pub record_bytes_max: usize,
    /// Keys of every output in the job file.
    pub keys: &'static str,
    /// How rows are packed, where no job file says so.
    pub packing: Option<Packing>,
    /// What becomes of bad rows.
    pub error_policy: ErrorPolicy,
    /// Outputs that set bad rows aside in any case.
    pub dropping: &'static [&'static str],
    /// Who may write into which output; the others are anyone's.
    pub rules: Vec<(&'static str, Vec<WriterRule>)>,
    /// Who may call.
    pub entrance: Entrance,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            outputs: &["a"],
            streams_max: 8,
            credit_bytes: 64 << 20,
            memory_bytes: 64 << 20,
            message_bytes_max: 1 << 20,
            record_bytes_max: 1 << 20,
            keys: "serialization: { nonFinite: Error }",
            packing: None,
            error_policy: ErrorPolicy::Stop,
            dropping: &[],
            rules: Vec::new(),
            entrance: Entrance::new(None, None, true),
        }
    }
}

/// A service that runs.
pub struct Bench {
    /// The model behind each output.
    pub kafka: Vec<Arc<ModelKafka>>,
    /// Where it listens.
    pub address: SocketAddr,
    /// What its calls share.
    pub shared: Arc<Shared>,
    server: Server,
}

impl Bench {
    /// A service with one output, `a`.
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// A service as described.
    pub async fn with(setup: Setup) -> Self {
        let mut yaml = "name: bench\noutputs:\n".to_owned();
        for alias in setup.outputs {
            let output = "bootstrapServers: broker:9092\n    topic: rows";
            yaml += &format!("  - alias: {alias}\n    {output}\n");
            setup.keys.lines().for_each(|line| yaml += &format!("    {line}\n"));
        }
        let job = job::parse("bench.yaml", &yaml).unwrap();
        let shares = share_out(setup.memory_bytes, setup.outputs.len());
        let kafka: Vec<_> = shares
            .into_iter()
            .map(|share| Arc::new(ModelKafka::new(share, setup.record_bytes_max)))
            .collect();
        let outputs = job.outputs.iter().zip(&kafka).map(|(output, kafka)| {
            let turn = Turn { rows: 1, time: Duration::from_secs(1) };
            let drops = setup.dropping.contains(&output.alias.to_string().as_str());
            let seen = Output {
                alias: output.alias.to_string(),
                topic: output.topic.to_string(),
                format: output.serialization.format.clone(),
                error_policy: if drops { ErrorPolicy::Drop } else { setup.error_policy },
                rotor: Arc::new(Rotor::new(turn)),
                kafka: kafka.clone(),
                packing: setup.packing.or(output.packing).unwrap_or(Packing::NONE),
                trace_headers: false,
                encoded_bytes_max: 64 << 20,
                guarantee: output.guarantee,
                rejected: Arc::default(),
                passage: Arc::default(),
                valve: Valve::default(),
                taps: Arc::default(),
            };
            let rules = setup.rules.iter().find(|(alias, _)| *alias == seen.alias);
            let rules = rules.map(|(_, rules)| Rules::new(rules));
            let writers = Writers::new(100);
            let credentials = Reporter::default();
            let (output, job, transactional) = (Arc::new(seen), output.clone(), None);
            let (progress, inside) = (None, watch::Sender::new(0));
            Arc::new(Served {
                output,
                job,
                writers,
                progress,
                keeper: None,
                transactional,
                rules,
                credentials,
                inside,
                replaces_ready: false,
            })
        });
        let Setup { credit_bytes, streams_max, message_bytes_max, .. } = setup;
        let credits = Pool::new(credit_bytes, streams_max, message_bytes_max);
        let tracer = Tracer::default();
        let shared = Shared::new(outputs.collect(), credits, message_bytes_max, tracer);
        let shared = Arc::new(shared);
        let bound = Bound::new((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = bound.address;
        let server = bound.serve(shared.clone(), setup.entrance).unwrap();
        Self { kafka, address, server, shared }
    }

    /// The model behind the first output.
    pub fn kafka(&self) -> &ModelKafka {
        &self.kafka[0]
    }

    /// An engine with a connection of its own.
    pub async fn engine(&self) -> Engine {
        Engine::connect(self.address).await
    }

    /// Stops the service; true if every stream ended by itself.
    pub async fn drain(self, timeout: Duration) -> bool {
        self.server.drain(Instant::now() + timeout).await
    }
}

/// What comes true before this process was awake for `limit`. While it is stopped no time passes.
pub async fn in_time<T>(limit: Duration, fact: impl Future<Output = T>) -> Option<T> {
    let mut fact = pin!(fact);
    for _ in 0..limit.as_millis() / NAP.as_millis() {
        if let Ok(fact) = timeout(NAP, fact.as_mut()).await {
            return Some(fact);
        }
    }
    None
}

/// Waits until something is so.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "it never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
