//! Faults of the vault: what it refuses, what it spoils, what is in it.

use std::time::{Duration, Instant};

use tests::{
    azure::{Azure, Fault, TENANT},
    certs::{Template, authority},
    engine::{
        Engine,
        job::{job_within, output},
    },
    kafka::{Listener, PASSWORD, USER, shared_secure, unique_topic},
    service::{Service, ServiceOptions},
};

use super::{Case, GOOD, end_good, start_good, wait_told};

const VAULT: &str = "faults";
const HOST: &str = "faults.vault.azure.net";

#[test]
fn faults_of_a_vault_are_told_apart_and_disturb_nobody() {
    let brokers = shared_secure();
    let azure = Azure::start();
    let vault = azure.vault(VAULT);
    let topic = unique_topic("vault-faults");
    brokers.create_topic(&topic, 1, USER);
    vault.set("kafka-ca", &authority().pem());
    let names = [
        GOOD,
        "refused",
        "forbidden",
        "firewall",
        "throttled",
        "broken",
        "slow",
        "silent",
        "torn",
        "disabled",
        "deleted",
    ];
    for name in names {
        vault.set(name, PASSWORD);
    }
    let ended = authority().issue(&Template::client(USER).expired());
    vault.set("ended", &(ended.chain_pem() + &ended.key_pem()));
    vault.disable("disabled");
    vault.delete("deleted");
    let spoil = |name: &str, fault| azure.spoil(&format!("{HOST}/secrets/{name}"), fault);
    let inner = |code: &str| {
        let body = format!(
            r#"{{"error":{{"code":"Forbidden","message":"no","innererror":{{"code":"{code}"}}}}}}"#
        );
        Fault::status(403, body)
    };
    let unauthorized = r#"{"error":{"code":"Unauthorized","message":"AKV10000: refused"}}"#;
    let challenge = "Bearer authorization=\"https://login.microsoftonline.com/tenant\", \
                     resource=\"https://vault.azure.net\"";
    let refused = Fault::status(401, unauthorized);
    spoil("refused", refused.with("WWW-Authenticate", &challenge.replace("tenant", TENANT)));
    spoil("forbidden", inner("ForbiddenByRbac"));
    spoil("firewall", inner("ForbiddenByFirewall"));
    let busy = r#"{"error":{"code":"Throttled","message":"slow down"}}"#;
    spoil("throttled", Fault::status(429, busy).with("Retry-After", "2"));
    spoil("broken", Fault::status(500, r#"{"error":{"code":"InternalError","message":"oops"}}"#));
    spoil("slow", Fault::Delay(Duration::from_secs(60)));
    spoil("silent", Fault::Never);
    spoil("torn", Fault::CutAfter(40));

    let of_secret = |name: &str| {
        format!(
            "securityProtocol: SASL_SSL, truststore: {{ secret: kafka-ca }}, sasl: {{ mechanism: \
             SCRAM-SHA-512, username: {USER}, password: {{ secret: {name} }} }}"
        )
    };
    let ended = "securityProtocol: mTLS, truststore: { secret: kafka-ca }, clientCertificate: { \
                 secret: ended }";
    let case = |name: &'static str, code: &'static str, says: &[&str]| {
        Case::new(name, Listener::SaslSsl, of_secret(name), code, says)
    };
    let cases = [
        case("refused", "VAULT_TOKEN_REFUSED", &["AKV10000: refused"]),
        case("forbidden", "VAULT_FORBIDDEN", &["Key Vault Secrets User", "`forbidden`"]),
        case("firewall", "VAULT_FIREWALL", &[]),
        case("throttled", "VAULT_THROTTLED", &[]),
        case("broken", "VAULT_FAILED", &[]),
        case("slow", "VAULT_SLOW", &[]),
        case("silent", "VAULT_SLOW", &[]),
        case("torn", "CONNECTION_RESET", &[]),
        case("disabled", "VAULT_OBJECT_DISABLED", &["`disabled`"]),
        case("deleted", "VAULT_OBJECT_NOT_FOUND", &["`deleted`"]),
        Case::new("ended", Listener::Mtls, ended, "CERTIFICATE_EXPIRED", &["`ended`"]),
    ];
    let mut outputs =
        vec![output(GOOD, &brokers.bootstrap(Listener::SaslSsl), &topic, &of_secret(GOOD))];
    outputs.extend(
        cases.iter().map(|c| output(c.name, &brokers.bootstrap(c.listener), &topic, &c.keys)),
    );
    let head =
        format!("identity: {{ type: systemAssigned }}\nvault: https://{HOST}\nsecretRefresh: 1s\n");
    let options = azure.environment().into_iter();
    let options = options.fold(ServiceOptions::default(), |o, (name, value)| o.env(&name, &value));
    let since = Instant::now();
    let service = Service::start_with(&(head + &job_within("128 MiB", &outputs)), &options);
    let engine = Engine::connect(&service);
    let load = start_good(&engine);
    wait_told(&engine, &cases, since);

    // The vault is away as a whole: what runs goes on.
    azure.spoil(HOST, Fault::TlsReset);
    engine.wait_output(GOOD, "is told that the vault is away", |output| {
        !output.credentials_trouble_code.is_empty()
    });
    load.wait_progress(200);
    // Mended, everything comes by itself.
    azure.mend();
    vault.recover("deleted");
    vault.set("disabled", PASSWORD);
    for case in cases.iter().filter(|case| case.name != "ended") {
        engine.wait_ready(case.name);
    }
    engine.wait_output(GOOD, "is told that the vault is back", |output| {
        output.credentials_trouble_code.is_empty()
    });
    end_good(load, &brokers, &topic);
}
