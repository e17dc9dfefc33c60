//! The engine's end of a stream or a call: what is heard on it, in the words of the model.
use std::collections::BTreeMap;

use proto::v1::{RejectedRow, WriteOnceResponse, write_response::Message as Out};
use tokio::task::JoinHandle;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{
    batch::Rows,
    model::{Aside, Said},
};
use crate::support::{
    PATIENCE,
    engine::{Stream, check},
    in_time,
};

/// A stream or a call.
pub enum Connection {
    Stream {
        writer: usize,
        stream: Box<Stream>,
        half_closed: bool,
        opened: bool,
        /// The highest number that was acknowledged on it.
        told: u64,
        /// How often it may be told again.
        spare: usize,
        credit: (u64, u32),
        /// Rows that were sent on it last under a number.
        sent: BTreeMap<u64, Rows>,
    },
    Call {
        writer: usize,
        rows: Rows,
        answer: JoinHandle<Result<WriteOnceResponse, Status>>,
    },
}

impl Connection {
    /// A stream on which nothing is heard yet.
    pub fn stream(writer: usize, stream: Stream) -> Self {
        let (half_closed, opened, told, spare, credit) = (false, false, 0, 0, (0, 0));
        let (stream, sent) = (Box::new(stream), BTreeMap::new());
        Self::Stream { writer, stream, half_closed, opened, told, spare, credit, sent }
    }

    /// Whose it is.
    pub fn writer(&self) -> usize {
        match self {
            Self::Stream { writer, .. } | Self::Call { writer, .. } => *writer,
        }
    }

    /// The highest number that was acknowledged on it.
    pub fn told(&self) -> u64 {
        if let Self::Stream { told, .. } = self { *told } else { 0 }
    }

    /// A stream that is open.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Stream { opened: true, .. })
    }

    /// Acknowledgements may come as one or not: what was due twice and heard once may come again.
    pub fn may_be_told_again(&mut self, heard: &[Said], due: &[Said]) {
        let acks =
            |said: &[Said]| said.iter().filter(|said| matches!(said, Said::Ack { .. })).count();
        if let Self::Stream { spare, .. } = self {
            *spare += acks(due).saturating_sub(acks(heard));
        }
    }

    /// Whether this is such an acknowledgement, and none is due.
    pub fn is_told_again(&mut self, said: &Said, due: &[Said]) -> bool {
        let (Self::Stream { told, spare, .. }, Said::Ack { through, aside }) = (self, said) else {
            return false;
        };
        let again = *spare > 0 && through == told && aside.is_empty();
        let again = again && !due.iter().any(|due| matches!(due, Said::Ack { .. }));
        *spare -= usize::from(again);
        again
    }

    /// What is heard next.
    pub async fn next(&mut self) -> Said {
        let Self::Stream { stream, opened, told, credit, .. } = self else {
            return self.answer().await;
        };
        loop {
            let out = match stream.next().await {
                Ok(Some(out)) => out,
                Ok(None) => return Said::End(None),
                Err(status) => return end(&status, *opened),
            };
            let granted = match &out {
                Out::Opened(opened) => opened.credit,
                Out::Ack(ack) => ack.credit,
                _ => None,
            };
            if let Some(granted) = granted {
                let granted = (granted.bytes, granted.batches);
                assert!(granted >= *credit, "credit only grows");
                *credit = granted;
            }
            match out {
                Out::Held(_) | Out::Heartbeat(_) => {}
                Out::Waiting(_) => return Said::Waiting,
                Out::Draining(_) => return Said::Draining,
                Out::Opened(said) => {
                    (*opened, *told) = (true, said.resume_after);
                    let position = said.position.map(Into::into);
                    let (resume_after, maybe) = (said.resume_after, said.maybe_written_through);
                    let aside = aside(said.rejected, said.rejected_total);
                    return Said::Opened { resume_after, position, maybe, aside };
                }
                Out::Ack(ack) => {
                    assert!(ack.durable_through >= *told, "an Ack goes back");
                    let aside = aside(ack.rejected, ack.rejected_total);
                    return Said::Ack { through: ack.durable_through, aside };
                }
                Out::Refused(refused) => {
                    let (sequence, expected) = (refused.sequence, refused.expected_sequence);
                    let rows = aside(refused.rows, refused.rows_total).into_iter();
                    let rows = rows.map(|(of, row, code)| {
                        assert_eq!(of, sequence);
                        (row, code)
                    });
                    let rows = rows.collect();
                    return Said::Refused { sequence, code: refused.code, expected, rows };
                }
            }
        }
    }

    async fn answer(&mut self) -> Said {
        let Self::Call { answer, .. } = self else { unreachable!("a stream has many answers") };
        let answer = in_time(PATIENCE, answer).await.expect("a call is answered in time").unwrap();
        match answer {
            Ok(answer) => Said::Done {
                through: answer.durable_through,
                already: answer.already_durable,
                aside: aside(answer.rejected, answer.rejected_total),
            },
            Err(status) => end(&status, false),
        }
    }

    /// All that is heard up to the end.
    pub async fn rest(&mut self) -> Vec<Said> {
        let mut all = Vec::new();
        while !matches!(all.last(), Some(Said::End(_))) {
            all.push(self.next().await);
        }
        all
    }

    /// Records that Kafka has, by these words.
    pub fn promises(&mut self, said: &Said) -> Vec<String> {
        let written = |sequence: u64, rows: &Rows, aside: &[Aside]| -> Vec<String> {
            let aside: Vec<_> =
                aside.iter().filter(|(of, ..)| *of == sequence).map(|(_, row, _)| *row).collect();
            rows.good().filter(|row| !aside.contains(row)).map(|row| rows.record(row)).collect()
        };
        match (self, said) {
            (Self::Stream { told, sent, .. }, Said::Ack { through, aside }) => {
                let new = sent.range(*told + 1..(*through + 1).max(*told + 1));
                let all =
                    new.flat_map(|(sequence, rows)| written(*sequence, rows, aside)).collect();
                *told = *through;
                all
            }
            (Self::Call { rows, .. }, Said::Done { already: false, through, aside }) => {
                written(through.unwrap_or(0), rows, aside)
            }
            _ => Vec::new(),
        }
    }
}

/// What is said, acknowledgements apart: they may come as one or as many, and an answer that needs
/// no Kafka may overtake them. Who waits may hear nothing of it if its turn comes at once.
pub fn sorted(said: &[Said]) -> (Vec<&Said>, Option<(u64, Vec<&Aside>)>) {
    let (mut others, mut acks) = (Vec::<&Said>::new(), None);
    for said in said {
        match said {
            Said::Ack { through, aside } => {
                let (all, rows) = acks.get_or_insert((0, Vec::new()));
                *all = (*all).max(*through);
                rows.extend(aside);
            }
            _ => {
                others.pop_if(|last| **last == Said::Waiting);
                others.push(said);
            }
        }
    }
    (others, acks)
}

/// What is new to who was told of so much.
pub fn news(said: &[Said], told: u64) -> (Vec<&Said>, u64, Vec<&Aside>) {
    let (others, acks) = sorted(said);
    let (through, aside) = acks.unwrap_or_default();
    (others, through.max(told), aside)
}

/// Whether what is heard so far may become what is due.
pub fn may_become(heard: &[Said], due: &[Said]) -> bool {
    let ((mut heard, acks), (due, acks_due)) = (sorted(heard), sorted(due));
    heard.pop_if(|last| **last == Said::Waiting);
    let through = |acks: Option<(u64, _)>| acks.map_or(0, |(through, _)| through);
    due.starts_with(&heard) && through(acks) <= through(acks_due)
}

fn aside(rows: Vec<RejectedRow>, total: u64) -> Vec<Aside> {
    assert_eq!(rows.len() as u64, total, "few enough to name them all");
    assert!(rows.iter().all(|row| !row.reason.is_empty()));
    rows.into_iter().map(|row| (row.sequence, row.row, row.code)).collect()
}

/// A bad end: its code and its two answers are as the contract has them.
fn end(status: &Status, opened: bool) -> Said {
    let details = status.get_error_details();
    let reason = details.error_info().unwrap_or_else(|| panic!("{status:?}")).reason.clone();
    let was_open = if opened { "yes" } else { "no" };
    let (code, retry, written) = match &*reason {
        "TAKEN_OVER" => (Code::Aborted, "no", "yes"),
        "STALE_EPOCH" => (Code::FailedPrecondition, "no", "no"),
        "SEQUENCE_REUSED" => (Code::FailedPrecondition, "no", "yes"),
        "TOO_MANY_WRITERS" => (Code::ResourceExhausted, "yes", "no"),
        "CREDIT_EXCEEDED" => (Code::ResourceExhausted, "no", "yes"),
        "BATCH_TIMEOUT" => (Code::DeadlineExceeded, "yes", "yes"),
        "DELIVERY_UNKNOWN" => (Code::Unavailable, "yes", "yes"),
        "DRAINING" => (Code::Unavailable, "yes", was_open),
        "WRITER_BUSY" => (Code::Aborted, "yes", "no"),
        // INVALID_BATCH, and codes of refusals as the reason of a call.
        _ => (Code::InvalidArgument, "no", was_open),
    };
    check(status, code, &reason, retry, written);
    Said::End(Some(reason))
}
