//! Reads back what is stored of a writer, from the end of its partition, in growing steps: an
//! active writer's last record is near the end.

use std::time::{Duration, Instant};

use super::{
    super::{
        client::Fault,
        consumer::{Consumer, Polled},
    },
    Claim, Keys, Stored,
};

/// The first step backwards, in offsets; each further one is ten times as long.
const SPAN: i64 = 500;

/// Between looks whether to go on.
const STEP: Duration = Duration::from_millis(100);

/// Faults that last for so long are told.
const FAULT_MAX: Duration = Duration::from_secs(10);

/// How long a request for offsets may take.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Up to where to read.
#[derive(Clone, Debug)]
pub enum Bound {
    /// Up to this record, which must be seen: a deposed leader, which has old records, does not
    /// have it.
    Claim {
        /// Where it stands.
        offset: i64,
        /// What it says.
        nonce: String,
    },
    /// Up to what is committed now, as far as the one who answers knows.
    Now,
}

/// What is stored of a writer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How far it has come.
    pub stored: Option<Stored>,
    /// How often it was forgotten, by the newest record about it.
    pub newest_generation: Option<u64>,
    /// Who has opened it last.
    pub claim: Option<Claim>,
    /// Which opening has written the newest record before the claim that was to be seen.
    pub before: Option<String>,
}

/// Why nothing is known.
#[derive(Clone, Debug)]
pub enum ReadFault {
    /// Brokers do not answer, or not with what must be there.
    Later(Fault),
    /// It took too long, or is not wanted any more.
    Stopped,
}

/// Reads what is stored of a writer. Claims that do not count say nothing of who was there before.
///
/// # Errors
/// Why nothing is known.
pub fn read_back(
    consumer: &Consumer,
    topic: &str,
    keys: &Keys,
    bound: &Bound,
    counts: &dyn Fn(&str) -> bool,
    goes_on: &dyn Fn() -> bool,
) -> Result<Found, ReadFault> {
    let (low, high) = watermarks(consumer, topic, keys.partition, goes_on)?;
    let mut found = Found::default();
    let (end, mut unseen) = match bound {
        Bound::Claim { offset, nonce } => (offset + 1, Some((*offset, nonce))),
        Bound::Now => (high, None),
    };
    let own = unseen.map_or(0, |(offset, _)| offset);
    let is_enough = matches!(bound, Bound::Now);
    let way = Reading { consumer, topic, partition: keys.partition, from: low, end, is_enough };
    let take = |part: &mut Found, offset, key: &[u8], value: Option<&[u8]>| {
        if offset < own {
            part.before = instance_of(keys, key, value, counts).or(part.before.take());
        }
        part.take(keys, key, value);
    };
    way.backwards(take, goes_on, |part: Found| {
        if let Some((_, nonce)) = unseen.take()
            && part.claim.as_ref().is_none_or(|claim| claim.nonce != *nonce)
        {
            let text = "the broker does not have what was just written to it".to_owned();
            return Err(ReadFault::Later(Fault { code: 0, text }));
        }
        found.claim = found.claim.take().or(part.claim);
        found.before = found.before.take().or(part.before);
        let is_found = part.stored.is_some();
        if is_found {
            (found.stored, found.newest_generation) = (part.stored, part.newest_generation);
        }
        Ok(is_found)
    })?;
    Ok(found)
}

/// Which opening of a writer has written its newest record, whatever that says. With a consumer that
/// reads what is not committed as well, somebody who opens the writer right now is seen, too. Claims
/// that do not count are passed over.
///
/// # Errors
/// Why nothing is known.
pub fn last_instance(
    consumer: &Consumer,
    topic: &str,
    keys: &Keys,
    counts: &dyn Fn(&str) -> bool,
    goes_on: &dyn Fn() -> bool,
) -> Result<Option<String>, ReadFault> {
    let (low, high) = watermarks(consumer, topic, keys.partition, goes_on)?;
    let partition = keys.partition;
    let way = Reading { consumer, topic, partition, from: low, end: high, is_enough: false };
    let take = |part: &mut Option<String>, _, key: &[u8], value: Option<&[u8]>| {
        *part = instance_of(keys, key, value, counts).or(part.take());
    };
    let mut last = None;
    way.backwards(take, goes_on, |part: Option<String>| {
        last = part;
        Ok(last.is_some())
    })?;
    Ok(last)
}

/// Which opening of this writer has written a record, if one has.
fn instance_of(
    keys: &Keys,
    key: &[u8],
    value: Option<&[u8]>,
    counts: &dyn Fn(&str) -> bool,
) -> Option<String> {
    if key == keys.progress.as_bytes() {
        value.and_then(Stored::decode).map(|stored| stored.instance)
    } else if key == keys.claim.as_bytes() {
        value.and_then(Claim::decode).map(|claim| claim.nonce).filter(|nonce| counts(nonce))
    } else {
        None
    }
}

fn watermarks(
    consumer: &Consumer,
    topic: &str,
    partition: i32,
    goes_on: &dyn Fn() -> bool,
) -> Result<(i64, i64), ReadFault> {
    let start = Instant::now();
    loop {
        match consumer.watermarks(topic, partition, ANSWER_MAX) {
            Ok(found) => return Ok(found),
            Err(fault) => {
                let is_late = start.elapsed() >= FAULT_MAX;
                if is_late || is_about_the_partition(&fault) || !goes_on() {
                    return Err(ReadFault::Later(fault));
                }
            }
        }
    }
}

/// A part of a partition, from one offset to before another.
#[derive(Clone, Copy)]
struct Reading<'a> {
    consumer: &'a Consumer,
    topic: &'a str,
    partition: i32,
    from: i64,
    end: i64,
    /// What is committed is enough; else the rest is waited for.
    is_enough: bool,
}

impl Reading<'_> {
    /// Reads in growing steps from the end, each forwards, until a step has what is looked for.
    fn backwards<Part: Default>(
        self,
        mut take: impl FnMut(&mut Part, i64, &[u8], Option<&[u8]>),
        goes_on: &dyn Fn() -> bool,
        mut is_found: impl FnMut(Part) -> Result<bool, ReadFault>,
    ) -> Result<(), ReadFault> {
        let (mut end, mut span) = (self.end, SPAN);
        while end > self.from {
            let from = (end - span).max(self.from);
            let mut part = Part::default();
            let take =
                |offset, key: &[u8], value: Option<&[u8]>| take(&mut part, offset, key, value);
            Self { from, end, ..self }.forwards(take, goes_on)?;
            if is_found(part)? {
                return Ok(());
            }
            (end, span) = (from, span * 10);
        }
        Ok(())
    }

    fn forwards(
        &self,
        mut take: impl FnMut(i64, &[u8], Option<&[u8]>),
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), ReadFault> {
        self.consumer.assign(self.topic, self.partition, self.from).map_err(ReadFault::Later)?;
        let mut faulty = None;
        loop {
            match self.consumer.poll(STEP) {
                Polled::Record { offset, key, value } => {
                    faulty = None;
                    if offset < self.end {
                        take(offset, &key, value.as_deref());
                    }
                    if offset + 1 >= self.end {
                        return Ok(());
                    }
                }
                Polled::End(offset) if offset >= self.end || self.is_enough => return Ok(()),
                Polled::End(_) | Polled::Nothing => {}
                Polled::Fault(fault) => {
                    let since = *faulty.get_or_insert_with(Instant::now);
                    if is_about_the_partition(&fault) || since.elapsed() >= FAULT_MAX {
                        return Err(ReadFault::Later(fault));
                    }
                }
            }
            if !goes_on() {
                return Err(ReadFault::Stopped);
            }
        }
    }
}

impl Found {
    /// Takes a record of the partition, if it is about this writer.
    fn take(&mut self, keys: &Keys, key: &[u8], value: Option<&[u8]>) {
        if key == keys.progress.as_bytes() {
            let read = value.and_then(Stored::decode);
            let generation = read.as_ref().map(|read| read.generation);
            self.newest_generation = generation.or(self.newest_generation);
            let newer = |read: &Stored| {
                self.stored.as_ref().is_none_or(|known| read.rank() >= known.rank())
            };
            if let Some(read) = read.filter(newer) {
                self.stored = Some(read);
            }
        } else if key == keys.claim.as_bytes() {
            self.claim = value.and_then(Claim::decode).or(self.claim.take());
        }
    }
}

/// Whether a fault will stay as long as the same offset is asked for, or rights are missing. Others
/// pass by themselves.
fn is_about_the_partition(fault: &Fault) -> bool {
    use rdkafka::bindings::rd_kafka_resp_err_t as Native;
    [
        Native::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
        Native::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET,
        Native::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        Native::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        Native::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        Native::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
    ]
    .iter()
    .any(|known| *known as i32 == fault.code)
}
