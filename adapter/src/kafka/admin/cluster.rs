//! Finds the broker that a question is for, and keeps its connection.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kafka_protocol::{
    messages::{
        BrokerId, MetadataRequest, TopicName,
        metadata_request::MetadataRequestTopic,
        metadata_response::{MetadataResponseBroker, MetadataResponseTopic},
    },
    protocol::StrBytes,
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    fault::{AdminFault, verdict},
    link::{Link, Request},
};
use crate::{
    diagnose::Finding,
    job::{HostPort, Output},
    kafka::{Credentials, target},
};

/// Metadata by name, without making topics.
const METADATA: i16 = 8;

/// How long what may pass at once is tried again, of all questions together: a coordinator that is
/// away keeps hundreds of ids, and each would wait as long.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long all servers together may take to be reached and to answer; each has its share.
const REACH_MAX: Duration = Duration::from_secs(10);

/// The most that is shown of an address that cannot be used.
const ADDRESS_CHARS_MAX: usize = 100;

/// Between tries.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// The brokers of an output.
pub struct Cluster {
    credentials: Credentials,
    client_id: String,
    bootstrap: Vec<HostPort>,
    pub(super) brokers: BTreeMap<i32, HostPort>,
    links: BTreeMap<i32, Link>,
    /// Those that cannot be reached are not tried again. Some have no address at all.
    away: BTreeMap<i32, AdminFault>,
    patience: Patience,
}

/// How long tries may still take, of all questions together.
struct Patience(Duration);

/// The partitions of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The leader of each; `None` of one that has none.
    pub leaders: BTreeMap<i32, Option<i32>>,
}

impl Cluster {
    /// Connects to the first of an output's servers that answers.
    ///
    /// # Errors
    /// Why none does: what the first one says.
    pub async fn connect(output: &Output, credentials: Credentials) -> Result<Self, AdminFault> {
        let mut cluster = Self {
            credentials,
            client_id: format!("kafka-output-{}", output.alias),
            bootstrap: output.bootstrap_servers.clone(),
            brokers: BTreeMap::new(),
            links: BTreeMap::new(),
            away: BTreeMap::new(),
            patience: Patience(PATIENCE),
        };
        cluster.layout(&[]).await?;
        Ok(cluster)
    }

    /// `host:port` of a broker.
    pub fn place(&self, broker: i32) -> String {
        self.brokers.get(&broker).map_or_else(|| format!("broker {broker}"), ToString::to_string)
    }

    /// Whether this broker is among those that are known, and has an address.
    pub fn has(&self, broker: i32) -> bool {
        self.brokers.contains_key(&broker)
    }

    /// All brokers that are known, those that cannot be asked as well.
    pub(super) fn all(&self) -> BTreeSet<i32> {
        self.brokers.keys().chain(self.away.keys()).copied().collect()
    }

    /// Where partitions are led.
    ///
    /// # Errors
    /// That nobody answers; for a topic by itself, that it is missing or may not be seen.
    pub async fn layout(
        &mut self,
        topics: &[&str],
    ) -> Result<Vec<Result<Layout, AdminFault>>, AdminFault> {
        let named = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(Some(topics.iter().map(named).collect()))
            .with_allow_auto_topic_creation(false);
        let answer = self.ask_any(&request, METADATA).await?;
        self.brokers.clear();
        for broker in &answer.brokers {
            let BrokerId(id) = broker.node_id;
            match address(broker) {
                Ok(address) => _ = self.brokers.insert(id, address),
                Err(fault) => _ = self.away.insert(id, fault),
            }
        }
        let found = |name: &&str| {
            let topic = answer
                .topics
                .iter()
                .find(|topic| topic.name.as_ref().is_some_and(|found| found.0.as_str() == *name));
            topic.map_or(Err(AdminFault::Refused(UNKNOWN_TOPIC)), layout)
        };
        Ok(topics.iter().map(found).collect())
    }

    /// Asks a broker that is connected, or else the first server that answers.
    pub(super) async fn ask_any<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
    ) -> Result<R::Answer, AdminFault> {
        let known: Vec<i32> = self.links.keys().copied().collect();
        for broker in known {
            if let Ok(answer) = self.ask(broker, request, newest).await {
                return Ok(answer);
            }
        }
        let (mut first, end) = (None, Instant::now() + REACH_MAX);
        let servers = self.bootstrap.clone();
        for (index, server) in servers.iter().enumerate() {
            let asked = async {
                let target = target(server, &self.credentials);
                let mut link = Link::open(&target, &self.client_id).await?;
                link.ask(request, newest).await
            };
            // Those that are left share the time that is left.
            let share = (end - Instant::now()) / (servers.len() - index) as u32;
            let silent = || {
                let why = format!("it is not reached within {} s", share.as_secs());
                AdminFault::silent(&server.to_string(), R::KEY as i16, &why)
            };
            match timeout(share, asked).await.unwrap_or_else(|_| Err(silent())) {
                Ok(answer) => return Ok(answer),
                Err(fault) => first = first.or(Some(fault)),
            }
        }
        Err(first.expect("an output has servers"))
    }

    /// Asks one broker.
    pub(super) async fn ask<R: Request>(
        &mut self,
        broker: i32,
        request: &R,
        newest: i16,
    ) -> Result<R::Answer, AdminFault> {
        if let Some(fault) = self.away.get(&broker) {
            return Err(fault.clone());
        }
        let answer = match self.link(broker).await {
            Ok(link) => link.ask(request, newest).await,
            Err(fault) => Err(fault),
        };
        if self.links.get(&broker).is_none_or(Link::is_broken) {
            self.links.remove(&broker);
            if let Err(fault) = &answer {
                self.away.insert(broker, fault.clone());
            }
        }
        answer
    }

    /// Whether something that may pass at once is tried again, after a try that began then; waits for
    /// the next one.
    pub(super) async fn again(&mut self, fault: &AdminFault, began: Instant) -> bool {
        let again = fault.is_brief() && self.patience.is_enough(began.elapsed());
        if again {
            sleep(PAUSE).await;
        }
        again
    }

    async fn link(&mut self, broker: i32) -> Result<&mut Link, AdminFault> {
        if !self.links.contains_key(&broker) {
            let server = self
                .brokers
                .get(&broker)
                .ok_or_else(|| AdminFault::Leaderless(format!("broker {broker} is away")))?;
            let link = Link::open(&target(server, &self.credentials), &self.client_id).await?;
            self.links.insert(broker, link);
        }
        Ok(self.links.get_mut(&broker).expect("it was just put there"))
    }
}

impl Patience {
    /// Whether there is some left for another try, after one that took so long.
    fn is_enough(&mut self, tried: Duration) -> bool {
        let left = self.0.checked_sub(tried + PAUSE);
        self.0 = left.unwrap_or_default();
        left.is_some()
    }
}

/// UNKNOWN_TOPIC_OR_PARTITION.
const UNKNOWN_TOPIC: i16 = 3;

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn layout(topic: &MetadataResponseTopic) -> Result<Layout, AdminFault> {
    verdict(topic.error_code)?;
    let leaders = topic.partitions.iter().map(|partition| {
        let BrokerId(leader) = partition.leader_id;
        (partition.partition_index, (leader >= 0).then_some(leader))
    });
    Ok(Layout { leaders: leaders.collect() })
}

/// Where a broker says that it is.
fn address(broker: &MetadataResponseBroker) -> Result<HostPort, AdminFault> {
    let (host, port) = (broker.host.as_str(), broker.port);
    let text =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    text.parse().map_err(|_| {
        let shown: String = text.escape_debug().take(ADDRESS_CHARS_MAX).collect();
        let text = format!(
            "broker {} cannot be asked: it advertises `{shown}`, which is no `host:port`",
            broker.node_id.0
        );
        let remedy = "correct its `advertised.listeners`";
        AdminFault::Unreachable(Finding::new("BROKER_ADDRESS_UNUSABLE", text, remedy))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(host: &str, port: i32) -> MetadataResponseBroker {
        let host = StrBytes::from_string(host.to_owned());
        MetadataResponseBroker::default().with_node_id(BrokerId(3)).with_host(host).with_port(port)
    }

    #[test]
    fn all_questions_together_wait_no_longer_than_one() {
        let mut patience = Patience(PATIENCE);
        let tries = |patience: &mut Patience, took: Duration| {
            (0..1000).take_while(|_| patience.is_enough(took)).count()
        };
        assert_eq!(tries(&mut patience, Duration::ZERO), 50);
        assert_eq!(tries(&mut patience, Duration::ZERO), 0, "the next question is asked once");
        assert_eq!(
            tries(&mut Patience(PATIENCE), Duration::from_secs(2)),
            2,
            "tries take time, too"
        );
    }

    #[test]
    fn a_broker_without_a_usable_address_is_told_and_not_left_out() {
        assert_eq!(address(&broker("kafka-3", 9092)).unwrap().to_string(), "kafka-3:9092");
        assert_eq!(address(&broker("::1", 9092)).unwrap().to_string(), "[::1]:9092");
        for (host, port, shown) in [
            ("", 9092, "`:9092`"),
            ("kafka 3", 9092, "`kafka 3:9092`"),
            ("k\x1b", -1, "`k\\u{1b}:-1`"),
        ] {
            let fault = address(&broker(host, port)).unwrap_err().to_string();
            assert!(fault.contains("broker 3") && fault.contains(shown), "{fault}");
        }
        let long = address(&broker(&"a b".repeat(10_000), 9092)).unwrap_err().to_string();
        assert!(long.len() < 400, "{long}");
    }
}
