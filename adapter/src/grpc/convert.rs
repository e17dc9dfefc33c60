//! What the service tells of its outputs, on the wire.
use std::sync::atomic::Ordering;

use proto::v1::{self, Guarantee, OutputState};

use super::service::Served;
use crate::{
    kafka::{Counts, Health, State},
    output::Output,
};

/// What an acknowledgement of this output promises.
pub fn guarantee(output: &Output) -> Guarantee {
    if output.acknowledged_by_all { Guarantee::AtLeastOnce } else { Guarantee::BestEffort }
}

/// Configuration and state of an output.
pub fn output(served: &Served) -> v1::Output {
    let Served { output, job, writers } = served;
    let Health { state, cause, since } = output.kafka.health();
    let Counts { delivered, rejected, in_flight } = output.kafka.counts();
    let partitions = output.kafka.partitions().borrow().clone();
    let leaders = partitions.map(|partitions| partitions.leaders.clone()).unwrap_or_default();
    let without_leader = leaders.iter().filter(|leader| !**leader).count();
    v1::Output {
        alias: output.alias.clone(),
        topic: output.topic.clone(),
        bootstrap_servers: job.bootstrap_servers.iter().map(ToString::to_string).collect(),
        guarantee: guarantee(output).into(),
        configuration_json: job.to_json().to_string(),
        state: output_state(state).into(),
        trouble_code: cause.as_ref().map_or(String::new(), |cause| cause.code.into()),
        trouble: cause.map_or(String::new(), |cause| cause.text),
        since: Some(since.into()),
        partitions: leaders.len() as u32,
        partitions_without_leader: without_leader as u32,
        writers_live: writers.live() as u32,
        records_in_flight: in_flight,
        bytes_in_flight: output.kafka.share().used_bytes(),
        records_delivered: delivered,
        rows_rejected: rejected + output.rejected.load(Ordering::Relaxed),
    }
}

fn output_state(state: State) -> OutputState {
    match state {
        State::Connecting => OutputState::Connecting,
        State::Ready => OutputState::Ready,
        State::Unavailable => OutputState::Unavailable,
    }
}
