//! The producers of a sink: one for hand-overs of many records, one for those of a single record.
//!
//! A hand-over must leave as one request (see [`super::lane`]). librdkafka's broker thread wakes
//! with its first record, so a producer for many records has to pause before it sends, and it
//! counts pauses in whole milliseconds. A record that goes alone needs no pause: its producer
//! sends at once, and its acknowledgement comes 1 ms earlier. A lane has one hand-over away at
//! a time, so the two never overtake each other in a partition.
use std::{sync::Arc, time::Duration};

use super::client::{Bell, Client, Fault, Poller, Reports};

/// How long librdkafka waits for a batch that is being handed over to be complete: without this
/// pause it would send what is there when it wakes and leave the rest behind a request in flight,
/// where an idempotent producer spins until that is answered. Handing 3,000 records over takes
/// about this long. The output's own linger is the lanes' business.
const HAND_OVER_MAX: Duration = Duration::from_micros(500);

/// What a producer is made of, but for how long it waits.
pub struct Recipe {
    /// Names and values for librdkafka. May hold a password: never shown.
    pub settings: Vec<(String, String)>,
    /// The topic.
    pub topic: String,
}

/// The two producers; to be used from any thread.
pub struct Producers {
    many: Arc<Client>,
    single: Arc<Client>,
}

/// The right to poll them.
pub struct Pollers([Poller; 2]);

impl Producers {
    /// Makes both. The bell rings when there is something to poll.
    ///
    /// # Errors
    /// Names the setting that librdkafka refuses, never its value.
    pub fn new(recipe: &Recipe, bell: &Arc<Bell>) -> Result<(Arc<Self>, Pollers), String> {
        let make = |linger: Duration| {
            let linger_ms = (linger.as_micros() as f64 / 1000.0).to_string();
            let settings = recipe.settings.iter().map(|(name, value)| (&**name, &**value));
            let settings = settings.chain([("linger.ms", &*linger_ms)]);
            Client::new(settings, &recipe.topic, bell)
        };
        let (many, poll_many) = make(HAND_OVER_MAX)?;
        let (single, poll_single) = make(Duration::ZERO)?;
        Ok((Arc::new(Self { many, single }), Pollers([poll_many, poll_single])))
    }

    /// The producer for a hand-over of so many records.
    pub fn of(&self, records: u32) -> &Client {
        if records == 1 { &self.single } else { &self.many }
    }

    /// The one to ask for metadata.
    pub fn asked(&self) -> &Client {
        &self.many
    }
}

impl Pollers {
    /// Serves the callbacks of both, without waiting, and lends `serve` what they left.
    pub fn poll(&mut self, mut serve: impl FnMut(&mut Reports)) {
        for poller in &mut self.0 {
            serve(poller.poll());
        }
    }

    /// The error after which they are of no more use, if there was one.
    pub fn fatal(&self) -> Option<Fault> {
        self.0.iter().find_map(|poller| poller.client().fatal())
    }

    /// Makes librdkafka fail everything that it holds; the reports follow at once.
    pub fn purge(&self) {
        for poller in &self.0 {
            poller.client().purge();
        }
    }
}
