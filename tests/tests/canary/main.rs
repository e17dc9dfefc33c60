//! No secret comes out. Unique values stand everywhere that a job may refer to, and in everything
//! that a caller shows; the service and every command run with them, well and badly, with the most
//! detailed logs; and of all that comes out, not a byte of them is found. Nor does another process
//! of the same user read them in the service's memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod callers;
mod memory;
mod planted;

use std::{fs, path::Path, process::Command};

use tests::{
    azure::{Azure, Fault},
    cache,
    certs::{Template, authority},
    engine::{
        Engine,
        job::{job_of, output, with_admin},
        load::{COLUMNS, rows},
    },
    kafka::{Listener, Right, SecureBrokers, USER, shared_secure, unique_topic},
    oidc, process,
    service::{Service, ServiceOptions, program},
    wait::DEADLINE,
};

use self::planted::Planted;

/// The most detailed logs that there are.
const LOGS: (&str, &str) = ("KAFKA_OUTPUT_LOG", "trace,librdkafka=trace");
/// A client of the issuer.
const CLIENT: &str = "canary-client";
/// A user with a secret of its own.
const CANARY_USER: &str = "canary-user";
/// The vault's host.
const HOST: &str = "canary.vault.azure.net";

/// An output: its alias, its way into the brokers, its keys in YAML's flow style.
type Output = (&'static str, Listener, String);

/// What was printed, and by what.
type Shown = Vec<(String, String)>;

/// Runs a command of the binary; returns how it ended and all that it printed.
fn run(arguments: &[&str], variables: &[(String, String)]) -> (Option<i32>, String) {
    let mut command: Command = process::command(program());
    command.args(arguments).env(LOGS.0, LOGS.1);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr];
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (output.status.code(), text)
}

/// Puts a file there; returns the reference of a job file to it.
fn file(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    format!("{{ file: {} }}", path.display())
}

/// A running service with the most detailed logs.
fn start(job: &str, variables: &[(String, String)]) -> Service {
    let options = ServiceOptions::default().env(LOGS.0, LOGS.1);
    let options = variables.iter().fold(options, |options, (name, value)| options.env(name, value));
    Service::start_with(job, &options)
}

/// What a support bundle of the service has inside, and `top` prints; with these variables, of which
/// neither may make use.
fn bundle(service: &Service, to: &Path, variables: &[(String, String)]) -> String {
    let (admin, to) = (service.admin(), to.to_str().unwrap());
    let (code, told) = run(&["support-bundle", "--admin", admin.address(), "--to", to], variables);
    assert_eq!(code, Some(0), "{told}");
    let unpacked = Command::new("tar").args(["-xzOf", to]).output().unwrap();
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    let inside = String::from_utf8(unpacked.stdout).unwrap();
    for part in ["bootstrapServers:", "\"bootstrapServers\":", "kafka_output_up", "kernel: Linux"] {
        assert!(inside.contains(part), "{part} should be in it: {inside}");
    }
    let (code, table) = run(&["top", "--once", "--admin", admin.address()], variables);
    assert_eq!(code, Some(0), "{table}");
    told + &inside + &table
}

/// A place for everything that is planted, and what there is to plant it with.
struct Field<'a> {
    dir: &'a Path,
    planted: Planted,
    /// `truststore: …`.
    trust: String,
    /// What a wrong password is.
    wrong: String,
    /// A key store, and what opens it.
    store: String,
    opens: String,
}

impl<'a> Field<'a> {
    fn new(dir: &'a Path) -> Self {
        let mut planted = Planted::default();
        let trust = format!("truststore: {}", file(dir, "ca.pem", authority().pem()));
        let wrong = file(dir, "wrong", planted.text("wrong"));
        let store_password = planted.text("store");
        let pair = authority().issue(&Template::client(CANARY_USER));
        planted.key(&pair.key_pem());
        let store = file(dir, "client.pfx", pair.pfx(&store_password));
        let opens = file(dir, "opens", &store_password);
        file(dir, "client.pem", pair.chain_pem() + &pair.key_pem());
        let encrypted = pair.chain_pem() + &pair.key_encrypted_pem(&store_password);
        file(dir, "encrypted.pem", encrypted);
        Self { dir, planted, trust, wrong, store, opens }
    }

    fn sasl(&self, mechanism: &str, password: &str) -> String {
        let trust = &self.trust;
        format!(
            "securityProtocol: SASL_SSL, {trust}, sasl: {{ mechanism: {mechanism}, username: \
             {CANARY_USER}, password: {password} }}"
        )
    }

    fn by_token(&self, secret: &str) -> String {
        let (trust, endpoint) = (&self.trust, oidc::shared().token_endpoint());
        format!(
            "securityProtocol: SASL_SSL, {trust}, sasl: {{ mechanism: OAUTHBEARER, token: {{ \
             endpoint: '{endpoint}', clientId: {CLIENT}, clientSecret: {secret} }} }}"
        )
    }

    fn by_certificate(&self, keys: &str) -> String {
        format!("securityProtocol: mTLS, {}, clientCertificate: {keys}", self.trust)
    }

    fn of_file(&self, name: &str) -> String {
        format!("{{ file: {} }}", self.dir.join(name).display())
    }

    /// Outputs that write.
    fn good(&mut self) -> Vec<Output> {
        let client_secret = self.planted.text("client-secret");
        oidc::shared().set_client(CLIENT, &client_secret);
        let client_secret = file(self.dir, "client-secret", client_secret);
        let opens = &self.opens;
        let (pem, encrypted) = (self.of_file("client.pem"), self.of_file("encrypted.pem"));
        let store = format!("{}, clientKeyPassword: {opens}", self.store);
        let encrypted = format!("{encrypted}, clientKeyPassword: {opens}");
        vec![
            ("plain", Listener::SaslSsl, self.sasl("PLAIN", "{ env: CANARY_PASSWORD }")),
            ("scram", Listener::SaslSsl, self.sasl("SCRAM-SHA-512", "{ secret: password }")),
            // It has to log in again and again.
            ("brief", Listener::SaslBrief, self.sasl("PLAIN", "{ env: CANARY_PASSWORD }")),
            ("token", Listener::SaslSsl, self.by_token(&client_secret)),
            ("certificate", Listener::Mtls, self.by_certificate(&pem)),
            ("store", Listener::Mtls, self.by_certificate(&store)),
            ("encrypted", Listener::Mtls, self.by_certificate(&encrypted)),
        ]
    }

    /// Outputs that do not.
    fn bad(&self) -> Vec<Output> {
        let password = "{ secret: password }";
        vec![
            ("wrong-plain", Listener::SaslSsl, self.sasl("PLAIN", &self.wrong)),
            ("wrong-scram", Listener::SaslSsl, self.sasl("SCRAM-SHA-256", &self.wrong)),
            ("wrong-client", Listener::SaslSsl, self.by_token(&self.wrong)),
            ("wrong-place", Listener::SaslSsl, self.sasl("PLAIN", "{ secret: absent }")),
            ("no-key", Listener::Mtls, self.by_certificate("{ secret: broken }")),
            ("plain-port", Listener::Plaintext, self.sasl("PLAIN", password)),
        ]
    }

    /// Job files that are wrong, or whose secrets are.
    fn mistakes(&mut self) -> Vec<(&'static str, String)> {
        let literal = self.planted.text("literal");
        let not_a_key = file(self.dir, "not-a-key", self.planted.text("not-a-key"));
        let broken = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            self.planted.text("brokenkey")
        );
        let broken = file(self.dir, "broken.pem", broken);
        let sasl = |password: &str| {
            format!(
                "securityProtocol: SASL_SSL, sasl: {{ mechanism: PLAIN, username: u, password: \
                 {password} }}"
            )
        };
        let clear = sasl(&format!("{{ clearTextForTests: {literal} }}"));
        let raw = format!("librdkafka: {{ sasl.password: {literal}, ssl.key.pem: {literal} }}");
        let wrong_store = format!("{}, clientKeyPassword: {}", self.store, self.wrong);
        let mistakes = [
            ("literal.yaml", sasl(&literal)),
            ("misspelled.yaml", format!("pasword: {literal}")),
            ("dotted.yaml", format!("sasl.password: {literal}")),
            ("raw.yaml", raw),
            ("clear.yaml", clear),
            ("not-a-key.yaml", self.by_certificate(&not_a_key)),
            ("broken-key.yaml", self.by_certificate(&broken)),
            ("wrong-store.yaml", self.by_certificate(&wrong_store)),
        ];
        let job = |keys: &str| job_of(&[output("a", "k:9092", "t", keys)]);
        mistakes.iter().map(|(name, keys)| (*name, job(keys))).collect()
    }

    /// A job that is right, with the connection string of another namespace.
    fn other_hub(&mut self) -> String {
        let connection_string = format!(
            "Endpoint=sb://other.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey={};\
             EntityPath=other",
            self.planted.text("accesskey")
        );
        let connection_string = file(self.dir, "connection-string", connection_string);
        let keys = format!("sasl: {{ mechanism: PLAIN, password: {connection_string} }}");
        job_of(&[output("a", "ns.servicebus.windows.net:9093", "t", &keys)])
    }
}

#[test]
fn no_secret_comes_out() {
    let brokers = shared_secure();
    let azure = Azure::start();
    let dir = cache::run_dir("canary-");
    let mut field = Field::new(dir.path());
    let password = field.planted.text("password");
    let topic = plant_in_brokers(&brokers, &password);
    azure.vault("canary").set("password", &password);
    azure.vault("canary").set("broken", &field.planted.text("vault-broken"));
    let (good, bad) = (field.good(), field.bad());
    let (mistakes, other_hub) = (field.mistakes(), field.other_hub());
    let line = |(alias, listener, keys): &Output| {
        output(alias, &brokers.bootstrap(*listener), &topic, keys)
    };
    let head =
        format!("identity: {{ type: systemAssigned }}\nvault: https://{HOST}\nsecretRefresh: 1s\n");
    let outputs: Vec<_> = good.iter().chain(&bad).map(line).collect();
    let job = head + &with_admin(&job_of(&outputs));
    let mut variables = azure.environment();
    variables.push(("CANARY_PASSWORD".to_owned(), password.clone()));

    let service = start(&job, &variables);
    let arguments = fs::read(format!("/proc/{}/cmdline", service.pid())).unwrap();
    let bundled = |service: &Service| bundle(service, &dir.path().join("all.gz"), &variables);
    let told = live_through(service, &good, &bad, &brokers, &azure, bundled);
    let hub = start(&with_admin(&other_hub), &variables);
    let of_hub = bundle(&hub, &dir.path().join("hub.gz"), &variables);
    drop(hub);
    let mut shown = vec![
        ("arguments".to_owned(), String::from_utf8_lossy(&arguments).into_owned()),
        ("serve".to_owned(), told),
        ("bundle of another hub".to_owned(), of_hub),
    ];
    // Each command, with the job that works in part, and with those that do not at all.
    commands("good.yaml", "plain", &job, &field, &variables, &mut shown);
    commands("other-hub.yaml", "a", &other_hub, &field, &variables, &mut shown);
    for (name, text) in &mistakes {
        commands(name, "a", text, &field, &variables, &mut shown);
        let path = dir.path().join(name);
        shown
            .push((format!("serve {name}"), run(&["serve", path.to_str().unwrap()], &variables).1));
    }
    for token in azure.given_tokens() {
        field.planted.add(token);
    }
    let bytes = field.planted.assert_absent_in(&shown);
    assert!(bytes > 100_000, "the logs are as detailed as can be: {bytes} bytes");
    // The search finds what is there.
    let leak = [("a leak".to_owned(), format!("x{password}x"))];
    let found = std::panic::catch_unwind(|| field.planted.assert_absent_in(&leak));
    assert!(found.is_err());
}

/// A topic, and who may write to it.
fn plant_in_brokers(brokers: &SecureBrokers, password: &str) -> String {
    let topic = unique_topic("canary");
    brokers.create_topic(&topic, 1, CANARY_USER);
    brokers.set_passwords(CANARY_USER, password);
    brokers.create_topic(&unique_topic("canary-other"), 1, USER);
    brokers.allow(CLIENT, Right::Write(&topic));
    topic
}

/// Each command that reads a job file.
fn commands(
    name: &str,
    alias: &str,
    job: &str,
    field: &Field<'_>,
    variables: &[(String, String)],
    shown: &mut Shown,
) {
    let path = field.dir.join(name);
    fs::write(&path, job).unwrap();
    let path = path.to_str().unwrap();
    file(field.dir, "rows.csv", "n\n1\n");
    let rows = field.dir.join("rows.csv");
    let rows = rows.to_str().unwrap();
    for words in [
        vec!["check", "--offline", path],
        vec!["--output", "json", "check", "--offline", path],
        vec!["config", "print", path, "--sources"],
        vec!["config", "print", path, "--sources", "--output", "json"],
        vec!["check", path],
        vec!["--output", "json", "check", path],
        vec!["preview", path, "--output", alias, rows],
    ] {
        shown.push((words.join(" "), run(&words, variables).1));
    }
}

/// Takes the service through good and bad times; returns its logs and all that it told.
fn live_through(
    service: Service,
    good: &[Output],
    bad: &[Output],
    brokers: &SecureBrokers,
    azure: &Azure,
    bundled: impl FnOnce(&Service) -> String,
) -> String {
    let engine = Engine::connect(&service);
    for (alias, ..) in good {
        engine.wait_ready(alias);
        let mut stream = engine.open(alias, "writer");
        stream.declare(&COLUMNS);
        stream.send(rows("writer", 0..10, ""));
        stream.wait_durable();
    }
    for (alias, ..) in bad {
        engine.wait_output(alias, "says what is wrong", |output| {
            !["", "CREDENTIALS_PENDING", "BROKER_UNREACHABLE"].contains(&&*output.trouble_code)
        });
    }
    // The vault refuses on connections that live, then it cannot be reached any more.
    azure.spoil(HOST, Fault::status(500, r#"{"error":{"code":"InternalError"}}"#));
    engine.wait_output("scram", "is told that the vault fails", |output| {
        output.credentials_trouble_code == "VAULT_FAILED"
    });
    azure.spoil(HOST, Fault::TlsReset);
    azure.spoil(HOST, Fault::CutAfter(0));
    engine.wait_output("scram", "is told that the vault is away", |output| {
        !["", "VAULT_FAILED"].contains(&&*output.credentials_trouble_code)
    });
    // A password is changed at the brokers alone: whoever has to log in again is refused.
    brokers.set_passwords(CANARY_USER, "another-password");
    engine.wait_output("brief", "is told that its password is wrong", |output| {
        !output.trouble_code.is_empty()
    });
    let told: Vec<_> =
        good.iter().chain(bad).map(|(alias, ..)| format!("{:?}", engine.output(alias))).collect();
    let inside = bundled(&service);
    azure.mend();
    let ended = service.terminate(DEADLINE);
    ended.stdout + &ended.stderr + &told.join("\n") + &inside
}
