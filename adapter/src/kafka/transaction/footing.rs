//! Whether a writer's topic still is the one that its rows are in. Whoever deletes a topic and makes
//! it anew tells no producer, and brokers take rows for the new one as if nothing had happened.
//!
//! Before a commit three signs are looked at, none of which asks the brokers: a partition in which
//! rows stand before where earlier ones stood, another id of the topic when it was last refreshed,
//! and an abort. With a sign, the topic's id is asked for, and decides.
use std::mem;

use super::{
    super::{
        cause::Cause,
        client::{Reported, TransactionFault, Verdict},
    },
    producer::replaced,
    worker::{NotCommitted, Worker},
};

/// Up to where a writer's rows reach at least, by partition.
#[derive(Default)]
pub(super) struct Reach(Vec<i64>);

/// Rows that stand before where earlier ones stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Back {
    partition: i32,
    offset: i64,
    reach: i64,
}

impl Reach {
    /// Takes where records stand. Returns where they stand too early, if they do.
    fn extend(&mut self, reported: &[Reported]) -> Option<Back> {
        let mut back = None;
        for part in reported.iter().filter(|part| part.offset >= 0) {
            let place = part.partition as usize;
            if place >= self.0.len() {
                self.0.resize(place + 1, 0);
            }
            let reach = mem::replace(&mut self.0[place], part.offset + i64::from(part.records));
            if part.offset < reach {
                back = Some(Back { partition: part.partition, offset: part.offset, reach });
            }
        }
        back
    }
}

impl Worker {
    /// Waits for what was handed over, and looks whether the topic is the one that it was. Nothing of
    /// the transaction is committed yet.
    pub(super) fn check_footing(&mut self, goes_on: &dyn Fn() -> bool) -> Result<(), NotCommitted> {
        let shared = self.shared.clone();
        let plan = &shared.plan;
        let producer = self.producer.as_mut().expect("it is there in a transaction");
        producer.flush(goes_on)?;
        let back = self.reach.extend(&producer.poller.poll().reported);
        let refreshed = shared.inner.status.topic_id();
        let is_other = !refreshed.is_empty() && refreshed != producer.topic_id();
        if back.is_none() && !is_other && !self.doubts_topic {
            return Ok(());
        }
        // Should there be no answer, it is asked for again before the next commit.
        self.doubts_topic = true;
        let is_same = producer.is_same_topic(plan);
        let abort = |fault| TransactionFault { verdict: Verdict::Abort, fault };
        let is_same = is_same.map_err(|fault| NotCommitted::Fault(abort(fault)))?;
        // Without ids a log that goes back is another one.
        let is_known = !producer.topic_id().is_empty();
        if !is_same || (back.is_some() && !is_known) {
            return Err(NotCommitted::Over(replaced(plan)));
        }
        self.doubts_topic = false;
        back.map_or(Ok(()), |back| {
            let cause = lost(&plan.recipe.topic, back);
            let (output, code) = (&plan.alias, cause.code);
            tracing::error!(output, code, "{}", cause.text);
            Err(NotCommitted::Over(cause))
        })
    }
}

/// Why a writer is given up whose rows the brokers have lost.
fn lost(topic: &str, Back { partition, offset, reach }: Back) -> Cause {
    let text = format!(
        "partition {partition} of topic `{topic}` goes on at offset {offset}, and rows of this \
         writer were acknowledged up to {reach}: its brokers have lost them. The writer goes on \
         after its last batch when it is opened again. To have the lost rows written once more, \
         forget the writer (`ResetWriter`) and send from the beginning. See that \
         `unclean.leader.election.enable` is false"
    );
    Cause::new("RECORDS_LOST", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_goes_back_is_noticed_in_its_partition_alone() {
        let at = |partition, offset| Reported { partition, records: 10, offset };
        let mut reach = Reach::default();
        assert_eq!(reach.extend(&[at(0, 100), at(2, 5), at(0, 112)]), None);
        // Nobody tells where a record stands that was sent twice.
        assert_eq!(reach.extend(&[at(0, -1001), at(1, 0), at(2, 15)]), None);
        assert_eq!(reach.extend(&[at(1, 10), at(0, 122)]), None);
        let back = Some(Back { partition: 0, offset: 0, reach: 132 });
        assert_eq!(reach.extend(&[at(0, 0), at(1, 20)]), back);
        assert_eq!(reach.extend(&[at(0, 10)]), None);
    }
}
