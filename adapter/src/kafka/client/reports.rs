//! What librdkafka reports of records, as its callbacks leave it behind for whoever polls.
use std::time::Duration;

use super::{
    super::{receipt::Receipt, statistics::Teller},
    Code, Fault,
};

/// What was reported since it was last emptied.
#[derive(Default)]
pub struct Reports {
    /// What is reported settles nothing: a transaction does when it ends.
    pub(super) deferred: bool,
    /// Records have numbers instead of receipts.
    pub(super) numbered: bool,
    /// Records without a receipt.
    pub marks: Vec<Marked>,
    /// What was reported, in order; those that stand one behind the other are joined.
    pub reported: Vec<Reported>,
    /// Records that failed; those that are durable are settled already.
    pub failed: Vec<Failed>,
    /// Faults of connections, logins and the client as a whole: the causes behind waiting.
    pub errors: Vec<Fault>,
    /// How long brokers asked to be left alone: they are asked for more than a quota allows.
    pub throttles: Vec<Duration>,
    /// Takes librdkafka's statistics, if somebody looks at them.
    pub(super) teller: Option<Teller>,
}

/// Records of one partition that were reported one after the other, and stand one behind the other
/// or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Their partition.
    pub partition: i32,
    /// How many.
    pub records: u32,
    /// Where the first of them stands; below 0 if they failed or nobody knows.
    pub offset: i64,
}

impl Reported {
    /// The offset of records that failed.
    pub const NOWHERE: i64 = i64::MIN;

    /// Where a record stands that can join these.
    fn next(&self) -> i64 {
        match self.offset {
            Self::NOWHERE => Self::NOWHERE,
            offset => offset + i64::from(self.records),
        }
    }
}

impl Reports {
    /// Takes where a record stands.
    pub(super) fn join(&mut self, partition: i32, offset: i64) {
        match self.reported.last_mut() {
            Some(last) if last.partition == partition && last.next() == offset => last.records += 1,
            _ => self.reported.push(Reported { partition, records: 1, offset }),
        }
    }
}

/// A record that failed.
pub struct Failed {
    /// Its partition.
    pub partition: i32,
    /// The address of its receipt; the flight is alive until the lane lets it go.
    pub receipt: *const Receipt,
    /// Why.
    pub code: Code,
    /// librdkafka's word on whether the broker may have stored it.
    pub maybe_written: bool,
}

/// A record without a receipt, as it was reported.
#[derive(Clone, Copy, Debug)]
pub struct Marked {
    /// Why it failed, or [`NO_ERROR`].
    pub code: Code,
    /// Where it stands.
    pub offset: i64,
    /// Its number; 0 if it has none.
    pub number: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_records_that_stand_one_behind_the_other_are_joined() {
        let mut reports = Reports::default();
        // A batch; what failed of the next one; one that stands behind another's; one whose place
        // nobody knows, as it was sent twice; another partition.
        (100..104).for_each(|offset| reports.join(1, offset));
        (0..9).for_each(|_| reports.join(1, Reported::NOWHERE));
        (104..106).for_each(|offset| reports.join(1, offset));
        reports.join(1, 107);
        (-1001..=1).for_each(|offset| reports.join(1, offset));
        reports.join(2, 2);
        let at = |partition, offset, records| Reported { partition, records, offset };
        let expected = [
            at(1, 100, 4),
            at(1, Reported::NOWHERE, 9),
            at(1, 104, 2),
            at(1, 107, 1),
            at(1, -1001, 1003),
            at(2, 2, 1),
        ];
        assert_eq!(reports.reported, expected);
    }
}
