//! What a job file may say of identities, secrets, TLS, logins and callers, and what it means.

use std::{collections::BTreeMap, path::Path, time::Duration};

use keyvault::{Identity, ObjectKind, Reference, UserAssigned, VaultObject};
use serde_json::json;

use super::{
    super::{
        CallerRule, CertificateSource, Guarantee, Job, ListenTls, Login, Material, Output,
        PasswordMechanism, Profile, Protocol, Security, Tls, TokenSource, Tokens, Username,
        WriterRule, load,
    },
    job, read_back, with_output,
};

const ID: &str = "11111111-2222-3333-4444-555555555555";
const OTHER_ID: &str = "66666666-7777-8888-9999-000000000000";
const VERSION: &str = "4387e9f3d6e14c459867679a90fd0f79";
const CONTOSO: &str = "https://contoso.vault.azure.net";
const EVENT_HUBS: &str = "contoso.servicebus.windows.net:9093";

/// A job of one output with these keys, which may use an identity and two vaults.
fn with_vaults(keys: &str) -> String {
    format!(
        "identity: {{ type: systemAssigned }}\nvault: {CONTOSO}\n\
         vaults: {{ shared: https://Shared.vault.azure.net/ }}\n{}",
        with_output(keys)
    )
}

/// The only output of a job that may use vaults.
fn output(keys: &str) -> Output {
    let mut job = job(&with_vaults(keys));
    read_back(&job);
    job.outputs.remove(0)
}

/// The same for brokers of Event Hubs.
fn event_hubs(keys: &str) -> Output {
    let mut job = job(&with_vaults(keys).replace("k:9092", EVENT_HUBS));
    read_back(&job);
    job.outputs.remove(0)
}

/// A job that listens as these keys say.
fn listening(keys: &str) -> Job {
    let keys = keys.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let job = job(&format!("listen:\n  grpc:\n{keys}{}", with_output("")));
    read_back(&job);
    job
}

/// A file beside the job file.
fn file(name: &str) -> Reference {
    Reference::File(std::path::absolute(name).unwrap())
}

fn env(name: &str) -> Reference {
    Reference::Env(name.to_owned())
}

fn secret(name: &str) -> Reference {
    Reference::Vault(VaultObject {
        vault: CONTOSO.parse().unwrap(),
        kind: ObjectKind::Secret,
        name: name.to_owned(),
        version: None,
    })
}

fn material(source: Reference) -> Material {
    Material { source, password: None }
}

fn tls() -> Tls {
    Tls {
        truststore: None,
        client_certificate: None,
        trust_any_server_certificate: false,
        trust_any_host_name: false,
    }
}

fn certificate(certificate: Reference) -> CertificateSource {
    CertificateSource { certificate, key: None, password: None }
}

#[test]
fn every_identity_arrives() {
    let identity = |keys: &str| {
        let job = job(&format!("identity: {{ {keys} }}\n{}", with_output("")));
        read_back(&job);
        job.identity.unwrap()
    };
    let resource = "/subscriptions/x/resourceGroups/y/providers/Microsoft.ManagedIdentity/\
        userAssignedIdentities/z";
    let some = |text: &str| Some(text.to_owned());
    let assigned = Identity::UserAssigned;
    for (keys, expected) in [
        ("type: systemAssigned".to_owned(), Identity::SystemAssigned),
        (
            format!("type: userAssigned, clientId: {ID}"),
            assigned(UserAssigned::ClientId(ID.to_owned())),
        ),
        (
            format!("type: userAssigned, objectId: {}", ID.to_uppercase()),
            assigned(UserAssigned::ObjectId(ID.to_owned())),
        ),
        (
            format!("type: userAssigned, resourceId: {resource}"),
            assigned(UserAssigned::ResourceId(resource.to_owned())),
        ),
        (
            "type: workload".to_owned(),
            Identity::Workload { client_id: None, tenant_id: None, token_file: None },
        ),
        (
            format!("type: workload, clientId: {ID}, tenantId: {OTHER_ID}, tokenFile: token"),
            Identity::Workload {
                client_id: some(ID),
                tenant_id: some(OTHER_ID),
                token_file: Some(std::path::absolute("token").unwrap()),
            },
        ),
        ("type: azureCli".to_owned(), Identity::AzureCli { tenant_id: None }),
        (
            "type: azureCli, tenantId: contoso.onmicrosoft.com".to_owned(),
            Identity::AzureCli { tenant_id: some("contoso.onmicrosoft.com") },
        ),
    ] {
        assert_eq!(identity(&keys), expected, "{keys}");
    }
}

#[test]
fn secrets_are_looked_up_as_often_as_is_said() {
    for (text, expected) in [("1s", 1), ("90m", 5400), ("168h", 7 * 24 * 3600)] {
        let job = job(&format!("secretRefresh: {text}\n{}", with_output("")));
        read_back(&job);
        assert_eq!(job.secret_refresh, Duration::from_secs(expected));
    }
}

#[test]
fn an_identity_and_a_vault_may_have_no_use() {
    assert_eq!(output("").security.protocol, Protocol::None);
}

#[test]
fn every_reference_arrives() {
    let truststore = |keys: &str| {
        let output = output(&format!(
            "securityProtocol: mTLS\nclientCertificate: {{ file: c }}\ntruststore: {{ {keys} }}"
        ));
        output.security.tls.unwrap().truststore.unwrap().source
    };
    let object = |vault: &str, kind, version: Option<&str>| {
        let version = version.map(str::to_owned);
        let (vault, name) = (vault.parse().unwrap(), "kafka-ca".to_owned());
        Reference::Vault(VaultObject { vault, kind, name, version })
    };
    let shared = "https://shared.vault.azure.net";
    for (keys, expected) in [
        ("env: KAFKA_CA".to_owned(), env("KAFKA_CA")),
        ("file: ca.pem".to_owned(), file("ca.pem")),
        ("file: /run/ca.pem".to_owned(), Reference::File("/run/ca.pem".into())),
        ("secret: kafka-ca".to_owned(), object(CONTOSO, ObjectKind::Secret, None)),
        ("certificate: kafka-ca".to_owned(), object(CONTOSO, ObjectKind::Certificate, None)),
        (
            format!("secret: kafka-ca, vault: shared, version: {VERSION}"),
            object(shared, ObjectKind::Secret, Some(VERSION)),
        ),
        (
            format!("version: {VERSION}, certificate: kafka-ca, vault: {shared}"),
            object(shared, ObjectKind::Certificate, Some(VERSION)),
        ),
    ] {
        assert_eq!(truststore(&keys), expected, "{keys}");
    }
}

#[test]
fn a_relative_path_begins_at_the_folder_of_the_job_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.yaml");
    let keys = "securityProtocol: mTLS\nclientCertificate: { file: tls/client.pem }";
    std::fs::write(&path, with_output(keys)).unwrap();
    let job = load(&path).unwrap();
    let tls = job.outputs[0].security.tls.as_ref().unwrap();
    let expected = Reference::File(folder.path().join("tls/client.pem"));
    assert_eq!(tls.client_certificate, Some(certificate(expected)));
}

#[test]
fn every_protocol_arrives() {
    let security = |keys: &str| output(keys).security;
    let sasl = "sasl: { mechanism: PLAIN, username: u, password: { env: P } }";
    let login = Some(Login::Password {
        mechanism: PasswordMechanism::Plain,
        username: Username::Text("u".to_owned()),
        password: env("P"),
    });
    assert_eq!(
        security("securityProtocol: None"),
        Security { protocol: Protocol::None, tls: None, login: None }
    );
    assert_eq!(
        security(&format!("securityProtocol: SASL_PLAINTEXT\n{sasl}")),
        Security { protocol: Protocol::SaslPlaintext, tls: None, login: login.clone() }
    );
    assert_eq!(
        security(&format!("securityProtocol: SASL_SSL\n{sasl}")),
        Security { protocol: Protocol::SaslSsl, tls: Some(tls()), login: login.clone() }
    );
    assert_eq!(
        security("securityProtocol: mTLS\nclientCertificate: { certificate: c }").tls.map(|tls| {
            let certificate = tls.client_certificate.unwrap();
            (certificate.certificate.to_string(), certificate.key, certificate.password)
        }),
        Some(("the certificate `c` of https://contoso.vault.azure.net".to_owned(), None, None))
    );
    let both = security(&format!(
        "securityProtocol: SASL_SSL\n{sasl}\ntruststore: {{ file: ca }}\n\
         truststorePassword: {{ env: A }}\nclientCertificate: {{ file: c }}\n\
         clientKey: {{ secret: k }}\nclientKeyPassword: {{ env: B }}\ntrustAnyHostName: true"
    ));
    let expected = Tls {
        truststore: Some(Material { source: file("ca"), password: Some(env("A")) }),
        client_certificate: Some(CertificateSource {
            certificate: file("c"),
            key: Some(secret("k")),
            password: Some(env("B")),
        }),
        trust_any_host_name: true,
        ..tls()
    };
    assert_eq!(both, Security { protocol: Protocol::SaslSsl, tls: Some(expected), login });
    let any = security(
        "securityProtocol: mTLS\nclientCertificate: { file: c }\ntrustAnyServerCertificate: true",
    );
    assert!(any.tls.unwrap().trust_any_server_certificate);
}

#[test]
fn every_mechanism_arrives() {
    for (name, mechanism) in [
        ("PLAIN", PasswordMechanism::Plain),
        ("SCRAM-SHA-256", PasswordMechanism::ScramSha256),
        ("SCRAM-SHA-512", PasswordMechanism::ScramSha512),
    ] {
        for protocol in ["SASL_PLAINTEXT", "SASL_SSL"] {
            let output = output(&format!(
                "securityProtocol: {protocol}\nsasl: {{ mechanism: {name}, \
                 username: {{ secret: user }}, password: {{ secret: word }} }}"
            ));
            let expected = Login::Password {
                mechanism,
                username: Username::Reference(secret("user")),
                password: secret("word"),
            };
            assert_eq!(output.security.login, Some(expected), "{name}");
        }
    }
}

#[test]
fn tokens_are_of_the_identity_or_of_another_issuer() {
    let token = |protocol: &str, keys: &str| {
        let sasl = format!("sasl: {{ mechanism: OAUTHBEARER, token: {{ {keys} }} }}");
        match output(&format!("securityProtocol: {protocol}\n{sasl}")).security.login {
            Some(Login::Token(source)) => source,
            other => panic!("{other:?}"),
        }
    };
    let extensions = [("logicalCluster", "lkc-1"), ("identityPoolId", "pool-1")];
    let extensions: BTreeMap<_, _> =
        extensions.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    let of_identity = |extensions: BTreeMap<_, _>| TokenSource::Identity {
        scope: "api://kafka/.default".to_owned(),
        extensions,
    };
    let scope = "scope: api://kafka/.default";
    assert_eq!(token("SASL_PLAINTEXT", scope), of_identity(BTreeMap::new()));
    let more = "extensions: { logicalCluster: lkc-1, identityPoolId: pool-1 }";
    assert_eq!(token("SASL_SSL", &format!("{scope}, {more}")), of_identity(extensions.clone()));
    let small = TokenSource::ClientCredentials {
        token_endpoint: "http://localhost:8080/token".to_owned(),
        truststore: None,
        client_id: "c".to_owned(),
        client_secret: env("S"),
        scope: None,
        extensions: [].into(),
    };
    let keys = "endpoint: 'http://localhost:8080/token', clientId: c, clientSecret: { env: S }";
    assert_eq!(token("SASL_SSL", keys), small);
    let keys = "endpoint: 'https://login.example.org/token', clientId: c, scope: kafka, \
        clientSecret: { secret: s }, truststore: { file: ca }";
    let full = TokenSource::ClientCredentials {
        token_endpoint: "https://login.example.org/token".to_owned(),
        truststore: Some(material(file("ca"))),
        client_id: "c".to_owned(),
        client_secret: secret("s"),
        scope: Some("kafka".to_owned()),
        extensions,
    };
    assert_eq!(token("SASL_SSL", &format!("{keys}, {more}")), full);
}

#[test]
fn event_hubs_is_known_by_its_hosts() {
    let profile = |servers: &str, keys: &str| {
        let sasl = "sasl: { mechanism: PLAIN, username: $ConnectionString, password: { env: P } }";
        let yaml = with_output(&format!("{keys}\nsecurityProtocol: SASL_SSL\n{sasl}"));
        let job = job(&yaml.replace("k:9092", servers));
        read_back(&job);
        job.outputs[0].profile
    };
    for host in [
        "a.servicebus.windows.net",
        "A.ServiceBus.Windows.NET",
        "a.servicebus.chinacloudapi.cn",
        "a.servicebus.usgovcloudapi.net",
    ] {
        assert_eq!(profile(&format!("{host}:9093"), ""), Profile::EventHubs, "{host}");
        assert_eq!(profile(&format!("{host}:9093"), "profile: Kafka"), Profile::Kafka);
    }
    let several = "a.servicebus.windows.net:9093, b.servicebus.windows.net:9093";
    assert_eq!(profile(several, ""), Profile::EventHubs);
    for servers in [
        "servicebus.windows.net:9093",
        "a.servicebus.windows.net.example.org:9093",
        "a.servicebus.windows.net:9093,kafka:9093",
        // A relay of one's own may have another port.
        "kafka:9092",
    ] {
        assert_eq!(profile(servers, ""), Profile::Kafka, "{servers}");
        assert_eq!(profile(servers, "profile: EventHubs"), Profile::EventHubs);
    }
}

#[test]
fn event_hubs_has_defaults_of_its_own() {
    let output = event_hubs("sasl: { mechanism: OAUTHBEARER }");
    assert_eq!(output.profile, Profile::EventHubs);
    let scope = "https://contoso.servicebus.windows.net/.default".to_owned();
    let login = Some(Login::Token(TokenSource::Identity { scope, extensions: BTreeMap::new() }));
    assert_eq!(output.security, Security { protocol: Protocol::SaslSsl, tls: Some(tls()), login });
    assert_eq!(output.socket_timeout, Duration::from_secs(60));
    assert_eq!(output.batching.bytes, 1_000_000);
    assert!(output.idempotence);
    // A request may take its time, and no longer than the transaction that it is part of.
    let output = event_hubs("sasl: { mechanism: OAUTHBEARER }\nguarantee: exactlyOnce");
    assert_eq!(output.guarantee, Guarantee::ExactlyOnce);
    assert_eq!(output.socket_timeout, Duration::from_secs(60));
    assert_eq!(output.transactions.timeout, Duration::from_secs(60));
}

#[test]
fn event_hubs_takes_what_fits() {
    let output = event_hubs(
        "sasl: { mechanism: PLAIN, password: { secret: connection } }\nsocketTimeout: 20s\n\
         compression: { type: Gzip }\nacks: One\nbatching: { bytes: 500 KB }\n\
         packing: { rows: 1 }\nlibrdkafka: { metadata.max.age.ms: 180000, \
         connections.max.idle.ms: 180000, request.timeout.ms: 60000 }",
    );
    let login = Login::Password {
        mechanism: PasswordMechanism::Plain,
        username: Username::Text("$ConnectionString".to_owned()),
        password: secret("connection"),
    };
    assert_eq!(output.security.login, Some(login));
    assert_eq!(output.socket_timeout, Duration::from_secs(20));
    let endpoint = "endpoint: 'https://login.microsoftonline.com/t/oauth2/v2.0/token'";
    let output = event_hubs(&format!(
        "sasl: {{ mechanism: OAUTHBEARER, token: {{ {endpoint}, clientId: c, \
         clientSecret: {{ env: S }} }} }}"
    ));
    let Some(Login::Token(TokenSource::ClientCredentials { scope, .. })) = output.security.login
    else {
        panic!("a token of a client");
    };
    assert_eq!(scope.as_deref(), Some("https://contoso.servicebus.windows.net/.default"));
}

#[test]
fn a_listener_has_tls() {
    let tls = |keys: &str| listening(keys).grpc.tls.unwrap();
    let server = || certificate(file("s"));
    assert_eq!(
        tls("address: 0.0.0.0:7070\ntls: { certificate: { file: s } }"),
        ListenTls { certificate: server(), client_ca: None, client_certificate_optional: false }
    );
    assert_eq!(
        tls("tls:\n  certificate: { file: s }\n  key: { file: k }\n  password: { env: P }\n  \
             clientCa: { file: c }\n  clientCaPassword: { env: Q }\n  clientCertificate: Required"),
        ListenTls {
            certificate: CertificateSource {
                certificate: file("s"),
                key: Some(file("k")),
                password: Some(env("P")),
            },
            client_ca: Some(Material { source: file("c"), password: Some(env("Q")) }),
            client_certificate_optional: false,
        }
    );
    let optional = tls(&format!(
        "tls: {{ certificate: {{ file: s }}, clientCa: {{ file: c }}, clientCertificate: Optional }}\
         \ntokens: {{ tenant: {ID}, audiences: a, roles: [r] }}"
    ));
    assert!(optional.client_certificate_optional);
    let clear = job(&format!(
        "listen: {{ grpc: {{ tls: {{ certificate: {{ clearTextForTests: canary }} }} }} }}\n{}",
        with_output("")
    ));
    let shown = format!("{clear:?} {}", clear.to_json());
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_listener_asks_for_tokens() {
    let tokens = |keys: &str| listening(&format!("tokens: {{ {keys} }}")).grpc.tokens.unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let authority = "https://login.microsoftonline.com";
    let of_tenant = Tokens {
        issuer: format!("{authority}/{ID}/v2.0"),
        keys_url: format!("{authority}/{ID}/discovery/v2.0/keys"),
        truststore: None,
        audiences: texts(&["api://kafka-output"]),
        tenant: Some(ID.to_owned()),
        applications: texts(&[OTHER_ID]),
        roles: Vec::new(),
        clock_skew: Duration::from_secs(60),
    };
    assert_eq!(
        tokens(&format!(
            "tenant: {}, audiences: 'api://kafka-output', applications: [{OTHER_ID}]",
            ID.to_uppercase()
        )),
        of_tenant
    );
    assert_eq!(
        tokens(&format!(
            "tenant: {ID}, issuer: 'https://sts.windows.net/{ID}/', audiences: [a, b], \
             roles: [r, s], clockSkew: 0s, truststore: {{ file: ca }}"
        )),
        Tokens {
            issuer: format!("https://sts.windows.net/{ID}/"),
            truststore: Some(material(file("ca"))),
            audiences: texts(&["a", "b"]),
            applications: Vec::new(),
            roles: texts(&["r", "s"]),
            clock_skew: Duration::ZERO,
            ..of_tenant
        }
    );
    assert_eq!(
        tokens(
            "issuer: 'http://localhost:8080/default', keysUrl: 'http://[::1]:8080/jwks', \
             audiences: a, applications: [engine], roles: [r], clockSkew: 5m"
        ),
        Tokens {
            issuer: "http://localhost:8080/default".to_owned(),
            keys_url: "http://[::1]:8080/jwks".to_owned(),
            truststore: None,
            audiences: texts(&["a"]),
            tenant: None,
            applications: texts(&["engine"]),
            roles: texts(&["r"]),
            clock_skew: Duration::from_secs(300),
        }
    );
}

#[test]
fn writers_are_named_by_what_they_show() {
    let listen = format!(
        "listen: {{ grpc: {{ tls: {{ certificate: {{ file: s }}, clientCa: {{ file: c }} }}, \
         tokens: {{ tenant: {ID}, audiences: a, applications: [{ID}, {OTHER_ID}] }} }} }}\n"
    );
    let rules = format!(
        "writers:\n  - {{ subject: 'CN=engine, O=Contoso', prefix: query-7/ }}\n  - name: \
         spiffe://contoso/engine\n  - {{ application: {} }}\n  - {{ role: Rows.Write }}",
        OTHER_ID.to_uppercase()
    );
    let job = job(&format!("{listen}{}", with_output(&rules)));
    read_back(&job);
    let rule = |caller, prefix: &str| WriterRule { caller, prefix: prefix.to_owned() };
    let expected = vec![
        rule(CallerRule::Subject("CN=engine, O=Contoso".parse().unwrap()), "query-7/"),
        rule(CallerRule::Name("spiffe://contoso/engine".to_owned()), ""),
        rule(CallerRule::Application(OTHER_ID.to_owned()), ""),
        rule(CallerRule::Role("Rows.Write".to_owned()), ""),
    ];
    assert_eq!(job.outputs[0].writers, Some(expected));
}

#[test]
fn defaults_lend_tls_to_outputs_that_use_it() {
    let job = job("
name: j
defaults:
  bootstrapServers: localhost:9092
  truststore: { file: ca }
  truststorePassword: { env: CA }
  clientCertificate: { file: c }
  clientKey: { file: k }
  clientKeyPassword: { env: C }
  trustAnyHostName: true
  sasl: { mechanism: PLAIN, username: u, password: { env: P } }
outputs:
  - { alias: a, topic: t, securityProtocol: mTLS }
  - { alias: b, topic: t, securityProtocol: SASL_SSL, truststore: { env: OWN } }
  - alias: c
    topic: t
    securityProtocol: SASL_SSL
    clientCertificate: { env: OWN }
    clientKey: { env: KEY }
    trustAnyHostName: false
    sasl: { mechanism: SCRAM-SHA-256, username: v, password: { file: p } }
  - { alias: d, topic: t, securityProtocol: SASL_PLAINTEXT, sasl: { password: { file: p } } }
  - { alias: e, topic: t }
");
    read_back(&job);
    let [a, b, c, d, e] = job.outputs.as_slice() else { panic!("five outputs") };
    let lent = Tls {
        truststore: Some(Material { source: file("ca"), password: Some(env("CA")) }),
        client_certificate: Some(CertificateSource {
            certificate: file("c"),
            key: Some(file("k")),
            password: Some(env("C")),
        }),
        trust_any_server_certificate: false,
        trust_any_host_name: true,
    };
    assert_eq!(a.security.tls, Some(lent.clone()));
    assert_eq!(a.security.login, None);
    // Half of a reference is none, and another truststore has no such password …
    let truststore = Some(material(env("OWN")));
    assert_eq!(b.security.tls, Some(Tls { truststore, ..lent.clone() }));
    assert!(b.security.login.is_some());
    // … nor has another certificate such a key.
    let own = CertificateSource { key: Some(env("KEY")), ..certificate(env("OWN")) };
    let expected = Tls { client_certificate: Some(own), trust_any_host_name: false, ..lent };
    assert_eq!(c.security.tls, Some(expected));
    assert_eq!((&d.security.tls, &e.security.tls, &e.security.login), (&None, &None, &None));
    let Some(Login::Password { username, password, .. }) = &d.security.login else { panic!("d") };
    assert_eq!((username, password), (&Username::Text("u".to_owned()), &file("p")));
}

#[test]
fn defaults_lend_a_login_to_event_hubs() {
    let job = job(&format!(
        "
name: j
identity: {{ type: workload }}
defaults:
  bootstrapServers: {EVENT_HUBS}
  sasl: {{ mechanism: OAUTHBEARER }}
  profile: EventHubs
outputs:
  - {{ alias: a, topic: t }}
  - {{ alias: b, topic: t, bootstrapServers: 'kafka:9092', profile: Kafka }}
"
    ));
    assert!(job.outputs[0].security.login.is_some());
    assert_eq!(job.outputs[1].security.login, None);
}

#[test]
fn the_effective_configuration_names_places_and_no_secrets() {
    let job = job(&with_vaults(
        "securityProtocol: SASL_SSL\nclientCertificate: { certificate: c, vault: shared }\n\
         sasl: { mechanism: PLAIN, username: { env: U }, password: { secret: p } }",
    ));
    let shown = job.to_json();
    assert_eq!(shown["identity"], json!({ "type": "systemAssigned" }));
    let output = &shown["outputs"][0];
    assert_eq!(
        output["clientCertificate"],
        json!({ "certificate": "c", "vault": "https://shared.vault.azure.net" })
    );
    assert_eq!(
        output["sasl"],
        json!({
            "mechanism": "PLAIN",
            "username": { "env": "U" },
            "password": { "secret": "p", "vault": CONTOSO },
        })
    );
    assert_eq!(output["trustAnyServerCertificate"], false);
    assert_eq!(output.get("truststore"), None);
}

#[test]
fn the_examples_of_security_are_jobs() {
    let load = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
        let job = load(&path).unwrap_or_else(|faults| panic!("{faults}"));
        read_back(&job);
        job
    };
    let security = |job: &Job| job.outputs[0].security.clone();

    let mtls = security(&load("job-mtls.yaml"));
    assert_eq!(mtls.protocol, Protocol::Mtls);
    assert_eq!(mtls.tls.unwrap().truststore, Some(material(secret("kafka-ca"))));

    let confluent = security(&load("job-confluent.yaml"));
    let expected = Login::Password {
        mechanism: PasswordMechanism::Plain,
        username: Username::Reference(secret("confluent-api-key")),
        password: secret("confluent-api-secret"),
    };
    assert_eq!((confluent.protocol, confluent.login), (Protocol::SaslSsl, Some(expected)));

    let event_hubs = load("job-event-hubs.yaml");
    assert_eq!(event_hubs.identity, Some(Identity::SystemAssigned));
    assert_eq!(event_hubs.outputs[0].profile, Profile::EventHubs);
    let scope = "https://contoso.servicebus.windows.net/.default".to_owned();
    let token = Login::Token(TokenSource::Identity { scope, extensions: BTreeMap::new() });
    assert_eq!(security(&event_hubs).login, Some(token));

    let callers = load("job-secured-callers.yaml");
    assert!(callers.grpc.tls.unwrap().client_ca.is_some());
    assert_eq!(callers.grpc.tokens.unwrap().roles, ["Rows.Write"]);
    let caller = CallerRule::Subject("CN=engine".parse().unwrap());
    let rule = WriterRule { caller, prefix: "flights-".to_owned() };
    assert_eq!(callers.outputs[0].writers, Some(vec![rule]));
}
