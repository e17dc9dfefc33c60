//! An engine that has nothing to do with the abuse beside it.
use std::{cell::Cell, fs, net::SocketAddr};

use tokio::sync::{Mutex, MutexGuard};

use crate::support::{
    Bench, Setup,
    engine::{Engine, Stream},
    rows::batch,
};

/// What memory may grow by while somebody abuses the service, in bytes. The test itself has
/// buffers, and the allocator keeps some of what is given back.
const GROWTH_BYTES_MAX: usize = 48 << 20;

/// One abuse at a time: the memory is that of the process.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A service, and an engine that writes into it.
pub struct Bystander {
    pub bench: Bench,
    stream: Stream,
    sequence: u64,
    resident_before: usize,
    _alone: MutexGuard<'static, ()>,
}

impl Bystander {
    /// A service as described, that has acknowledged a batch.
    pub async fn start(setup: Setup) -> Self {
        let alone = ALONE.lock().await;
        let bench = Bench::with(setup).await;
        bench.kafka().run_by_itself();
        let (stream, _) = bench.engine().await.writer("calm").await;
        let mut bystander = Self { bench, stream, sequence: 0, resident_before: 0, _alone: alone };
        bystander.write().await;
        bystander.resident_before = resident_bytes();
        bystander
    }

    /// Where the service listens.
    pub fn address(&self) -> SocketAddr {
        self.bench.address
    }

    /// Writes a batch, and waits until it is acknowledged.
    async fn write(&mut self) {
        self.sequence += 1;
        self.stream.batch(batch(self.sequence)).await;
        self.stream.ack(self.sequence).await;
    }

    /// Goes on writing while somebody abuses the service, and afterwards; new engines come and are
    /// served; memory stays where it was.
    pub async fn beside<T>(&mut self, abuse: impl Future<Output = T>) -> T {
        let (is_done, before) = (Cell::new(false), self.sequence);
        let mut resident_max = 0;
        let abuse = async {
            let result = abuse.await;
            is_done.set(true);
            result
        };
        let writing = async {
            while !is_done.get() {
                self.write().await;
                resident_max = resident_max.max(resident_bytes());
            }
        };
        let (result, ()) = tokio::join!(abuse, writing);
        for _ in 0..10 {
            self.write().await;
        }
        let engine = Engine::connect(self.bench.address).await;
        assert_eq!(engine.get_output().await.alias, "a");
        let (mut other, _) = engine.writer("other").await;
        other.batch(batch(1)).await;
        other.ack(1).await;
        resident_max = resident_max.max(resident_bytes());
        let grown = resident_max.saturating_sub(self.resident_before);
        assert!(grown < GROWTH_BYTES_MAX, "memory grew by {} MiB", grown >> 20);
        println!(
            "{} batches beside it; memory grew by {} KiB",
            self.sequence - before,
            grown >> 10
        );
        result
    }
}

/// Resident memory of this process (proc(5), status).
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}
