//! One broker that is its own controller.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    path::{Path, PathBuf},
    sync::OnceLock,
    thread,
};

use tempfile::TempDir;

use super::{
    Admin, Kafka, host,
    node::{self, Node},
    prepare,
};
use crate::{
    cache,
    process::Signal,
    proxy::Proxy,
    segments::{self, Batch},
};

const BROKER: &str = include_str!("../../kafka/broker.properties");
pub(super) const COMMON: &str = include_str!("../../kafka/common.properties");
/// How often another address is tried when somebody takes ours between the look and the start.
const ADDRESS_ATTEMPTS: usize = 5;

/// What a broker is started with.
#[derive(Clone, Debug, Default)]
pub struct BrokerOptions {
    settings: Vec<(String, String)>,
    users: Vec<(String, String)>,
    advertised: Option<SocketAddr>,
}

impl BrokerOptions {
    /// Adds or replaces a server property, such as `message.max.bytes`.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Adds a `SASL_PLAINTEXT` listener with mechanism `PLAIN`, and a user who may log in there.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Clients that log in are told to stay at this address, which somebody leads to the listener.
    #[must_use]
    pub fn advertised(mut self, address: SocketAddr) -> Self {
        self.advertised = Some(address);
        self
    }
}

/// A running broker; dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Broker {
    // In this order: the process has to end before its directory goes.
    node: Node,
    _dir: TempDir,
    kafka: &'static Kafka,
    host: Ipv4Addr,
    has_users: bool,
}

impl Broker {
    /// Starts a broker and waits until it answers.
    ///
    /// # Panics
    /// When it does not start; the text ends with its log.
    pub fn start(options: &BrokerOptions) -> Self {
        Self::launch(options, None)
    }

    /// The same behind a proxy: clients that come through the proxy are told its address, and
    /// stay there. [`Broker::bootstrap`] goes past it.
    ///
    /// # Panics
    /// As [`Broker::start`].
    pub fn start_behind(proxy: &Proxy, options: &BrokerOptions) -> Self {
        let broker = Self::launch(options, Some(proxy));
        proxy.lead_to((broker.host, host::PROXIED_PORT).into());
        broker
    }

    fn launch(options: &BrokerOptions, proxy: Option<&Proxy>) -> Self {
        let kafka = prepare();
        let mut tail = String::new();
        for _ in 0..ADDRESS_ATTEMPTS {
            let (dir, host) = (cache::run_dir("broker-"), host::free_host());
            let proxy = proxy.map(Proxy::address);
            let properties = properties(host, dir.path(), proxy, options);
            let address = Some((host, host::PORT).into());
            let mut node =
                Node::create(kafka, 1, &node::new_id(), address, dir.path(), &properties);
            node.launch(kafka, &[]);
            match node.wait_ready() {
                Ok(()) => {
                    let has_users = !options.users.is_empty();
                    return Self { node, _dir: dir, kafka, host, has_users };
                }
                Err(log) if log.contains("Address already in use") => tail = log,
                Err(log) => panic!("the broker ended instead of starting\n{log}"),
            }
        }
        panic!("every address was taken meanwhile\n{tail}");
    }

    /// Host and port of the plaintext listener.
    pub fn bootstrap(&self) -> String {
        format!("{}:{}", self.host, host::PORT)
    }

    /// Host and port of the listener that a proxy leads to.
    pub fn proxied_address(&self) -> SocketAddr {
        (self.host, host::PROXIED_PORT).into()
    }

    /// Host and port of the listener that asks for a password.
    ///
    /// # Panics
    /// When the broker was started without users.
    pub fn sasl_bootstrap(&self) -> String {
        assert!(self.has_users, "start the broker with `BrokerOptions::user`");
        format!("{}:{}", self.host, host::SASL_PORT)
    }

    /// Makes and inspects topics.
    pub fn admin(&self) -> Admin {
        Admin::new(vec![(self.host, host::PORT).into()])
    }

    /// The process id; `None` after [`Broker::kill`] and [`Broker::stop`].
    pub fn pid(&self) -> Option<u32> {
        self.node.pid()
    }

    /// Ends the broker with SIGKILL.
    pub fn kill(&mut self) {
        self.node.kill();
    }

    /// Ends the broker with SIGTERM and waits for its end.
    pub fn stop(&mut self) {
        self.node.stop();
    }

    /// Stops the process from running without ending it: connections stay and are silent.
    pub fn freeze(&mut self) {
        self.node.signal(Signal::STOP);
    }

    /// Lets a frozen process go on.
    pub fn thaw(&mut self) {
        self.node.signal(Signal::CONT);
    }

    /// Adds or replaces a server property, from the next start on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.node.set(key, value);
    }

    /// Starts the broker again, on the same ports and data, and waits until it answers.
    ///
    /// # Panics
    /// When it runs, or does not start; the text ends with its log.
    pub fn start_again(&mut self) {
        self.node.launch(self.kafka, &[]);
        let ready = self.node.wait_ready();
        ready.unwrap_or_else(|log| panic!("the broker ended instead of starting again\n{log}"));
    }

    /// The batches that the broker has stored for a partition.
    pub fn batches(&self, topic: &str, partition: i32) -> Vec<Batch> {
        segments::batches(&self.partition_dir(topic, partition))
    }

    /// The directory of a partition's segment files.
    pub fn partition_dir(&self, topic: &str, partition: i32) -> PathBuf {
        self.node.partition_dir(topic, partition)
    }

    /// The end of the broker's log.
    pub fn log_tail(&self) -> String {
        self.node.log_tail()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
    }
}

/// The broker that all tests of a process share; it shows its log when a test panics.
#[derive(Debug)]
pub struct SharedBroker(&'static Broker);

/// The shared broker, started by whoever asks first. Use [`super::unique_topic`] with it; a test
/// that stops or reconfigures a broker starts its own.
pub fn shared_broker() -> SharedBroker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    SharedBroker(SHARED.get_or_init(|| Broker::start(&BrokerOptions::default())))
}

impl Deref for SharedBroker {
    type Target = Broker;

    fn deref(&self) -> &Broker {
        self.0
    }
}

impl Drop for SharedBroker {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.0.log_tail());
        }
    }
}

/// The properties of a single broker with its files in `dir`, behind a proxy or not.
pub(super) fn properties(
    host: Ipv4Addr,
    dir: &Path,
    proxy: Option<SocketAddr>,
    options: &BrokerOptions,
) -> String {
    let sasl = match options.users.as_slice() {
        [] => String::new(),
        _ => format!(",SASL_PLAINTEXT://{host}:{}", host::SASL_PORT),
    };
    let proxied = match proxy {
        None => String::new(),
        Some(_) => format!(",PROXIED://{host}:{}", host::PROXIED_PORT),
    };
    let values = [
        ("HOST", host.to_string()),
        ("PORT", host::PORT.to_string()),
        ("CONTROLLER_PORT", host::CONTROLLER_PORT.to_string()),
        ("MORE_LISTENERS", format!("{sasl}{proxied}")),
        ("DIR", dir.display().to_string()),
    ];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, v)| (*name, v.as_str())).collect();
    let mut text = node::fill(&format!("{BROKER}{COMMON}"), &values);
    text += &login(&options.users);
    if let Some(proxy) = proxy {
        let plain = format!("PLAINTEXT://{host}:{}", host::PORT);
        writeln!(text, "advertised.listeners={plain}{sasl},PROXIED://{proxy}")
            .expect("a string can be written");
    }
    if let Some(address) = options.advertised {
        let plain = format!("PLAINTEXT://{host}:{}", host::PORT);
        writeln!(text, "advertised.listeners={plain},SASL_PLAINTEXT://{address}")
            .expect("a string can be written");
    }
    for (key, value) in &options.settings {
        // The last one of two equal keys counts.
        writeln!(text, "{key}={value}").expect("a string can be written");
    }
    text
}

fn login(users: &[(String, String)]) -> String {
    if users.is_empty() {
        return String::new();
    }
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    let users: String = users.iter().map(|(name, pw)| format!(" user_{name}=\"{pw}\"")).collect();
    format!(
        "sasl.enabled.mechanisms=PLAIN\n\
         listener.name.sasl_plaintext.plain.sasl.jaas.config={module}{users};\n"
    )
}
