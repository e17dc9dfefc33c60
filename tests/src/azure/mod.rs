//! A strict stand-in for what the service asks of Azure: vaults, Entra ID, the identity endpoints
//! of a machine, a proxy on the way, and an OIDC issuer beside them.
//!
//! It checks what Azure checks (challenge, signature, issuer, audience, expiry, tenant, API
//! version, roles) and answers with Azure's texts. Names stay real: the proxy leads
//! `NAME.vault.azure.net:443` and `login.microsoftonline.com:443` here, so a child process with
//! [`Azure::environment`] needs no setting of its own, and TLS names and the check of the vault's
//! challenge stay on.
//!
//! What is spoiled on purpose is named by its place: a host and the beginning of a path, such as
//! `kv1.vault.azure.net/secrets/kafka-ca` ([`Azure::spoil`]).

mod authority;
mod endpoint;
mod entra;
mod faults;
mod issuer;
mod jwt;
mod listen;
mod message;
mod proxy;
mod vault;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

pub use self::{
    entra::{APP, Principal, SYSTEM, TENANT, USER, WORKLOAD},
    faults::{Certificate, Fault},
    issuer::Issuer,
    vault::{Object, Vault},
};
use self::{faults::Faults, issuer::IssuerState, jwt::SigningKey, vault::VaultState};
use crate::{
    cache,
    engine::runtime,
    wait::{DEADLINE, wait_until},
};

/// What the platform of the identity endpoint expects in `X-IDENTITY-HEADER`.
pub const IDENTITY_HEADER: &str = "CANARY-identity-header";
/// The subject of service account tokens that Entra ID trusts.
pub const SERVICE_ACCOUNT: &str = "system:serviceaccount:kafka:output";

/// Azure on loopback; dropping it ends it.
#[derive(Debug)]
pub struct Azure {
    state: Arc<State>,
    dir: TempDir,
    tls: SocketAddr,
    plain: SocketAddr,
    proxy: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

/// What all of its parts share.
#[derive(Debug)]
struct State {
    faults: Faults,
    vaults: Mutex<Vec<VaultState>>,
    entra_keys: Mutex<Vec<SigningKey>>,
    issuer: Mutex<IssuerState>,
    /// How long tokens hold, in seconds.
    token_life_s: AtomicU64,
    /// How far the clocks are ahead of this machine's, in seconds.
    vault_clock_s: AtomicI64,
    entra_clock_s: AtomicI64,
    /// Every token that was given out, to look for it where it must not be.
    given: Mutex<Vec<String>>,
    /// Hosts that were shown a token or another credential.
    shown: Mutex<Vec<String>>,
    /// Hosts that were asked for through the proxy.
    proxied: Mutex<Vec<String>>,
    /// Where the proxy leads those who want a vault.
    vaults_are_at: Mutex<SocketAddr>,
}

impl Azure {
    /// Starts it on free ports.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_at(any, any)
    }

    /// Starts it where Azure itself is: `tls` for vaults and Entra ID, `plain` for the identity
    /// endpoints. For a network namespace of its own.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start_at(tls: SocketAddr, plain: SocketAddr) -> Self {
        let dir = cache::run_dir("azure-");
        let authority = authority::Authority::new();
        let leaf = authority.good_leaf();
        let (certificate, key) = (leaf.certificate_pem(), leaf.key_pem());
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).expect("a new directory can be written");
        };
        write("ca.pem", authority.pem());
        write("server.pem", &certificate);
        write("server.key", &key);
        let configs = Arc::new(authority.configs(&leaf));
        let bind = |address| runtime().block_on(TcpListener::bind(address)).expect("a free port");
        let (tls, plain) = (bind(tls), bind(plain));
        let proxy = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = |listener: &TcpListener| listener.local_addr().expect("it listens");
        let addresses = [address(&tls), address(&plain), address(&proxy)];
        let state = Arc::new(State {
            faults: Faults::default(),
            vaults: Mutex::default(),
            entra_keys: Mutex::new(vec![SigningKey::generate()]),
            issuer: Mutex::new(IssuerState::new(&format!("http://{}/oidc", addresses[1]))),
            token_life_s: AtomicU64::new(3600),
            vault_clock_s: AtomicI64::new(0),
            entra_clock_s: AtomicI64::new(0),
            given: Mutex::default(),
            shown: Mutex::default(),
            proxied: Mutex::default(),
            vaults_are_at: Mutex::new(addresses[0]),
        });
        let tasks = vec![
            runtime().spawn(listen::tls(tls, configs, state.clone())),
            runtime().spawn(listen::plain(plain, state.clone())),
            runtime().spawn(proxy::run(proxy, addresses[0], state.clone())),
        ];
        let [tls, plain, proxy] = addresses;
        Self { state, dir, tls, plain, proxy, tasks }
    }

    /// The variables of a process that runs on a machine of Azure (App Service, Container Apps).
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut variables = self.network();
        variables.push(("IDENTITY_ENDPOINT".into(), format!("http://{}/msi/token", self.plain)));
        variables.push(("IDENTITY_HEADER".into(), IDENTITY_HEADER.into()));
        variables
    }

    /// The variables of a pod whose service account's token is `token`.
    ///
    /// # Panics
    /// When the token's file cannot be written.
    pub fn pod_environment(&self, token: &str) -> Vec<(String, String)> {
        let file = self.dir.path().join("service-account-token");
        fs::write(&file, token).expect("the run's directory can be written");
        let mut variables = self.network();
        variables.push(("AZURE_CLIENT_ID".into(), WORKLOAD.client_id.into()));
        variables.push(("AZURE_TENANT_ID".into(), TENANT.into()));
        let file = file.to_string_lossy().into_owned();
        variables.push(("AZURE_FEDERATED_TOKEN_FILE".into(), file));
        variables
    }

    /// The way to it and whom to trust, without an identity.
    pub fn network(&self) -> Vec<(String, String)> {
        let ca = self.ca_file().to_string_lossy().into_owned();
        vec![("HTTPS_PROXY".into(), format!("http://{}", self.proxy)), ("SSL_CERT_FILE".into(), ca)]
    }

    /// A service account's token, as a cluster makes it for a pod; Entra ID trusts that of
    /// [`SERVICE_ACCOUNT`].
    pub fn service_account_token(&self, subject: &str) -> String {
        self.issuer().token(serde_json::json!({
            "sub": subject,
            "aud": ["api://AzureADTokenExchange"],
        }))
    }

    /// A token of Entra ID for a resource, as a wrong endpoint might hand it out.
    pub fn entra_token(&self, principal: &Principal, resource: &str) -> String {
        entra::issue(principal, resource, &self.state).0
    }

    /// The authority that has signed its certificates.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The certificate that it shows and its key, for programs that stand in front of it.
    pub fn server_files(&self) -> (PathBuf, PathBuf) {
        (self.dir.path().join("server.pem"), self.dir.path().join("server.key"))
    }

    /// Where it answers without TLS, also for vaults: what stands in front of it leads here.
    pub fn plain_address(&self) -> SocketAddr {
        self.plain
    }

    /// Where it answers with TLS: vaults and Entra ID.
    pub fn tls_address(&self) -> SocketAddr {
        self.tls
    }

    /// From now on the proxy leads those who want a vault to this address.
    pub fn lead_vaults_to(&self, address: SocketAddr) {
        *lock(&self.state.vaults_are_at) = address;
    }

    /// A directory that lives as long as this.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A vault, by its name.
    pub fn vault(&self, name: &str) -> Vault<'_> {
        Vault::new(&self.state, name)
    }

    /// The OIDC issuer.
    pub fn issuer(&self) -> Issuer<'_> {
        Issuer::new(&self.state, self.tls)
    }

    /// Where Kafka finds the keys of Entra ID's tokens; plain HTTP on loopback.
    pub fn entra_jwks_url(&self) -> String {
        format!("http://{}/{TENANT}/discovery/v2.0/keys", self.plain)
    }

    /// The issuer of Entra ID's tokens.
    pub fn entra_issuer(&self) -> String {
        entra::issuer()
    }

    /// Entra ID signs with a new key; it still publishes the old ones.
    pub fn rotate_entra_keys(&self) {
        lock(&self.state.entra_keys).insert(0, SigningKey::generate());
    }

    /// Entra ID publishes its newest key alone.
    pub fn withdraw_old_entra_keys(&self) {
        lock(&self.state.entra_keys).truncate(1);
    }

    /// New tokens hold so long.
    pub fn set_token_life(&self, seconds: u64) {
        self.state.token_life_s.store(seconds, Ordering::Relaxed);
    }

    /// The clock of all vaults is ahead by so much.
    pub fn set_vault_clock(&self, ahead_s: i64) {
        self.state.vault_clock_s.store(ahead_s, Ordering::Relaxed);
    }

    /// The clock of whoever gives out tokens is ahead by so much.
    pub fn set_entra_clock(&self, ahead_s: i64) {
        self.state.entra_clock_s.store(ahead_s, Ordering::Relaxed);
    }

    /// From now on `fault` happens at `place`: a host and the beginning of a path.
    pub fn spoil(&self, place: &str, fault: Fault) {
        self.state.faults.add(place, fault, None);
    }

    /// `fault` happens at `place` so many times.
    pub fn spoil_times(&self, place: &str, times: usize, fault: Fault) {
        self.state.faults.add(place, fault, Some(times));
    }

    /// Nothing is spoiled any more.
    pub fn mend(&self) {
        self.state.faults.clear();
    }

    /// How many requests came to `place`, whatever became of them.
    pub fn requests(&self, place: &str) -> usize {
        self.state.faults.requests(place)
    }

    /// Every token that was given out so far, good or bad.
    pub fn given_tokens(&self) -> Vec<String> {
        lock(&self.state.given).clone()
    }

    /// Whether a host was shown a token, good or bad.
    pub fn was_shown_a_token(&self, host: &str) -> bool {
        lock(&self.state.shown).iter().any(|shown| shown == host)
    }

    /// The hosts that were asked for through the proxy, in order.
    pub fn proxied(&self) -> Vec<String> {
        lock(&self.state.proxied).clone()
    }
}

impl Drop for Azure {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if !thread::panicking() {
            // Its ports are free when this returns.
            let ended = || self.tasks.iter().all(JoinHandle::is_finished);
            wait_until("the stand-in of Azure ends", DEADLINE, ended);
        }
    }
}

/// Where the App Service's endpoint is spoiled.
pub const APP_SERVICE: &str = "/msi/token";
/// Where IMDS is spoiled.
pub const IMDS: &str = "169.254.169.254/metadata/identity/oauth2/token";
/// Where Entra ID is spoiled.
pub const ENTRA: &str = "login.microsoftonline.com/";
/// Where the proxy is spoiled.
pub const PROXY: &str = "proxy/";

impl State {
    fn entra_now(&self) -> i64 {
        now() + self.entra_clock_s.load(Ordering::Relaxed)
    }

    fn vault_now(&self) -> i64 {
        now() + self.vault_clock_s.load(Ordering::Relaxed)
    }

    fn token_life(&self) -> i64 {
        i64::try_from(self.token_life_s.load(Ordering::Relaxed)).expect("a sensible time")
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_secs()).expect("it is before the year 3000")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
