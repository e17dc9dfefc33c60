//! Reads what is stored of all writers of an output, for people: the whole topic, or of one writer
//! as much as tells how far it has come.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    super::{
        cause::{Cause, is_denied, is_missing_topic},
        client::Fault,
        consumer::{Consumer, Isolation, Polled},
        credentials::Credentials,
        settings::Settings,
    },
    Bound, Claim, Found, Keys, Names, PARTITIONS, ReadFault, Stored,
    key::{About, about, prefix},
    read_back,
};
use crate::job::Output;

/// How long all of it may take.
const SURVEY_MAX: Duration = Duration::from_secs(60);

/// Between looks whether there is time left.
const STEP: Duration = Duration::from_millis(100);

/// How long a request for offsets may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What is stored of an output's writers.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// By writer.
    pub writers: BTreeMap<String, Found>,
    /// What could not be read.
    pub unread: Vec<Unread>,
}

/// A part of the progress topic that was not read: what is stored there may be newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The partition.
    pub partition: i32,
    /// Why not.
    pub why: String,
}

/// Reads what is stored of an output's writers, or of one of them. Waits for the brokers while it
/// is wanted.
///
/// # Errors
/// Why nothing of it can be read.
pub fn survey(
    job: &str,
    output: &Output,
    credentials: &Credentials,
    writer: Option<&str>,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Survey, Cause> {
    let settings = Settings::of_job(job, output);
    let Some(names) = &settings.progress else { return Ok(Survey::default()) };
    let consumer =
        Consumer::new(&settings.recipe, credentials, Isolation::Committed).map_err(|reason| {
            Cause::new("CREDENTIALS_UNUSABLE", format!("librdkafka refuses: {reason}"))
        })?;
    let surveying = Surveying {
        consumer,
        topic: &names.topic,
        prefix: prefix(&names.job, &settings.alias, names.guarantee),
        end: Instant::now() + SURVEY_MAX,
        is_wanted,
    };
    match writer {
        Some(writer) => surveying.one(names, &settings.alias, writer),
        None => surveying.all(),
    }
}

struct Surveying<'a> {
    consumer: Consumer,
    topic: &'a str,
    prefix: String,
    end: Instant,
    is_wanted: &'a dyn Fn() -> bool,
}

impl Surveying<'_> {
    fn goes_on(&self) -> bool {
        Instant::now() < self.end && (self.is_wanted)()
    }

    fn one(&self, names: &Names, alias: &str, writer: &str) -> Result<Survey, Cause> {
        let keys = Keys::of(&names.job, alias, names.guarantee, writer);
        let goes_on = || self.goes_on();
        let found = read_back(&self.consumer, self.topic, &keys, &Bound::Now, &|_| true, &goes_on);
        let mut survey = Survey::default();
        match found {
            Ok(found) if found == Found::default() => {}
            Ok(found) => {
                survey.writers.insert(writer.to_owned(), found);
            }
            Err(ReadFault::Later(fault)) if is_missing_topic(fault.code) => {}
            Err(ReadFault::Later(fault)) => return Err(self.cause(&fault)),
            Err(ReadFault::Stopped) => {
                survey.unread.push(Unread { partition: keys.partition, why: too_long() });
            }
        }
        Ok(survey)
    }

    fn all(&self) -> Result<Survey, Cause> {
        let mut survey = Survey::default();
        for partition in 0..PARTITIONS {
            match self.partition(partition, &mut survey.writers) {
                Ok(None) => {}
                Ok(Some(why)) => survey.unread.push(Unread { partition, why }),
                // Nothing was ever stored.
                Err(fault) if is_missing_topic(fault.code) => return Ok(survey),
                Err(fault) if is_denied(fault.code) || partition == 0 => {
                    return Err(self.cause(&fault));
                }
                Err(fault) => survey.unread.push(Unread { partition, why: fault.text }),
            }
        }
        Ok(survey)
    }

    /// Reads a partition. Tells why not all of it was read, if so.
    fn partition(
        &self,
        partition: i32,
        writers: &mut BTreeMap<String, Found>,
    ) -> Result<Option<String>, Fault> {
        let (low, high) = self.consumer.watermarks(self.topic, partition, ANSWER_MAX)?;
        if low >= high {
            return Ok(None);
        }
        self.consumer.assign(self.topic, partition, low)?;
        loop {
            match self.consumer.poll(STEP) {
                Polled::Record { offset, key, value } => {
                    self.take(writers, &key, value.as_deref());
                    if offset + 1 >= high {
                        return Ok(None);
                    }
                }
                // What is behind it belongs to a transaction that is open, or to one that ends
                // the log; how far the open ones hold readers back is told by itself.
                Polled::End(_) => return Ok(None),
                Polled::Nothing => {}
                Polled::Fault(fault) if is_denied(fault.code) || is_missing_topic(fault.code) => {
                    return Err(fault);
                }
                Polled::Fault(fault) if !self.goes_on() => return Ok(Some(fault.text)),
                Polled::Fault(_) => {}
            }
            if !self.goes_on() {
                return Ok(Some(too_long()));
            }
        }
    }

    fn take(&self, writers: &mut BTreeMap<String, Found>, key: &[u8], value: Option<&[u8]>) {
        let Some(value) = value else { return };
        match about(&self.prefix, key) {
            Some(About::Progress(writer)) => {
                let Some(read) = Stored::decode(value) else { return };
                let found = writers.entry(writer).or_default();
                // The highest counts, wherever it stands in the log.
                if found.stored.as_ref().is_none_or(|known| read.rank() >= known.rank()) {
                    found.stored = Some(read);
                }
            }
            Some(About::Claim(writer)) => {
                let Some(read) = Claim::decode(value) else { return };
                writers.entry(writer).or_default().claim = Some(read);
            }
            None => {}
        }
    }

    fn cause(&self, fault: &Fault) -> Cause {
        if is_denied(fault.code) {
            let text = format!(
                "the output's user may not read the progress topic `{}`: {}. Grant it READ and \
                 DESCRIBE there",
                self.topic, fault.text
            );
            return Cause::new("PROGRESS_NOT_AUTHORIZED", text);
        }
        Cause::of_fault(fault, self.topic)
    }
}

fn too_long() -> String {
    format!("it is longer than what can be read in {} s", SURVEY_MAX.as_secs())
}
