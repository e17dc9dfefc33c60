//! Makes topics and waits until every broker knows them.

use std::{
    fmt::Debug,
    net::SocketAddr,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use pollster::block_on;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

use super::{
    alter::{self, Entity},
    wire::{self, Partition, Topic},
};
use crate::wait::{DEADLINE, wait_for, wait_until};

const UNKNOWN_TOPIC: i16 = 3;

/// Makes and inspects topics. It asks the brokers that ran when it was made.
#[derive(Clone, Debug)]
pub struct Admin {
    brokers: Vec<SocketAddr>,
}

/// `name` with an ending that no other topic of this run has.
pub fn unique_topic(name: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

impl Admin {
    pub(super) fn new(brokers: Vec<SocketAddr>) -> Self {
        Self { brokers }
    }

    /// Hosts and ports of the brokers, joined by commas.
    pub fn bootstrap(&self) -> String {
        self.brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// Makes a topic and waits until every broker knows it, with leaders and all replicas in sync.
    ///
    /// # Panics
    /// When Kafka refuses it or that takes longer than the deadline.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replicas: i32,
        settings: &[(&str, &str)],
    ) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let made = block_on(self.client().create_topics([&topic], &options()));
        succeeded(&made, &format!("create topic {name}"));
        self.wait_partitions(name, partitions);
        self.wait_in_sync(name);
    }

    /// Raises a topic's number of partitions to `total` and waits until every broker knows it.
    ///
    /// # Panics
    /// When Kafka refuses it or that takes longer than the deadline.
    pub fn add_partitions(&self, name: &str, total: i32) {
        let count = usize::try_from(total).expect("a number of partitions is positive");
        let more = NewPartitions::new(name, count);
        let added = block_on(self.client().create_partitions([&more], &options()));
        succeeded(&added, &format!("add partitions to {name}"));
        self.wait_partitions(name, total);
        self.wait_in_sync(name);
    }

    /// Deletes a topic and waits until no broker knows it.
    ///
    /// # Panics
    /// When Kafka refuses it or that takes longer than the deadline.
    pub fn delete_topic(&self, name: &str) {
        let deleted = block_on(self.client().delete_topics(&[name], &options()));
        succeeded(&deleted, &format!("delete topic {name}"));
        wait_until(&format!("no broker knows {name}"), DEADLINE, || {
            self.all_see(name, |topic| topic.error == UNKNOWN_TOPIC)
        });
    }

    /// Sets one property (`key=value`) of a topic while everything runs, and leaves the others.
    ///
    /// It acts up to half a second later: wait for the effect.
    ///
    /// # Panics
    /// When Kafka refuses it.
    pub fn set_topic_property(&self, name: &str, key: &str, value: &str) {
        let set = alter::set_property(self.brokers[0], Entity::Topic(name), key, value);
        set.unwrap_or_else(|e| panic!("cannot set {key}={value} of {name}: {e}"));
    }

    /// Sets how many bytes a second everybody may send to each broker; `None` takes the limit away.
    ///
    /// # Panics
    /// When Kafka refuses it.
    pub fn set_quota(&self, bytes_per_s: Option<u32>) {
        let set = alter::set_quota(self.brokers[0], bytes_per_s);
        set.unwrap_or_else(|e| panic!("cannot set the quota {bytes_per_s:?}: {e}"));
    }

    /// The node id of the broker that keeps a transactional id, waited for if none does.
    ///
    /// # Panics
    /// When there is none within the deadline.
    pub fn transaction_coordinator(&self, transactional_id: &str) -> i32 {
        wait_for(&format!("somebody coordinates {transactional_id}"), DEADLINE, || {
            let mut found = self.brokers.iter().filter_map(|broker| {
                wire::coordinator(*broker, transactional_id).ok().filter(|node| *node >= 0)
            });
            found.next()
        })
    }

    /// A topic as one of the brokers sees it; `None` if none of them knows it.
    pub fn topic(&self, name: &str) -> Option<Topic> {
        let mut seen = self.brokers.iter().filter_map(|broker| look(*broker, name));
        seen.find(|topic| topic.error == 0)
    }

    /// A partition as one of the brokers sees it.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<Partition> {
        self.topic(topic)?.partitions.remove(&partition)
    }

    /// The node id of a partition's leader, waited for if there is none.
    ///
    /// # Panics
    /// When there is none within the deadline.
    pub fn leader(&self, topic: &str, partition: i32) -> i32 {
        self.leader_where(topic, partition, "has a leader", |_| true)
    }

    /// The node id of a partition's new leader, waited for while it is still `old`.
    ///
    /// # Panics
    /// When there is no other within the deadline.
    pub fn leader_after(&self, topic: &str, partition: i32, old: i32) -> i32 {
        self.leader_where(topic, partition, "has another leader", |leader| leader != old)
    }

    /// Waits until every broker sees `count` partitions of the topic, each with a leader.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    pub fn wait_partitions(&self, name: &str, count: i32) {
        let count = usize::try_from(count).expect("a number of partitions is positive");
        wait_until(&format!("every broker sees {count} partitions of {name}"), DEADLINE, || {
            self.all_see(name, |topic| {
                let partitions = &topic.partitions;
                partitions.len() == count && partitions.values().all(|p| p.leader >= 0)
            })
        });
    }

    /// Waits until every broker sees all replicas of all partitions in sync.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    pub fn wait_in_sync(&self, name: &str) {
        wait_until(&format!("all replicas of {name} are in sync"), DEADLINE, || {
            self.all_see(name, |topic| {
                let in_sync = |p: &Partition| p.in_sync.len() == p.replicas.len();
                topic.error == 0 && topic.partitions.values().all(in_sync)
            })
        });
    }

    fn leader_where(
        &self,
        topic: &str,
        partition: i32,
        what: &str,
        good: impl Fn(i32) -> bool,
    ) -> i32 {
        wait_for(&format!("{topic}-{partition} {what}"), DEADLINE, || {
            let leader = self.partition(topic, partition)?.leader;
            (leader >= 0 && good(leader)).then_some(leader)
        })
    }

    fn all_see(&self, name: &str, fact: impl Fn(&Topic) -> bool) -> bool {
        self.brokers.iter().all(|broker| look(*broker, name).is_some_and(|topic| fact(&topic)))
    }

    /// A client for one call: one that remembers a dead controller hangs.
    fn client(&self) -> AdminClient<DefaultClientContext> {
        let client = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .set("socket.timeout.ms", "5000")
            .create();
        client.expect("an admin client with these settings can be made")
    }
}

fn look(broker: SocketAddr, topic: &str) -> Option<Topic> {
    wire::metadata(broker, Some(topic)).ok()?.topic
}

fn options() -> AdminOptions {
    let limit = Some(Duration::from_secs(30));
    AdminOptions::new().request_timeout(limit).operation_timeout(limit)
}

/// Checks both results of an admin call about one thing: the call's and the thing's.
fn succeeded<E: Debug, F: Debug>(result: &Result<Vec<Result<String, F>>, E>, what: &str) {
    let good = matches!(result, Ok(each) if each.iter().all(Result::is_ok));
    assert!(good, "cannot {what}: {result:?}");
}
