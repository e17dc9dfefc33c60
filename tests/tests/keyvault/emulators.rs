//! Emulators of Entra ID and Key Vault that others wrote (entra-emulator 0.9 and
//! azure-keyvault-emulator 0.7), for whoever has their binaries and names them by `ENTRA_EMULATOR`
//! and `KEYVAULT_EMULATOR`. They show the certificate of the stand-in, whose proxy leads to them.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use tests::{
    azure::Azure,
    process::{self, Process},
    wait::{DEADLINE, wait_until},
};
use tokio::runtime::Runtime;

use super::worlds::{VAULT, World};

/// The seeds of the emulator, which are public.
const TENANT: &str = "6f89cf12-978b-4d23-ac18-9ef0c127cf87";
const APP: &str = "00d88624-f0d7-46f6-a641-6232c2608928";
const IDENTITY_HEADER: &str = "managed-identity-secret";
const VERSION: &str = "api-version=2025-07-01";

pub struct Emulators {
    azure: Azure,
    entra: u16,
    vault: u16,
    client: Client,
    runtime: Runtime,
    _processes: [Process; 2],
}

impl Emulators {
    /// Starts both, if both are named.
    pub fn start_if_named() -> Option<Self> {
        let (entra, vault) = (env::var_os("ENTRA_EMULATOR")?, env::var_os("KEYVAULT_EMULATOR")?);
        let azure = Azure::start();
        let (certificate, key) = azure.server_files();
        let dir = azure.dir().join("vault");
        fs::create_dir_all(dir.join("tls")).unwrap();
        fs::copy(&certificate, dir.join("tls/cert.pem")).unwrap();
        fs::copy(&key, dir.join("tls/key.pem")).unwrap();
        let (entra_port, vault_port) = (free_port(), free_port());

        let mut command = process::command(entra);
        command.env("SSL_CERT_FILE", azure.ca_file()).env("ENTRA_DATA_DIR", "");
        command.env("TLS_CERT", &certificate).env("TLS_KEY", &key);
        command.env("HOST", "127.0.0.1").env("PORT", entra_port.to_string());
        command.env("ORIGIN_MODE", "compat");
        let entra = spawn(command, &azure.dir().join("entra.log"), entra_port);
        let mut command = process::command(vault);
        command.arg("--data-dir").arg(&dir).arg("--addr").arg(format!("127.0.0.1:{vault_port}"));
        command.args(["--entra-tls-insecure", "--entra-issuer"]);
        command.arg(format!("https://localhost:{entra_port}/{TENANT}/v2.0"));
        let vault = spawn(command, &azure.dir().join("vault.log"), vault_port);

        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, vault_port));
        azure.lead_vaults_to(at);
        let ca = Certificate::from_pem(&fs::read(azure.ca_file()).unwrap()).unwrap();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([ca])
            .resolve(&format!("{VAULT}.vault.azure.net"), at)
            .build()
            .unwrap();
        let (runtime, _processes) = (Runtime::new().unwrap(), [entra, vault]);
        Some(Self { azure, entra: entra_port, vault: vault_port, client, runtime, _processes })
    }

    pub fn azure(&self) -> &Azure {
        &self.azure
    }

    /// Does something in the vault as the application, which may do anything.
    fn change(&self, method: Method, path: &str, body: &Value) -> Value {
        let resource = "resource=https://vault.azure.net&api-version=2019-08-01";
        let url = format!("https://localhost:{}/msi/token?{resource}", self.entra);
        let request = self.client.get(url).header("X-IDENTITY-HEADER", IDENTITY_HEADER);
        let token = self.send(request);
        let token = token["access_token"].as_str().unwrap();
        let url = format!("https://{VAULT}.vault.azure.net/secrets/{path}?{VERSION}");
        let request = self.client.request(method, url);
        let request = request.header("Authorization", format!("Bearer {token}"));
        self.send(request.header("Content-Type", "application/json").body(body.to_string()))
    }

    /// Tells the vault's emulator how to behave.
    fn order(&self, what: &str, body: &Value) {
        let url = format!("https://localhost:{}/_emulator/{what}", self.vault);
        let request = self.client.post(url).header("Content-Type", "application/json");
        self.send(request.body(body.to_string()));
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Value {
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let (status, text) = (response.status(), response.text().await.unwrap());
            assert!(status.is_success(), "{status}: {text}");
            serde_json::from_str(&text).unwrap_or_default()
        })
    }
}

impl World for Emulators {
    fn environment(&self) -> Vec<(String, String)> {
        let mut variables = self.azure.network();
        let endpoint = format!("https://localhost:{}/msi/token", self.entra);
        variables.push(("IDENTITY_ENDPOINT".into(), endpoint));
        variables.push(("IDENTITY_HEADER".into(), IDENTITY_HEADER.into()));
        variables
    }

    fn set(&self, name: &str, value: &str, content_type: Option<&str>) -> String {
        let body = json!({ "value": value, "contentType": content_type });
        let made = self.change(Method::PUT, name, &body);
        made["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    fn disable(&self, name: &str, version: &str) {
        let body = json!({ "attributes": { "enabled": false } });
        self.change(Method::PATCH, &format!("{name}/{version}"), &body);
    }

    fn delete(&self, name: &str) {
        self.change(Method::DELETE, name, &json!({}));
    }

    fn let_read(&self, may: bool) {
        let rights = if may { json!({}) } else { json!({ APP: ["secrets/list"] }) };
        self.order("permissions", &rights);
    }

    fn throttle_one(&self) {
        self.order("faults", &json!({ "throttleNextRequests": 1 }));
    }

    fn fail_one(&self) {
        self.order("faults", &json!({ "rejectNextRequests": 1 }));
    }

    fn set_clock(&self, ahead_s: i64) {
        let order = if ahead_s == 0 { "offset" } else { "advance" };
        self.order("clock", &json!({ order: ahead_s }));
    }
}

fn spawn(mut command: std::process::Command, log: &Path, port: u16) -> Process {
    process::log_to(&mut command, log);
    let mut process = Process::spawn(command);
    wait_until("the emulator listens", DEADLINE, || {
        assert!(process.exited().is_none(), "it has ended:\n{}", process::tail(log, 20));
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    process
}

/// A port that nobody has at this moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
