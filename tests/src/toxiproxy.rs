//! Toxiproxy in front of a vault: a spoiled network that a stand-in of ours should not judge alone.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    azure::Azure,
    cache,
    kafka::{PROXY_PORT, free_host},
    process::{self, Process},
    tools,
    wait::{DEADLINE, wait_until},
};

const NAME: &str = "vault";

/// Toxiproxy between the proxy of [`Azure`] and its vaults.
#[derive(Debug)]
pub struct Toxiproxy {
    api: SocketAddr,
    listen: SocketAddr,
    _dir: TempDir,
    _process: Process,
}

impl Toxiproxy {
    /// Starts it before the vaults of `azure`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn before(azure: &Azure) -> Self {
        let dir = cache::run_dir("toxiproxy-");
        let host = free_host();
        let api = SocketAddr::from((host, PROXY_PORT));
        let listen = SocketAddr::from((host, PROXY_PORT + 1));
        let mut command = process::command(tools::toxiproxy());
        command.args(["-host", &host.to_string(), "-port", &PROXY_PORT.to_string()]);
        let log = dir.path().join("log");
        process::log_to(&mut command, &log);
        let mut process = Process::spawn(command);
        wait_until("Toxiproxy listens", DEADLINE, || {
            let ended = process.exited();
            assert!(ended.is_none(), "Toxiproxy has ended:\n{}", process::tail(&log, 20));
            TcpStream::connect(api).is_ok()
        });
        let proxy = Self { api, listen, _dir: dir, _process: process };
        let (listen, upstream) = (listen.to_string(), azure.tls_address().to_string());
        let made = json!({ "name": NAME, "listen": listen, "upstream": upstream, "enabled": true });
        proxy.call("POST", "/proxies", Some(&made));
        azure.lead_vaults_to(proxy.listen);
        proxy
    }

    /// Adds a toxic to what comes from the vault: its type, and its attributes. Living connections
    /// have it, too.
    pub fn add(&self, kind: &str, attributes: &Value) {
        let toxic = json!({ "type": kind, "stream": "downstream", "attributes": attributes });
        self.call("POST", &format!("/proxies/{NAME}/toxics"), Some(&toxic));
    }

    /// Nobody listens any more, and connections end.
    pub fn down(&self) {
        self.call("POST", &format!("/proxies/{NAME}"), Some(&json!({ "enabled": false })));
    }

    /// Unspoiled again.
    pub fn reset(&self) {
        self.call("POST", "/reset", None);
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(self.api).expect("Toxiproxy listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: tests\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.api,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("Toxiproxy reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("Toxiproxy answers");
        assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    }
}
