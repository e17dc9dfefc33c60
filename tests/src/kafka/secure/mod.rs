//! Brokers with every kind of security, and the levers that change it while they run.
//!
//! One process is enough for most tests ([`shared_secure`]): it has a listener for each protocol
//! and for each fault of a server's certificate. User `writer` has the password [`PASSWORD`]
//! with all mechanisms; what it may write to, a test says ([`SecureBrokers::allow`]).

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, atomic::AtomicU32},
    thread,
};

use tempfile::TempDir;

use super::{
    Admin,
    broker::COMMON,
    host,
    node::{self, Node},
    prepare, wire,
};
use crate::{
    cache,
    certs::{Template, authority, other_authority},
    oidc::{self, AUDIENCE, Issuer},
    proxy::{Proxy, addresses},
    wait::{DEADLINE, wait_until},
};

mod levers;
mod listener;
mod plain;

pub use levers::Mechanism;
pub use listener::{BRIEF_SESSION_MS, Listener};

const SECURE: &str = include_str!("../../../kafka/secure.properties");
const JAVA_SECURITY: &str = include_str!("../../../kafka/java.security");
/// How often another address is tried when somebody takes ours between the look and the start.
const ADDRESS_ATTEMPTS: usize = 5;
/// Ports between one node's listeners and the next one's.
const PORTS_PER_NODE: usize = Listener::ALL.len();

/// The user that is there from the beginning.
pub const USER: &str = "writer";
/// The password of [`USER`].
pub const PASSWORD: &str = "writer-secret";

/// What the brokers are started with.
#[derive(Debug)]
pub struct SecureOptions<'a> {
    nodes: usize,
    proxies: BTreeMap<Listener, &'a [Proxy]>,
    issuer: String,
    audience: String,
    keys_url: String,
}

impl Default for SecureOptions<'_> {
    /// One broker, which takes tokens of [`oidc::shared`].
    fn default() -> Self {
        let (nodes, proxies, issuer) = (1, BTreeMap::new(), oidc::shared());
        let (issuer, keys_url) = (issuer.url().to_owned(), file_url(issuer));
        Self { nodes, proxies, issuer, audience: AUDIENCE.to_owned(), keys_url }
    }
}

impl<'a> SecureOptions<'a> {
    /// So many brokers: one or three. The first is also the controller.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        assert!(nodes == 1 || nodes == 3, "two brokers cannot agree");
        self.nodes = nodes;
        self
    }

    /// Puts a proxy before each broker's listener: clients are told its address, and stay there.
    #[must_use]
    pub fn behind(mut self, listener: Listener, proxies: &'a [Proxy]) -> Self {
        self.proxies.insert(listener, proxies);
        self
    }

    /// Takes tokens of this issuer: what becomes of its keys holds at once.
    #[must_use]
    pub fn issuer(self, issuer: &Issuer) -> Self {
        self.issuer_at(issuer.url(), AUDIENCE, &file_url(issuer))
    }

    /// Takes tokens of an issuer that publishes its keys at a URL: a new key holds as soon as a
    /// token names it, an old one ends within a second or two.
    #[must_use]
    pub fn issuer_at(mut self, issuer: &str, audience: &str, keys_url: &str) -> Self {
        self.issuer = issuer.to_owned();
        self.audience = audience.to_owned();
        self.keys_url = keys_url.to_owned();
        self
    }
}

fn file_url(issuer: &Issuer) -> String {
    format!("file://{}", issuer.keys_file().display())
}

/// Passwords by mechanism and user.
type Passwords = BTreeMap<(Mechanism, String), String>;

/// Running brokers; dropping them ends them and removes their data.
#[derive(Debug)]
pub struct SecureBrokers {
    // In this order: the processes have to end before their directory goes.
    nodes: Vec<Node>,
    dir: TempDir,
    host: Ipv4Addr,
    proxied: BTreeMap<Listener, String>,
    /// The names that servers' certificates are for.
    names: Vec<String>,
    /// The passwords that are good now.
    passwords: Mutex<Passwords>,
    /// Counts files that listeners were told to use.
    files: AtomicU32,
}

impl SecureBrokers {
    /// Starts brokers and waits until they answer and know [`USER`].
    ///
    /// # Panics
    /// When one does not start; the text ends with its log.
    pub fn start(options: &SecureOptions<'_>) -> Self {
        let mut tail = String::new();
        for _ in 0..ADDRESS_ATTEMPTS {
            match Self::launch(options) {
                Ok(brokers) => {
                    brokers.set_passwords(USER, PASSWORD);
                    return brokers;
                }
                Err(log) if log.contains("Address already in use") => tail = log,
                Err(log) => panic!("a secure broker ended instead of starting\n{log}"),
            }
        }
        panic!("every address was taken meanwhile\n{tail}");
    }

    fn launch(options: &SecureOptions<'_>) -> Result<Self, String> {
        let kafka = prepare();
        let (dir, host, cluster) = (cache::run_dir("secure-"), host::free_host(), node::new_id());
        let proxy_hosts = options.proxies.values().flat_map(|proxies| proxies.iter());
        let mut names = vec!["localhost".to_owned(), host.to_string()];
        names.extend(proxy_hosts.map(|proxy| proxy.address().ip().to_string()));
        write_material(dir.path(), &names);
        let java_security = dir.path().join("java.security");
        write(&java_security, JAVA_SECURITY);
        let flags: [OsString; 4] = [
            format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={}", options.keys_url).into(),
            format!("-Djava.security.properties={}", java_security.display()).into(),
            "-cp".into(),
            kafka.class_path_with(plain::handler(kafka)),
        ];
        let create = |nth: usize| {
            let node_dir = dir.path().join(nth.to_string());
            cache::make_dir(&node_dir);
            let text = properties(host, nth, dir.path(), &node_dir, options);
            let address = Some(address(host, nth, Listener::Plaintext));
            let mut node = Node::create(kafka, id(nth), &cluster, address, &node_dir, &text);
            node.launch(kafka, &flags);
            node
        };
        let mut nodes: Vec<Node> = (0..options.nodes).map(create).collect();
        for node in &mut nodes {
            node.wait_ready()?;
        }
        for (listener, proxies) in &options.proxies {
            assert_eq!(proxies.len(), options.nodes, "each broker has a proxy of its own");
            for (nth, proxy) in proxies.iter().enumerate() {
                proxy.lead_to(address(host, nth, *listener));
            }
        }
        let proxied = options.proxies.iter().map(|(l, proxies)| (*l, addresses(proxies))).collect();
        let (passwords, files) = (Mutex::default(), AtomicU32::new(0));
        let brokers = Self { nodes, dir, host, proxied, names, passwords, files };
        wait_until("every broker lists all of them", DEADLINE, || {
            brokers.addresses(Listener::Plaintext).all(|address| {
                wire::metadata(address, None)
                    .is_ok_and(|found| found.brokers.len() == options.nodes)
            })
        });
        Ok(brokers)
    }

    /// Hosts and ports of a listener of all brokers, joined by commas; of its proxies if it has
    /// some.
    pub fn bootstrap(&self, listener: Listener) -> String {
        self.proxied.get(&listener).cloned().unwrap_or_else(|| {
            self.addresses(listener).map(|a| a.to_string()).collect::<Vec<_>>().join(",")
        })
    }

    /// Makes and inspects topics.
    pub fn admin(&self) -> Admin {
        Admin::new(self.addresses(Listener::Plaintext).collect())
    }

    /// Makes a topic that `user` may write to.
    pub fn create_topic(&self, name: &str, partitions: i32, user: &str) {
        let replicas = i32::try_from(self.nodes.len()).expect("one or three");
        self.admin().create_topic(name, partitions, replicas, &[]);
        self.allow(user, super::Right::Write(name));
    }

    /// A certificate of the tests' authority as the brokers have it: for all their names.
    pub fn server_template(&self) -> Template {
        server_template(&self.names)
    }

    /// The certificate of the authority that signed the servers', in PEM.
    pub fn authority_file(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    /// The ends of the brokers' logs: refused logins and denied rights with their reasons.
    pub fn log_tail(&self) -> String {
        self.nodes.iter().map(Node::log_tail).collect::<Vec<_>>().join("\n")
    }

    /// The brokers' process ids.
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Node::pid).collect()
    }

    /// Past the proxies.
    fn addresses(&self, listener: Listener) -> impl Iterator<Item = SocketAddr> {
        let host = self.host;
        (0..self.nodes.len()).map(move |nth| address(host, nth, listener))
    }
}

impl Drop for SecureBrokers {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
    }
}

/// The broker that all tests of a process share; it shows its log when a test panics.
#[derive(Debug)]
pub struct SharedSecure(&'static SecureBrokers);

/// The shared broker, started by whoever asks first. Use topics and users of your own with it; a
/// test that changes a listener starts its own.
pub fn shared_secure() -> SharedSecure {
    static SHARED: OnceLock<SecureBrokers> = OnceLock::new();
    SharedSecure(SHARED.get_or_init(|| SecureBrokers::start(&SecureOptions::default())))
}

impl Deref for SharedSecure {
    type Target = SecureBrokers;

    fn deref(&self) -> &SecureBrokers {
        self.0
    }
}

impl Drop for SharedSecure {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.0.log_tail());
        }
    }
}

fn id(nth: usize) -> i32 {
    i32::try_from(nth + 1).expect("one or three")
}

fn address(host: Ipv4Addr, nth: usize, listener: Listener) -> SocketAddr {
    let place = nth * PORTS_PER_NODE + listener as usize;
    let port = host::SECURE_PORT + u16::try_from(place).expect("a few dozen ports");
    assert!(port <= host::SECURE_PORT_MAX, "three nodes have ports for all listeners");
    (host, port).into()
}

fn server_template(names: &[String]) -> Template {
    Template::server(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Writes the certificates of each listener, whom it trusts, and an empty list of users.
fn write_material(dir: &Path, names: &[String]) {
    let good = server_template(names);
    let elsewhere = Template::server(&["elsewhere.example"]);
    for listener in Listener::ALL.into_iter().filter(|listener| listener.has_tls()) {
        let pair = match listener {
            Listener::TlsIntermediate => authority().intermediate("Test branch").issue(&good),
            Listener::TlsExpired => authority().issue(&good.clone().expired()),
            Listener::TlsOtherHost => authority().issue(&elsewhere),
            Listener::TlsUntrusted => other_authority().issue(&good),
            _ => authority().issue(&good),
        };
        write(listener.file(dir, "pem"), &(pair.key_pem() + &pair.chain_pem()));
        write(listener.file(dir, "ca.pem"), &authority().pem());
    }
    write(dir.join("authority.pem"), &authority().pem());
    plain::write_users::<&str>(dir, [].into_iter());
}

fn write(path: impl AsRef<Path>, text: &str) {
    fs::write(path, text).expect("a new directory can be written");
}

/// The properties of the `nth` broker; `dir` holds what all share, `node_dir` its own data.
fn properties(
    host: Ipv4Addr,
    nth: usize,
    dir: &Path,
    node_dir: &Path,
    options: &SecureOptions<'_>,
) -> String {
    let list = |at: &dyn Fn(Listener) -> SocketAddr| {
        let all = Listener::ALL.map(|listener| format!("{}://{}", listener.name(), at(listener)));
        all.join(",")
    };
    let own = |listener| address(host, nth, listener);
    let advertised = list(&|listener| {
        let proxies = options.proxies.get(&listener);
        proxies.map_or_else(|| own(listener), |proxies| proxies[nth].address())
    });
    let controller = format!(",CONTROLLER://{host}:{}", host::CONTROLLER_PORT);
    let (roles, controller) =
        if nth == 0 { ("broker,controller", controller.as_str()) } else { ("broker", "") };
    let protocols = Listener::ALL.map(|l| format!("{}:{}", l.name(), l.protocol())).join(",");
    let values = [
        ("ROLES", roles),
        ("ID", &id(nth).to_string()),
        ("HOST", &host.to_string()),
        ("CONTROLLER_PORT", &host::CONTROLLER_PORT.to_string()),
        ("LISTENERS", &(list(&own) + controller)),
        ("ADVERTISED", &advertised),
        ("PROTOCOLS", &(protocols + ",CONTROLLER:PLAINTEXT")),
        ("REPLICAS", &options.nodes.to_string()),
        ("IN_SYNC", &options.nodes.div_ceil(2).to_string()),
        ("ISSUER", &options.issuer),
        ("AUDIENCE", &options.audience),
        ("KEYS_URL", &options.keys_url),
        ("DIR", &node_dir.display().to_string()),
    ];
    let common = node::fill(&format!("{COMMON}{SECURE}"), &values);
    Listener::ALL.iter().fold(common, |text, listener| text + &listener.properties(dir))
}
