//! A secret never shows, wherever in the file it stands and whatever is wrong around it.

use super::{
    super::{Faults, parse},
    with_output,
};

const CANARY: &str = "canary";

/// All that a program or a person can see of faults.
fn everything(faults: &Faults) -> String {
    let (plain, color) = (faults.render(false), faults.render(true));
    format!("{plain}\n{color}\n{}\n{faults:?}", faults.to_json())
}

fn with_login(password: &str) -> String {
    with_output(&format!(
        "securityProtocol: SASL_PLAINTEXT\nsasl:\n  mechanism: PLAIN\n  username: u\n{password}"
    ))
}

#[test]
fn a_misplaced_secret_is_never_shown() {
    let inside = [
        "password: canary",
        "password: 'canary' # and canary",
        "password: { canary }",
        "password: { canary: x }",
        "password: { env: canary-of-a-kind }",
        "password: { envv: canary }",
        "password: { env: P, canary: canary }",
        "password: [canary, { canary: canary }]",
        "password: { secret: canary, version: canary }",
        "password: { clearTextForTests: canary, extra: 1 }",
        "password: { clearTextForTests: [canary] }",
        "password: >-\n    several canary\n    lines canary\nlinger: 5",
        "password: canary\npassword: canary",
        "pasword: canary",
        "passwordd: canary",
        "secret: canary",
        "pwd: canary",
        "token: { value: canary }",
        "{ 1: x, password: canary, 1: canary }",
    ];
    for line in inside {
        let lines = line.lines().map(|line| format!("  {line}\n")).collect::<String>();
        expect_hidden(&with_login(&lines));
    }
    let of_output = [
        "password: canary",
        "sasl: canary",
        "sasl: PLAIN u canary",
        "connectionString: canary",
        "connection_string: Endpoint=sb://x;SharedAccessKey=canary",
        "client_secret: &c canary\nbatching: { linger: *c, rows: *c }",
        "client_secret: &c canary\n? *c\n: x",
        "client_secret: &c 5canary\nbatching: { linger: *c }\nmetadataRefresh: *c",
        "compression: &c { password: canary, x: y }\nbatching: *c",
        "bootstrapServers: [\"u:canary@kafka:9092\"]",
        "topic: SharedAccessKey=canary",
        "topicc: t # password: canary",
        "acks: [] # canary",
        "librdkafka: { sasl.password: canary, x: y }",
        "librdkafka: { ssl.key.pem: '-----BEGIN PRIVATE KEY----- canary', x: y }",
        "librdkafka: { sasl.jaas.config: canary, sasl.oauthbearer.client.secret: canary }",
        "librdkafka: { debug: [canary_password] }",
        "? \"AccountKey=canary\"\n: 5",
        "serialization: { type: Avro, schemaFile: /run/secrets/canary }",
        "serialization: { type: Avro, name: AccountKey=secret-canary }",
        "serialization: { type: Csv, nullText: 'secret, canary' }",
        "{ 1: x, password: canary, 2: y }: x",
    ];
    for line in of_output {
        expect_hidden(&with_output(line));
    }
}

/// A reference that is written wrong in each of these ways may hold the secret itself.
const WRONG_REFERENCES: [&str; 12] = [
    "canary",
    "'canary' # and canary",
    "[canary, { canary: canary }]",
    "{ canary }",
    "{ canary: canary }",
    "{ env: canary-of-a-kind }",
    "{ envv: canary, fil: canary }",
    "{ secret: canary of a kind, version: canary }",
    "{ secret: s, vault: canary, version: canary }",
    "{ clearTextForTests: canary, extra: canary }",
    "{ clearTextForTests: [canary] }",
    ">-\n  several canary\n  lines canary",
];

#[test]
fn a_wrong_reference_is_never_shown() {
    let indented = |spaces: usize, text: &str| text.replace('\n', &format!("\n{:spaces$}", ""));
    for reference in WRONG_REFERENCES {
        for key in ["truststorePassword", "clientCertificate", "clientKey", "clientKeyPassword"] {
            let keys = format!("securityProtocol: mTLS\n{key}: {reference}\nkeyy: [canary]");
            expect_hidden(&with_output(&keys));
        }
        for key in ["password", "token", "token: { scope: s }\n  clientSecret", "passwort"] {
            let reference = indented(2, reference);
            let keys =
                format!("securityProtocol: SASL_SSL\nsasl:\n  mechanism: X\n  {key}: {reference}");
            expect_hidden(&with_output(&keys));
        }
        let reference = indented(4, reference);
        let token = format!("sasl:\n  token:\n    clientSecret: {reference}\n    value: canary");
        expect_hidden(&with_output(&token));
        for key in ["certificate", "key", "password", "clientCaPassword", "keyy"] {
            let reference = indented(2, &reference);
            let listen = format!("listen:\n  grpc:\n    tls:\n      {key}: {reference}\n");
            expect_hidden(&format!("{listen}{}", with_output("")));
        }
        for key in ["tokens", "clientSecret", "identity: { type: workload, tokenFile"] {
            let reference = if key.contains('{') { "canary }" } else { reference.as_str() };
            expect_hidden(&format!("{key}: {reference}\n{}", with_output("acks: Two")));
        }
    }
}

/// What is named like a secret and is none stays readable.
#[test]
fn settings_that_are_named_like_secrets_are_shown() {
    let listen = "listen: { grpc: { tokens: { tenant: contoso, audiences: a, roles: [r] } } }\n";
    let yaml = format!("secretRefresh: 5d\n{listen}{}", with_output("trustAnyHostName: x"));
    let shown = parse("job.yaml", &yaml).unwrap_err().to_string();
    for line in ["secretRefresh: 5d", "tenant: contoso, audiences: a, roles: [r]"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(shown.contains("`secretRefresh` is a duration in a unit"), "{shown}");
    assert!(shown.contains("`tenant` is not a GUID"), "{shown}");
}

/// A file whose YAML breaks has no tree to tell where its secrets are.
#[test]
fn a_secret_in_broken_yaml_is_never_shown() {
    for password in [
        "  password: \"canary\\q\"",
        "  password: \"canary",
        "  password: 'canary\n\n  more canary",
        "  password: canary: canary",
        "  password: @canary",
        "  password: |canary",
        "  password: !canary canary",
        "  password: *canary",
        "  password: { clearTextForTests: canary",
        "  password:\n    clearTextForTests: \"canary\\q\"",
        "  password:\n   - canary\n  - canary: canary: x",
        "  pwd: [canary",
        "  password: >\n canary canary\n  x: canary",
        "  password: canary\n   canary: x",
        "\tpassword: canary",
        "  token: { scope: s, value: \"canary\\q\" }",
    ] {
        expect_hidden(&with_login(password));
    }
    for key in ["clientKey: \"canary\\q\"", "key: \"canary\\q\"", "clientCertificate: {[canary"] {
        expect_hidden(&with_output(key));
    }
}

fn expect_hidden(yaml: &str) {
    assert!(yaml.contains(CANARY));
    parse("job.yaml", yaml).expect_err(yaml);
    expect_unseen(yaml);
}

#[test]
fn a_secret_in_a_good_file_is_not_shown_either() {
    let yaml =
        with_login("  password: { clearTextForTests: canary }").replace("k:9092", "localhost:9");
    let job = parse("job.yaml", &yaml).unwrap();
    let shown = format!("{job:?} {job:#?} {}", job.to_json());
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(shown.contains(r#""password":{"clearTextForTests":"****"}"#), "{shown}");
}

/// The place of a fault stands, though what is there is hidden.
#[test]
fn hiding_keeps_the_place() {
    let yaml = with_output("sasl: { password: canary, mechanism: PLAIN, usernam: x }");
    let shown = parse("job.yaml", &yaml).unwrap_err().to_string();
    let lines = shown.lines().collect::<Vec<_>>();
    let at = lines.iter().position(|line| line.contains("`usernam` is not")).unwrap();
    assert_eq!(lines[at + 1], " 6 |     sasl: { password: ****, mechanism: PLAIN, usernam: x }");
    assert_eq!(lines[at + 2], "   |                                               ^^^^^^^");
}

/// Whatever one slip of the hand does to a file, it does not bring a secret to light.
#[test]
fn a_slip_of_the_hand_shows_no_secret() {
    for password in [
        "  password: canary\n",
        "  password: { clearTextForTests: canary }\n",
        "  password:\n    clearTextForTests: \"canary\"\n",
        "  token: { clientSecret: { clearTextForTests: canary } }\n",
        "clientKey: { clearTextForTests: canary }\n",
    ] {
        let yaml = with_login(password);
        let secret = yaml.find(CANARY).unwrap();
        let slips = "\"'{}[]:#-\n *&|!@\\x";
        // Only from the login on: what comes before cannot reach it.
        let from = yaml.find("sasl:").unwrap();
        for at in (from..secret).chain(secret + CANARY.len()..yaml.len()) {
            for slip in slips.chars() {
                let (before, after) = yaml.split_at(at);
                expect_unseen(&format!("{before}{slip}{after}"));
            }
            expect_unseen(&format!("{}{}", &yaml[..at], &yaml[at + 1..]));
        }
    }
}

fn expect_unseen(yaml: &str) {
    if let Err(faults) = parse("job.yaml", yaml) {
        let shown = everything(&faults);
        assert!(!shown.contains(CANARY), "{yaml}\n{shown}");
    }
}
