//! Three brokers and a separate controller.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    thread,
};

use tempfile::TempDir;

use super::{
    Admin, Kafka,
    broker::COMMON,
    host,
    node::{self, Node},
    prepare, wire,
};
use crate::{
    cache,
    process::Signal,
    proxy::Proxy,
    segments::{self, Batch},
    wait::{DEADLINE, wait_until},
};

const NODE: &str = include_str!("../../kafka/node.properties");
/// The brokers' node ids.
const BROKERS: [i32; 3] = [1, 2, 3];
const CONTROLLER: i32 = 9;

/// What a cluster is started with.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    settings: Vec<(String, String)>,
}

impl ClusterOptions {
    /// Adds or replaces a server property of every node.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// A running cluster with brokers 1, 2 and 3; dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Cluster {
    // In this order: the processes have to end before their directory goes.
    brokers: BTreeMap<i32, Node>,
    controller: Node,
    _dir: TempDir,
    kafka: &'static Kafka,
}

impl Cluster {
    /// Starts four processes and waits until every broker lists all brokers.
    ///
    /// # Panics
    /// When one does not start; the text ends with its log.
    pub fn start(options: &ClusterOptions) -> Self {
        Self::launch(options, None)
    }

    /// The same with a proxy before each broker: clients that come through a proxy are told the
    /// addresses of all three, and stay there. The brokers speak to each other past them, and so
    /// does who uses [`Cluster::bootstrap`].
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub fn start_behind(proxies: &[Proxy; 3], options: &ClusterOptions) -> Self {
        Self::launch(options, Some(proxies))
    }

    fn launch(options: &ClusterOptions, proxies: Option<&[Proxy; 3]>) -> Self {
        let kafka = prepare();
        let (dir, host, id) = (cache::run_dir("cluster-"), host::free_host(), node::new_id());
        let make = |node_id: i32| {
            let node_dir = dir.path().join(node_id.to_string());
            cache::make_dir(&node_dir);
            let address = (node_id != CONTROLLER).then(|| (host, port(node_id)).into());
            let proxy = proxies.filter(|_| node_id != CONTROLLER).map(|proxies| {
                let proxy = &proxies[nth(node_id)];
                proxy.lead_to((host, proxied_port(node_id)).into());
                proxy.address()
            });
            let dir = node_dir.display().to_string();
            let properties = properties(host, node_id, &dir, proxy, options);
            let mut node = Node::create(kafka, node_id, &id, address, &node_dir, &properties);
            node.launch(kafka, &[]);
            node
        };
        let controller = make(CONTROLLER);
        let brokers = BROKERS.map(|id| (id, make(id))).into();
        let mut cluster = Self { brokers, controller, _dir: dir, kafka };
        for node in cluster.brokers.values_mut() {
            let ready = node.wait_ready();
            ready.unwrap_or_else(|log| panic!("a broker ended instead of starting\n{log}"));
        }
        cluster.wait_complete();
        cluster
    }

    /// Waits until each broker lists all three.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    pub fn wait_complete(&self) {
        wait_until("every broker lists all three", DEADLINE, || {
            self.addresses().all(|address| {
                wire::metadata(address, None).is_ok_and(|found| found.brokers.len() == 3)
            })
        });
    }

    /// Hosts and ports of all brokers, running or not, joined by commas.
    pub fn bootstrap(&self) -> String {
        self.addresses().map(|address| address.to_string()).collect::<Vec<_>>().join(",")
    }

    /// Makes and inspects topics, through the brokers that run now.
    pub fn admin(&mut self) -> Admin {
        let running = self.brokers.values_mut().filter_map(|node| {
            let address = node.address();
            address.filter(|_| node.is_running())
        });
        Admin::new(running.collect())
    }

    /// The brokers' process ids and the controller's; without those that were ended.
    pub fn pids(&self) -> Vec<u32> {
        self.brokers.values().chain([&self.controller]).filter_map(Node::pid).collect()
    }

    /// Ends a broker with SIGKILL.
    pub fn kill(&mut self, broker: i32) {
        self.node(broker).kill();
    }

    /// Ends a broker with SIGTERM: it hands its partitions over first.
    pub fn stop(&mut self, broker: i32) {
        self.node(broker).stop();
    }

    /// Stops a broker from running without ending it: connections stay and are silent.
    pub fn freeze(&mut self, broker: i32) {
        self.node(broker).signal(Signal::STOP);
    }

    /// No file of a broker grows any more, as on a full disk, until it is started again.
    ///
    /// # Panics
    /// When the broker does not run.
    pub fn fill_disk(&mut self, broker: i32) {
        self.node(broker).fill_disk();
    }

    /// Whether a broker's process is there; a frozen one is.
    pub fn is_running(&mut self, broker: i32) -> bool {
        self.node(broker).is_running()
    }

    /// Lets a frozen broker go on.
    pub fn thaw(&mut self, broker: i32) {
        self.node(broker).signal(Signal::CONT);
    }

    /// Starts a broker again, on the same port and data, and waits until it answers. It follows
    /// for a while before it is in sync: see [`Admin::wait_in_sync`].
    ///
    /// # Panics
    /// When it runs, or does not start; the text ends with its log.
    pub fn start_again(&mut self, broker: i32) {
        let kafka = self.kafka;
        let node = self.node(broker);
        node.launch(kafka, &[]);
        let ready = node.wait_ready();
        ready.unwrap_or_else(|log| panic!("broker {broker} ended instead of starting\n{log}"));
    }

    /// A broker that was started behind a proxy has another one, from its next start on.
    ///
    /// # Panics
    /// When it has none.
    pub fn advertise(&mut self, broker: i32, proxy: SocketAddr) {
        self.node(broker).advertise(proxy);
    }

    /// Lets frozen brokers go on, starts those again that were ended, and waits until each lists
    /// all three.
    ///
    /// # Panics
    /// When one does not start, or that takes longer than the deadline.
    pub fn mend(&mut self) {
        for broker in BROKERS {
            if self.node(broker).is_running() {
                self.thaw(broker);
            } else {
                self.start_again(broker);
            }
        }
        self.wait_complete();
    }

    /// Where a broker listens behind its proxy.
    pub fn proxied_address(&self, broker: i32) -> SocketAddr {
        let address = self.brokers[&broker].address().expect("a broker has a listener");
        (address.ip(), proxied_port(broker)).into()
    }

    /// The batches that each partition's leader has stored.
    ///
    /// # Panics
    /// When a partition has no leader within the deadline.
    pub fn stored(&mut self, topic: &str, partitions: i32) -> Vec<Vec<Batch>> {
        let admin = self.admin();
        let of = |partition| self.batches(admin.leader(topic, partition), topic, partition);
        (0..partitions).map(of).collect()
    }

    /// Moves the leadership of a partition back to its preferred replica, without any failure.
    pub fn elect_preferred(&mut self, topic: &str, partition: i32) {
        self.kafka.tool(
            "org.apache.kafka.tools.LeaderElectionCommand",
            &[
                "--bootstrap-server",
                &self.admin().bootstrap(),
                "--election-type=preferred",
                "--topic",
                topic,
                "--partition",
                &partition.to_string(),
            ],
        );
    }

    /// The batches that one broker has stored for a partition.
    pub fn batches(&self, broker: i32, topic: &str, partition: i32) -> Vec<Batch> {
        segments::batches(&self.partition_dir(broker, topic, partition))
    }

    /// The directory of a partition's segment files on one broker.
    pub fn partition_dir(&self, broker: i32, topic: &str, partition: i32) -> PathBuf {
        self.brokers[&broker].partition_dir(topic, partition)
    }

    /// The ends of all nodes' logs.
    pub fn log_tail(&self) -> String {
        let nodes = self.brokers.values().chain([&self.controller]);
        nodes.map(Node::log_tail).collect::<Vec<_>>().join("\n")
    }

    fn node(&mut self, broker: i32) -> &mut Node {
        self.brokers.get_mut(&broker).expect("the brokers are 1, 2 and 3")
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.brokers.values().filter_map(Node::address)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
    }
}

/// Broker 1 has the first port, broker 2 the next.
fn port(broker: i32) -> u16 {
    host::PORT + u16::try_from(broker - 1).expect("node ids are small and positive")
}

/// The place of a broker among the brokers.
fn nth(broker: i32) -> usize {
    usize::try_from(broker - 1).expect("node ids are small and positive")
}

fn proxied_port(broker: i32) -> u16 {
    host::PROXIED_PORT + port(broker) - host::PORT
}

fn properties(
    host: Ipv4Addr,
    id: i32,
    dir: &str,
    proxy: Option<SocketAddr>,
    options: &ClusterOptions,
) -> String {
    let (role, listener) = match id {
        CONTROLLER => ("controller", format!("CONTROLLER://{host}:{}", host::CONTROLLER_PORT)),
        broker => ("broker", format!("PLAINTEXT://{host}:{}", port(broker))),
    };
    let (listeners, advertised) = match proxy {
        None => (listener.clone(), String::new()),
        Some(proxy) => (
            format!("{listener},PROXIED://{host}:{}", proxied_port(id)),
            format!("advertised.listeners={listener},PROXIED://{proxy}\n"),
        ),
    };
    let values = [
        ("ROLE", role),
        ("ID", &id.to_string()),
        ("CONTROLLER_ID", &CONTROLLER.to_string()),
        ("HOST", &host.to_string()),
        ("CONTROLLER_PORT", &host::CONTROLLER_PORT.to_string()),
        ("LISTENERS", &listeners),
        ("DIR", dir),
    ];
    let mut text = node::fill(&format!("{NODE}{COMMON}"), &values);
    text += &advertised;
    for (key, value) in &options.settings {
        // The last one of two equal keys counts.
        text += &format!("{key}={value}\n");
    }
    text
}
