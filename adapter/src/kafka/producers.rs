//! The producers of a sink: one for hand-overs of many records, one for those of a single record.
//!
//! A hand-over must leave as one request (see [`super::lane`]). librdkafka's broker thread wakes
//! with its first record, so a producer for many records has to pause before it sends, and it
//! counts pauses in whole milliseconds. A record that goes alone needs no pause: its producer
//! sends at once, and its acknowledgement comes 1 ms earlier. A lane has one hand-over away at
//! a time, and the next goes when the brokers have answered for it, so the two never overtake each
//! other in a partition. With `acks: Zero` nobody answers, and one producer sends all.
//!
//! Ending this pause by flushing, from the thread that polls, was tried instead: it costs two more
//! switches between threads, 0.2 ms of the millisecond that is to be gained.
use std::{borrow::Cow, sync::Arc, time::Duration};

use keyvault::Secret;

use super::{
    client::{Bell, Client, Fault, Partitions, Poller, Reports, TopicLimits},
    credentials::{Credentials, Login},
    statistics::{Statistics, Teller},
    topic::record_bytes_max,
};

/// How long librdkafka waits for a batch that is being handed over to be complete: without this
/// pause it would send what is there when it wakes and leave the rest behind a request in flight,
/// where an idempotent producer spins until that is answered. Handing 3,000 records over takes
/// about this long. The output's own linger is the lanes' business.
const HAND_OVER_MAX: Duration = Duration::from_micros(500);

/// What the producers are made of.
#[derive(Clone)]
pub struct Recipe {
    /// Names and values for librdkafka, but for the linger and the credentials.
    pub settings: Vec<(String, String)>,
    /// The topic.
    pub topic: String,
    /// Bytes of each record that are kept for its headers.
    pub header_bytes_max: u64,
    /// Brokers answer for what they are sent.
    pub answered: bool,
    /// Takes what librdkafka counts, if somebody looks at it.
    pub statistics: Option<Arc<Statistics>>,
}

impl Recipe {
    /// The longest value of a record, and the most of a Kafka batch, with this `max.message.bytes`.
    pub fn record_bytes_max(&self, message_bytes_max: u64) -> u64 {
        record_bytes_max(message_bytes_max).saturating_sub(self.header_bytes_max).max(1)
    }

    /// A producer of it that waits so long for a hand-over to be complete.
    ///
    /// # Errors
    /// Names the setting that librdkafka refuses, never its value.
    pub fn client(
        &self,
        credentials: &Credentials,
        linger: Duration,
        bell: &Arc<Bell>,
    ) -> Result<(Arc<Client>, Poller), String> {
        let linger_ms = (linger.as_micros() as f64 / 1000.0).to_string();
        let settings = self.all(credentials, &[("linger.ms", &linger_ms)]);
        let (client, poller) = Client::new(&settings, &self.topic, bell, self.teller())?;
        if let Some(token) = credentials.token() {
            client.set_token(token)?;
        }
        Ok((client, poller))
    }

    /// A producer of it for dead letters, whose Kafka batches are no larger than said. Whatever
    /// `acks` rows have, letters are stored by all in-sync replicas.
    ///
    /// # Errors
    /// Names the setting that librdkafka refuses, never its value.
    pub fn post(
        &self,
        credentials: &Credentials,
        topic: &str,
        bytes_max: usize,
        bell: &Arc<Bell>,
    ) -> Result<(Arc<Client>, Poller), String> {
        let bytes_max = bytes_max.to_string();
        let more = [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("linger.ms", "5"),
            ("batch.size", &bytes_max),
        ];
        let settings = self.all(credentials, &more);
        let (client, poller) = Client::numbered(&settings, topic, bell, self.teller())?;
        if let Some(token) = credentials.token() {
            client.set_token(token)?;
        }
        Ok((client, poller))
    }

    /// A transactional producer of it, by its id, whose Kafka batches are no larger than this.
    ///
    /// # Errors
    /// Names the setting that librdkafka refuses, never its value.
    pub fn transactional(
        &self,
        credentials: &Credentials,
        id: &str,
        timeout: Duration,
        batch_bytes_max: u64,
        bell: &Arc<Bell>,
    ) -> Result<(Arc<Client>, Poller), String> {
        let timeout_ms = timeout.as_millis().to_string();
        let batch_bytes_max = batch_bytes_max.to_string();
        let more = [
            ("transactional.id", id),
            ("batch.size", &batch_bytes_max),
            ("transaction.timeout.ms", &timeout_ms),
            // The transaction's own time rules.
            ("message.timeout.ms", &timeout_ms),
            // A commit sends what is there at once.
            ("linger.ms", "5"),
            // The next transaction may meet the markers of the one before, for some milliseconds.
            ("retry.backoff.ms", "20"),
            ("retry.backoff.max.ms", "200"),
        ];
        let settings = self.all(credentials, &more);
        let (client, poller) = Client::transactional(&settings, &self.topic, bell, self.teller())?;
        if let Some(token) = credentials.token() {
            client.set_token(token)?;
        }
        Ok((client, poller))
    }

    fn teller(&self) -> Option<Teller> {
        self.statistics.as_ref().map(Statistics::teller)
    }

    /// The recipe's settings with others, which replace those of the same name.
    pub(super) fn all(
        &self,
        credentials: &Credentials,
        more: &[(&'static str, &str)],
    ) -> Vec<(Cow<'static, str>, Secret)> {
        let of_text = |text: &str| Secret::from(text.to_owned());
        let is_replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
        let mut settings = credentials.settings();
        let kept = self.settings.iter().filter(|(name, _)| !is_replaced(name));
        settings.extend(kept.map(|(name, value)| (Cow::Owned(name.clone()), of_text(value))));
        settings.extend(more.iter().map(|(name, value)| (Cow::Borrowed(*name), of_text(value))));
        if let Some(statistics) = &self.statistics {
            let interval = statistics.interval().as_millis().to_string();
            settings.push((Cow::Borrowed("statistics.interval.ms"), of_text(&interval)));
        }
        settings
    }
}

/// The producers; to be used from any thread.
pub struct Producers {
    many: Arc<Client>,
    single: Option<Arc<Client>>,
}

/// The right to poll them. Of no producers at all as long as there are no credentials.
#[derive(Default)]
pub struct Pollers(Vec<Poller>);

impl Producers {
    /// Makes them. The bell rings when there is something to poll.
    ///
    /// # Errors
    /// Names the setting that librdkafka refuses, never its value.
    pub fn new(
        recipe: &Recipe,
        credentials: &Credentials,
        bell: &Arc<Bell>,
    ) -> Result<(Arc<Self>, Pollers), String> {
        let make = |linger| recipe.client(credentials, linger, bell);
        let (many, poller) = make(HAND_OVER_MAX)?;
        let mut pollers = vec![poller];
        let mut single = None;
        if recipe.answered {
            let (client, poller) = make(Duration::ZERO)?;
            pollers.push(poller);
            single = Some(client);
        }
        Ok((Arc::new(Self { many, single }), Pollers(pollers)))
    }

    /// Another password or token for logins to come.
    ///
    /// # Errors
    /// librdkafka's sentence.
    pub fn set_login(&self, login: &Login) -> Result<(), String> {
        set_login(&self.many, login)?;
        self.single.as_deref().map_or(Ok(()), |single| set_login(single, login))
    }

    /// One of them, for what is not an output's rows.
    pub fn client(&self) -> &Arc<Client> {
        &self.many
    }

    /// The producer for a hand-over of so many records.
    pub fn of(&self, records: u32) -> &Client {
        self.single.as_ref().filter(|_| records == 1).unwrap_or(&self.many)
    }

    /// Asks the brokers for the topic's partitions, through each producer: each refuses records
    /// for a partition that it has not heard of, and rows pass only if each has its connections.
    ///
    /// # Errors
    /// The fault of a request or of the topic.
    pub fn partitions(&self, timeout: Duration) -> Result<Partitions, Fault> {
        let mut partitions = self.many.partitions(timeout)?;
        if let Some(single) = &self.single {
            partitions.truncate(single.partitions(timeout)?.len());
        }
        Ok(partitions)
    }

    /// Asks the brokers for what the topic's settings demand.
    pub fn limits(&self, topic: &str, timeout: Duration) -> TopicLimits {
        self.many.limits(topic, timeout)
    }
}

/// Another password or token for logins of a client to come.
///
/// # Errors
/// librdkafka's sentence.
pub(super) fn set_login(client: &Client, login: &Login) -> Result<(), String> {
    match login {
        Login::Password { username, password, .. } => client.set_password(username, password),
        Login::Token(token) => client.set_token(token),
    }
}

impl Pollers {
    /// Serves the callbacks of all, without waiting, and lends `serve` what they left.
    pub fn poll(&mut self, mut serve: impl FnMut(&mut Reports)) {
        for poller in &mut self.0 {
            serve(poller.poll());
        }
    }

    /// The error after which they are of no more use, if there was one.
    pub fn fatal(&self) -> Option<Fault> {
        self.0.iter().find_map(|poller| poller.client().fatal())
    }

    /// Records, and reports of them, that they hold.
    pub fn held(&self) -> u64 {
        self.0.iter().map(|poller| poller.client().held()).sum()
    }

    /// Makes librdkafka fail everything that it holds; the reports follow at once.
    pub fn purge(&self) {
        for poller in &self.0 {
            poller.client().purge();
        }
    }
}
