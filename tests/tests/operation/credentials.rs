//! Credentials that end, and a vault that gives no newer ones.

use std::time::{Duration, SystemTime};

use tests::{
    azure::Azure,
    certs::{Authority, Template},
    engine::job::{OUTPUT, job, with_admin},
    kafka::{shared_broker, unique_topic},
    service::{Service, ServiceOptions},
    wait::{DEADLINE, wait_until},
};

use super::{firing::Watched, is_ready, wait_logged};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_certificate_that_ends_in_three_days_and_a_vault_that_denies_are_told() {
    let azure = Azure::start();
    let vault = azure.vault("opvault");
    let now = SystemTime::now();
    let template = Template::server(&["localhost"]).valid(now - 300 * DAY, now + 3 * DAY);
    let pair = Authority::new("Server").issue(&template);
    vault.set("port", &(pair.chain_pem() + &pair.key_pem()));
    let (broker, topic) = (shared_broker(), unique_topic("credentials"));
    broker.admin().create_topic(&topic, 1, 1, &[]);
    let head = "identity: { type: systemAssigned }\nvault: https://opvault.vault.azure.net\n\
                secretRefresh: 1s\n";
    let grpc = "address: '127.0.0.1:0'";
    let job = with_admin(&job(&broker.bootstrap(), &topic, ""));
    let job = job.replacen(grpc, &format!("{grpc}, tls: {{ certificate: {{ secret: port }} }}"), 1);
    let variables = azure.environment().into_iter();
    let options = variables
        .fold(ServiceOptions::default(), |options, (name, value)| options.env(&name, &value));
    let service = Service::start_with(&(head.to_owned() + &job), &options);
    let admin = service.admin();
    wait_until("the output is ready", DEADLINE, || is_ready(&admin));

    let begun = Watched::begin(&service);
    let expires = admin
        .metrics()
        .value("kafka_output_credential_expires_seconds{output=\"\",purpose=\"tls.certificate\"}");
    let ends = (now + 3 * DAY).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((expires.unwrap() - ends).abs() < 2.0, "{expires:?}, not {ends}");
    let shown = &admin.status()["certificate"]["inUse"][0];
    assert!(shown["source"].as_str().unwrap().contains("opvault"), "{shown}");
    wait_logged(&service, "CERTIFICATE_EXPIRES_SOON");
    let of_certificate = "output=\"\",purpose=\"tls.certificate\"";
    let ends = [
        format!("KafkaOutputCredentialExpires{{{of_certificate}}}"),
        format!("KafkaOutputCredentialEnds{{{of_certificate}}}"),
    ];
    begun.fires(&service, &ends.each_ref().map(String::as_str));

    vault.allow_only(&[]);
    let series = "kafka_output_credentials_trouble{output=\"\",code=\"VAULT_FORBIDDEN\"}";
    wait_until("the denial is told", DEADLINE, || admin.metrics().value(series) == Some(1.0));
    assert_eq!(admin.status()["certificate"]["trouble"]["code"], "VAULT_FORBIDDEN");
    wait_logged(&service, "VAULT_FORBIDDEN");
    assert!(is_ready(&admin), "what is in place stays");
    let told = "KafkaOutputCredentialsNotRenewed{output=\"\",code=\"VAULT_FORBIDDEN\"}";
    Watched::begin(&service).fires(&service, &[told]);
    // Age is what an operator looks at meanwhile.
    let checked = "kafka_output_credentials_checked_seconds{output=\"\"}";
    let before = admin.metrics().value(checked).unwrap();
    let since = "kafka_output_credentials_since_seconds{output=\"\"}";
    assert!(admin.metrics().value(since).unwrap() <= before);
    let of_output = format!("kafka_output_credentials_checked_seconds{{output=\"{OUTPUT}\"}}");
    assert!(admin.metrics().value(&of_output).is_some());
}
