//! What a new job file changes.
use super::one::is_same_place;
use crate::job::{Guarantee, Job, Output};

/// The outputs of a new job beside those of the one that runs.
#[derive(Debug, Default)]
pub struct Difference {
    /// Only in the new one.
    pub added: Vec<Output>,
    /// In both, and not the same.
    pub changed: Vec<Output>,
    /// The aliases of those that are the same.
    pub same: Vec<String>,
    /// The aliases of those only in the one that runs.
    pub removed: Vec<String>,
}

impl Difference {
    /// Compares.
    pub fn of(now: &Job, new: &Job) -> Self {
        let mut difference = Self::default();
        for output in &new.outputs {
            match now.outputs.iter().find(|known| known.alias == output.alias) {
                Some(known) if known == output => difference.same.push(output.alias.to_string()),
                Some(_) => difference.changed.push(output.clone()),
                None => difference.added.push(output.clone()),
            }
        }
        let is_gone =
            |known: &&Output| new.outputs.iter().all(|output| output.alias != known.alias);
        let removed = now.outputs.iter().filter(is_gone);
        difference.removed = removed.map(|output| output.alias.to_string()).collect();
        difference
    }
}

/// What cannot change while the service runs: the keys of the job file that differ.
pub fn fixed(now: &Job, new: &Job) -> Vec<String> {
    // All of them, so that a new key is thought of.
    let Job {
        name,
        grpc,
        admin,
        identity,
        secret_refresh,
        memory_bytes,
        shutdown_timeout: _,
        batch_bytes_max,
        traces,
        outputs: _,
    } = new;
    let differ = [
        ("name", *name != now.name),
        ("listen.grpc", *grpc != now.grpc),
        ("listen.admin", *admin != now.admin),
        ("identity", *identity != now.identity),
        ("secretRefresh", *secret_refresh != now.secret_refresh),
        ("memory", *memory_bytes != now.memory_bytes),
        ("telemetry", *traces != now.traces),
        ("maxBatchSize", *batch_bytes_max != now.batch_bytes_max),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| format!("`{key}`")).collect()
}

/// Outputs whose writers would not come in again: exactly once, what is stored of them belongs to
/// these brokers and this topic, and each has to be reset where it goes on elsewhere.
pub fn bound(now: &Job, new: &Job) -> Vec<String> {
    let is_bound = |old: &Output, new: &Output| {
        let once = [old, new].iter().any(|output| output.guarantee == Guarantee::ExactlyOnce);
        once && !is_same_place(old, new)
    };
    let pairs = new.outputs.iter().filter_map(|output| {
        Some((now.outputs.iter().find(|known| known.alias == output.alias)?, output))
    });
    let bound = pairs.filter(|(old, new)| is_bound(old, new));
    let told = |output: &Output| {
        format!(
            "topic, brokers, `progressTopic` or guarantee of output `{}` (exactly once, each of its \
             writers must be reset then; or give the output another alias)",
            output.alias
        )
    };
    bound.map(|(_, output)| told(output)).collect()
}
