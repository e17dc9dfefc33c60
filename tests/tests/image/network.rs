//! A private network in small: the container in one namespace, brokers and vault in another, a cable
//! between them, and a watch on what is sent through it.
//!
//! Nothing leads out of either. The container has a default route all the same, into the other
//! namespace, so that whatever it tries to reach is seen there.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{self, Command},
};

use tempfile::TempDir;
use tests::{
    cache,
    process::{Process, command, log_to},
    wait::{DEADLINE, wait_until},
};

/// Where the container is.
pub const INSIDE: &str = "10.231.0.1";
/// Where brokers, vault and identity are.
pub const OUTSIDE: &str = "10.231.0.2";
/// For documentation (RFC 5737): nobody has it.
pub const NOWHERE: &str = "192.0.2.1";
const INSIDE_6: &str = "fd31::1";
const OUTSIDE_6: &str = "fd31::2";

/// Notes the first packet of each connection, and everything that is not TCP, with its address.
/// Who has which address on the cable, the kernel asks by ARP and ICMPv6: they are left out.
const WATCH: &str = r#"
import ipaddress, socket, sys
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
link.bind((sys.argv[1], 0))
print("watching", flush=True)
while True:
    try:
        frame = link.recv(65535)
    except OSError:
        continue  # the cable is pulled: told once
    kind, packet = int.from_bytes(frame[12:14], "big"), frame[14:]
    if kind == 0x0800:
        source, target, protocol = packet[12:16], packet[16:20], packet[9]
        body = packet[(packet[0] & 15) * 4:]
    elif kind == 0x86DD:
        source, target, protocol, body = packet[8:24], packet[24:40], packet[6], packet[40:]
        if protocol == 58 or protocol == 0 and body[0] == 58:
            continue
    else:
        if kind != 0x0806:
            print("other", hex(kind), flush=True)
        continue
    source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
    if str(source) not in sys.argv[2:]:
        continue
    port = int.from_bytes(body[2:4], "big")
    if protocol != 6:
        print("protocol", protocol, target, port, flush=True)
    elif body[13] & 0x12 == 0x02:
        print("connects", target, port, flush=True)
"#;

/// The network; dropping it removes it.
pub struct Network {
    inside: String,
    outside: String,
    dir: TempDir,
    _watch: Process,
    gate: Option<Process>,
}

fn ip(args: &str) -> bool {
    let done = Command::new("ip").args(args.split(' ')).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() {
        println!("ip {args}: {said}");
    }
    done.status.success()
}

impl Network {
    /// A network of this run's own.
    pub fn new() -> Self {
        let id = process::id();
        let (inside, outside) = (format!("koi{id}"), format!("koo{id}"));
        let steps = [
            format!("netns add {inside}"),
            format!("netns add {outside}"),
            format!("link add kol netns {inside} type veth peer name kor netns {outside}"),
            format!("-n {inside} addr add {INSIDE}/30 dev kol"),
            format!("-n {outside} addr add {OUTSIDE}/30 dev kor"),
            format!("-n {inside} addr add {INSIDE_6}/64 dev kol nodad"),
            format!("-n {outside} addr add {OUTSIDE_6}/64 dev kor nodad"),
            format!("-n {inside} link set lo up"),
            format!("-n {outside} link set lo up"),
            format!("-n {inside} link set kol up"),
            format!("-n {outside} link set kor up"),
            format!("-n {inside} route add default via {OUTSIDE}"),
            format!("-n {inside} route add default via {OUTSIDE_6}"),
            // What else is sent there is lost, but for this, which is refused at once.
            format!("-n {outside} route add local {NOWHERE} dev lo"),
        ];
        for step in &steps {
            assert!(ip(step), "a namespace takes root");
        }
        let dir = cache::run_dir("network-");
        let mut watch = command("ip");
        watch.args(["netns", "exec", &outside, "python3", "-c", WATCH, "kor", INSIDE, INSIDE_6]);
        log_to(&mut watch, &dir.path().join("seen"));
        let watch = Process::spawn(watch);
        let network = Self { inside, outside, dir, _watch: watch, gate: None };
        wait_until("the cable is watched", DEADLINE, || network.seen().starts_with("watching"));
        network
    }

    /// What podman calls the container's side.
    pub fn inside(&self) -> String {
        format!("ns:/run/netns/{}", self.inside)
    }

    /// Leads ports of the outside to services of this machine, and addresses of this machine to
    /// ports of the container: HAProxy has a foot in both.
    pub fn open(&mut self, out: &[(u16, SocketAddr)], into: &[(SocketAddr, u16)]) {
        let socket = self.dir.path().join("gate.sock");
        let mut config = format!(
            "global\n  stats socket {}\ndefaults\n  mode tcp\n  timeout connect 5s\n  \
             timeout client 300s\n  timeout server 300s\n",
            socket.display()
        );
        let outside = &self.outside;
        for (port, to) in out {
            config += &format!(
                "listen out{port}\n  bind {OUTSIDE}:{port} namespace {outside}\n  server s {to}\n"
            );
        }
        for (at, port) in into {
            config += &format!(
                "listen in{port}\n  bind {at}\n  server s {INSIDE}:{port} namespace {outside}\n"
            );
        }
        let (file, log) = (self.dir.path().join("gate.cfg"), self.dir.path().join("gate.log"));
        fs::write(&file, config).unwrap();
        let mut gate = command("haproxy");
        gate.args(["-db", "-f"]).arg(file);
        gate.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        log_to(&mut gate, &log);
        let mut gate = Process::spawn(gate);
        wait_until("the gate is open", DEADLINE, || {
            assert!(gate.exited().is_none(), "{}", fs::read_to_string(&log).unwrap());
            socket.exists()
        });
        self.gate = Some(gate);
    }

    /// Pulls the cable, or plugs it in again.
    pub fn plug(&self, plugged: bool) {
        let word = if plugged { "up" } else { "down" };
        assert!(ip(&format!("-n {} link set kor {word}", self.outside)));
        if plugged {
            // Which an interface that is down does not keep.
            let address = format!("addr replace {OUTSIDE_6}/64 dev kor nodad");
            assert!(ip(&format!("-n {} {address}", self.outside)));
        }
    }

    /// A line for each connection that the container began, and for everything else it sent.
    pub fn seen(&self) -> String {
        fs::read_to_string(self.file("seen")).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in [&self.inside, &self.outside] {
            ip(&format!("netns del {namespace}"));
        }
    }
}
