//! Between the words of the wire and those of the service.
use std::{
    sync::atomic::Ordering,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use proto::v1::{
    self, Guarantee, OutputState, WriteResponse, batch::Rows, write_response::Message as Out,
};
use tonic::Status;

use super::{schema, served::Served};
use crate::{
    credit::{CREDIT_BATCHES, Credit},
    job,
    kafka::{Cause, Counts, Health, State},
    output::{BadRows, Output, Plan, PlanFault, Refusal},
    rows::{BadRow, Carrier},
    secrets::InUse,
};

/// What an acknowledgement of this output promises.
pub fn guarantee(output: &Output) -> Guarantee {
    match output.guarantee {
        job::Guarantee::BestEffort => Guarantee::BestEffort,
        job::Guarantee::AtLeastOnce => Guarantee::AtLeastOnce,
        job::Guarantee::ExactlyOnce => Guarantee::ExactlyOnce,
    }
}

/// Configuration and state of an output.
pub fn output(served: &Served) -> v1::Output {
    let Served { output, job, writers, credentials, .. } = served;
    let Health { state, cause, since } = output.kafka.health();
    let Counts { delivered, rejected, in_flight, letters } = output.kafka.counts();
    let partitions = output.kafka.partitions().borrow().clone();
    let leaders = partitions.map(|partitions| partitions.leaders.clone()).unwrap_or_default();
    let without_leader = leaders.iter().filter(|leader| !**leader).count();
    let credentials = credentials.report();
    let cause = output.valve.setting().cause(&output.alias).or(cause);
    let (trouble_code, trouble) = words(cause);
    let (credentials_trouble_code, credentials_trouble) = words(credentials.trouble);
    v1::Output {
        alias: output.alias.clone(),
        topic: output.topic.clone(),
        bootstrap_servers: job.bootstrap_servers.iter().map(ToString::to_string).collect(),
        guarantee: guarantee(output).into(),
        configuration_json: job.to_json().to_string(),
        state: output_state(state).into(),
        trouble_code,
        trouble,
        since: Some(since.into()),
        partitions: leaders.len() as u32,
        partitions_without_leader: without_leader as u32,
        writers_live: writers.live() as u32,
        records_in_flight: in_flight,
        bytes_in_flight: output.kafka.share().used_bytes(),
        records_delivered: delivered,
        rows_rejected: rejected + output.rejected.load(Ordering::Relaxed),
        credentials: credentials.in_use.into_iter().map(credential).collect(),
        credentials_since: credentials.since.map(Into::into),
        credentials_checked: credentials.checked.map(Into::into),
        credentials_renewed: credentials.renewals,
        credentials_trouble_code,
        credentials_trouble,
        dead_letters: letters,
        oldest_unacknowledged: writers.oldest().map(time_of),
    }
}

/// The time of day of a moment.
pub fn time_of(moment: Instant) -> prost_types::Timestamp {
    (SystemTime::now() - moment.elapsed()).into()
}

/// Code and text of a cause; both empty if there is none.
fn words(cause: Option<Cause>) -> (String, String) {
    cause.map(|cause| (cause.code.to_owned(), cause.text)).unwrap_or_default()
}

fn credential(in_use: InUse) -> v1::Credential {
    let InUse { purpose, source, version, subject, expires, .. } = in_use;
    v1::Credential {
        purpose: purpose.to_owned(),
        source,
        version: version.unwrap_or_default(),
        subject: subject.unwrap_or_default(),
        expires: expires.map(Into::into),
    }
}

fn output_state(state: State) -> OutputState {
    match state {
        State::Connecting => OutputState::Connecting,
        State::Ready => OutputState::Ready,
        State::Unavailable => OutputState::Unavailable,
    }
}

/// tonic's words for a message beyond the limit that it was given: as it came, and unpacked.
pub fn is_too_large(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::OutOfRange | tonic::Code::ResourceExhausted)
}

/// Why rows of a schema cannot be written.
pub enum SchemaFault {
    /// It says nothing that makes sense.
    Invalid(String),
    /// This output cannot take it; another may.
    Refused(Refusal),
}

/// Plans a schema.
///
/// # Errors
/// What is wrong with it.
pub fn plan(schema: &v1::Schema, output: &Output) -> Result<Plan, SchemaFault> {
    let arrow = schema::decode(schema).map_err(|error| SchemaFault::Invalid(error.to_string()))?;
    Plan::compile(arrow, &output.format).map_err(|fault| match fault {
        PlanFault::Schema(error) => SchemaFault::Invalid(error.to_string()),
        PlanFault::Plan(error) => {
            let reason = format!("the schema does not fit output `{}`: {error}", output.alias);
            SchemaFault::Refused(Refusal::new("SCHEMA_REFUSED", reason))
        }
    })
}

/// The rows of a batch.
pub fn carrier(rows: Rows) -> (Carrier, Bytes) {
    match rows {
        Rows::ArrowIpc(bytes) => (Carrier::ArrowIpc, bytes),
        Rows::TypedRows(bytes) => (Carrier::TypedRows, bytes),
        Rows::JsonLines(bytes) => (Carrier::JsonLines, bytes),
    }
}

/// Bad rows of a batch on the wire.
pub fn rejected(sequence: u64, bad: &BadRows) -> Vec<v1::RejectedRow> {
    let row = |bad: &BadRow| v1::RejectedRow {
        sequence,
        row: u64::from(bad.row),
        code: bad.code.into(),
        column: bad.column.clone(),
        reason: bad.reason.clone(),
    };
    bad.named.iter().map(row).collect()
}

/// A credit on the wire.
pub fn credit(credit: &Credit) -> v1::Credit {
    v1::Credit { bytes: credit.bytes(), batches: CREDIT_BATCHES }
}

/// A response on the wire.
pub fn response(message: Out) -> WriteResponse {
    WriteResponse { message: Some(message) }
}
