//! HAProxy in front of a vault: faults that a stand-in of ours should not judge alone.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
};

use tempfile::TempDir;

use crate::{
    azure::Azure,
    cache,
    kafka::{PROXY_PORT, free_host},
    process::{self, Process},
    wait::{DEADLINE, wait_until},
};

/// Paths that begin so are spoiled.
const PATH: &str = "/secrets/";
/// What becomes of a path is in the map; the last rule that fits leads on to the vault.
const CONFIG: &str = r#"
global
  stats socket DIR/haproxy.sock level admin
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tarpit 500ms
frontend vault
  bind ADDRESS ssl crt DIR/server.pem alpn http/1.1
  http-request set-var(txn.fault) path,map_beg(DIR/faults.map,none)
  http-request return status 429 content-type application/json hdr Retry-After 3 string '{"error":{"code":"Throttled","message":"Too many requests were received."}}' if { var(txn.fault) -m str throttle }
  http-request return status 403 content-type application/json string '{"error":{"code":"Forbidden","message":"Client address is not authorized.","innererror":{"code":"ForbiddenByFirewall"}}}' if { var(txn.fault) -m str firewall }
  http-request return status 503 content-type text/html string '<html>Service Unavailable</html>' if { var(txn.fault) -m str unavailable }
  http-request return status 200 content-type application/json string '{"value":' if { var(txn.fault) -m str torn }
  http-request tarpit if { var(txn.fault) -m str slow500 }
  http-request silent-drop if { var(txn.fault) -m str hang }
  default_backend vault
backend vault
  server azure BACKEND
"#;

/// HAProxy between the proxy of [`Azure`] and its vaults.
#[derive(Debug)]
pub struct Haproxy {
    dir: TempDir,
    address: SocketAddr,
    _process: Process,
}

/// What HAProxy makes of requests for secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoiled {
    /// They reach the vault.
    Not,
    /// 429 with `Retry-After: 3`.
    Throttle,
    /// 403 of the vault's firewall.
    Firewall,
    /// 503 with HTML.
    Unavailable,
    /// 200 with half a document.
    Torn,
    /// 500 after half a second.
    Slow500,
    /// The connection is forgotten.
    Hang,
}

impl Haproxy {
    /// Starts it before the vaults of `azure`.
    ///
    /// # Panics
    /// When HAProxy is not there or does not start.
    pub fn before(azure: &Azure) -> Self {
        let dir = cache::run_dir("haproxy-");
        let address = SocketAddr::from((free_host(), PROXY_PORT));
        let (certificate, key) = azure.server_files();
        let read = |file: PathBuf| fs::read_to_string(file).expect("azure has written it");
        let path = dir.path().to_str().expect("the cache directory's path is UTF-8");
        let config = CONFIG
            .replace("DIR", path)
            .replace("ADDRESS", &address.to_string())
            .replace("BACKEND", &azure.plain_address().to_string());
        for (name, text) in [
            ("haproxy.cfg", config),
            ("server.pem", read(certificate) + &read(key)),
            ("faults.map", format!("{PATH} none\n")),
        ] {
            fs::write(dir.path().join(name), text).expect("a new directory can be written");
        }
        let mut command = process::command("sh");
        let run = "PATH=$PATH:/usr/sbin exec haproxy -db -f \"$0\"";
        command.args(["-c", run]).arg(dir.path().join("haproxy.cfg"));
        let log = dir.path().join("log");
        process::log_to(&mut command, &log);
        let mut process = Process::spawn(command);
        wait_until("HAProxy listens", DEADLINE, || {
            let ended = process.exited();
            assert!(
                ended.is_none(),
                "HAProxy has ended (`scripts/test` installs it):\n{}",
                process::tail(&log, 20)
            );
            TcpStream::connect(address).is_ok()
        });
        azure.lead_vaults_to(address);
        Self { dir, address, _process: process }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Spoils requests for secrets from now on.
    ///
    /// # Panics
    /// When HAProxy does not take the order.
    pub fn spoil(&self, how: Spoiled) {
        let word = match how {
            Spoiled::Not => "none",
            Spoiled::Throttle => "throttle",
            Spoiled::Firewall => "firewall",
            Spoiled::Unavailable => "unavailable",
            Spoiled::Torn => "torn",
            Spoiled::Slow500 => "slow500",
            Spoiled::Hang => "hang",
        };
        let dir = self.dir.path().display();
        let mut socket = UnixStream::connect(self.dir.path().join("haproxy.sock"))
            .expect("HAProxy has an admin socket");
        let order = format!("set map {dir}/faults.map {PATH} {word}\n");
        socket.write_all(order.as_bytes()).expect("it reads orders");
        let mut said = String::new();
        socket.read_to_string(&mut said).expect("it answers");
        assert!(said.trim().is_empty(), "HAProxy says: {said}");
    }
}
