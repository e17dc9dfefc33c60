//! An OIDC issuer that others wrote: `mock-oauth2-server`, by the Norwegian Labour and Welfare
//! Administration. Every first part of a path is an issuer of its own.

use std::net::{SocketAddr, TcpStream};

use tempfile::TempDir;

use crate::{
    cache, java,
    kafka::{PROXY_PORT, free_host},
    process::{self, Process},
    wait::{DEADLINE, wait_until},
};

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId>
  <artifactId>oidc</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>no.nav.security</groupId>
      <artifactId>mock-oauth2-server</artifactId>
      <version>6.0.2</version>
    </dependency>
    <dependency>
      <groupId>ch.qos.logback</groupId>
      <artifactId>logback-classic</artifactId>
      <version>1.5.18</version>
    </dependency>
  </dependencies>
</project>
"#;
const MAIN: &str = "no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt";
/// The issuer [`ENGINES`] says in its tokens which application they were given to.
const CONFIG: &str = r#"{"interactiveLogin":false,"httpServer":"NettyWrapper","tokenCallbacks":[
{"issuerId":"engines","tokenExpiry":300,"requestMappings":[{"requestParam":"grant_type",
"match":"client_credentials","claims":{"sub":"engine","aud":["rows"],"azp":"app"}}]}]}"#;

/// An issuer whose tokens are of the application `app`, for `rows`.
pub const ENGINES: &str = "engines";

/// The issuer; dropping it ends it.
#[derive(Debug)]
pub struct MockIssuer {
    address: SocketAddr,
    _dir: TempDir,
    _process: Process,
}

impl MockIssuer {
    /// Starts it; the first time its jars are fetched.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let class_path = java::class_path_of("oidc", POM);
        let dir = cache::run_dir("oidc-");
        let address = SocketAddr::from((free_host(), PROXY_PORT));
        let mut command = process::command(java::program());
        command.args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(class_path).arg(MAIN).env("JSON_CONFIG", CONFIG);
        command.env("SERVER_HOSTNAME", address.ip().to_string());
        command.env("SERVER_PORT", address.port().to_string());
        let log = dir.path().join("log");
        process::log_to(&mut command, &log);
        let mut process = Process::spawn(command);
        wait_until("the issuer listens", DEADLINE, || {
            let ended = process.exited();
            assert!(ended.is_none(), "the issuer has ended:\n{}", process::tail(&log, 20));
            TcpStream::connect(address).is_ok()
        });
        Self { address, _dir: dir, _process: process }
    }

    /// The URL of one of its issuers.
    pub fn url(&self, issuer: &str) -> String {
        format!("http://{}/{issuer}", self.address)
    }
}
