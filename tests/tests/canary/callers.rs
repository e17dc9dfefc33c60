//! What callers show, let in or denied, and what the port shows them.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tests::{
    cache,
    certs::{Template, authority, other_authority},
    engine::job::{job_of, output},
    kafka::{Listener, shared_secure, unique_topic},
    oidc::{Issuer, Token},
    wait::DEADLINE,
};

use super::{CANARY_USER, Planted, bundle, file, run, start};

const DONE: Option<i32> = Some(0);
const BAD_INPUT: Option<i32> = Some(3);
const UNREACHABLE: Option<i32> = Some(4);
const REFUSED: Option<i32> = Some(6);

/// Whoever has this role may write.
const ROLE: &str = "Rows.Write";
/// Whom tokens are for.
const AUDIENCE: &str = "api://rows";

#[test]
fn no_secret_of_callers_or_of_the_port_comes_out() {
    let brokers = shared_secure();
    let dir = cache::run_dir("canary-callers-");
    let dir = dir.path();
    let mut planted = Planted::default();
    let issuer = Issuer::start();
    let (user, password) = ("canary-callers-user", planted.text("port-password"));
    let topic = unique_topic("canary-callers");
    brokers.create_topic(&topic, 1, user);
    brokers.set_passwords(user, &password);
    let port = authority().issue(&Template::server(&["localhost"]));
    planted.key(&port.key_pem());
    let ca = file(dir, "ca.pem", authority().pem());
    let listen = format!(
        "listen: {{ grpc: {{ address: '127.0.0.1:0', tls: {{ certificate: {}, clientCa: {ca}, \
         clientCertificate: Optional }}, tokens: {{ issuer: '{}', keysUrl: '{}', audiences: \
         '{AUDIENCE}', roles: [{ROLE}] }} }}, admin: {{ address: '127.0.0.1:0' }} }}",
        file(dir, "port.pem", port.chain_pem() + &port.key_pem()),
        issuer.url(),
        issuer.keys_url()
    );
    let keys = format!(
        "securityProtocol: SASL_PLAINTEXT, sasl: {{ mechanism: PLAIN, username: {user}, password: \
         {{ env: PORT_PASSWORD }} }}, writers: [{{ role: {ROLE} }}]"
    );
    let bootstrap = brokers.bootstrap(Listener::SaslPlaintext);
    let job = job_of(&[output("a", &bootstrap, &topic, &keys)])
        .replace("listen: { grpc: { address: '127.0.0.1:0' } }", &listen);
    let variables = [("PORT_PASSWORD".to_owned(), password)];
    let service = start(&job, &variables);
    let port = service.address().rsplit_once(':').unwrap().1;
    let to = format!("https://localhost:{port}");

    let mut callers = tokens(dir, &issuer, &mut planted);
    callers.extend(certificates(dir, &mut planted));
    let mut shown = Vec::new();
    for (nth, (words, variables, expected)) in callers.iter().enumerate() {
        let (rows, ca) = (dir.join("rows.csv"), dir.join("ca.pem"));
        fs::write(&rows, "n\n1\n2\n").unwrap();
        let (rows, ca) = (rows.to_str().unwrap(), ca.to_str().unwrap());
        let writer = format!("writer-{nth}");
        let mut send = vec!["send", rows, "--into", "a", "--writer", &writer, "--ca", ca];
        send.extend(["--wait", "3s", "--to", &to]);
        send.extend(words.iter().map(String::as_str));
        let (code, text) = run(&send, variables);
        assert_eq!(code, *expected, "{words:?}: {text}");
        shown.push((send.join(" "), text));
    }
    shown.push((
        "support-bundle".to_owned(),
        bundle(&service, &dir.join("callers.tar.gz"), &variables),
    ));
    let ended = service.terminate(DEADLINE);
    let log = ended.stdout + &ended.stderr;
    // Those who were denied are told of, so something of theirs might have been.
    let denied = log.matches("a caller is denied").count();
    assert!(denied > callers.len() / 2, "{denied} of {}: {log}", callers.len());
    shown.push(("serve".to_owned(), log));
    planted.assert_absent_in(&shown);
}

/// What `send` is told, its variables, and how it ends.
type Caller = (Vec<String>, Vec<(String, String)>, Option<i32>);

/// A token that is let in, and those that are not.
fn tokens(dir: &Path, issuer: &Issuer, planted: &mut Planted) -> Vec<Caller> {
    let stranger = Issuer::start();
    let of = |role: &str| {
        let token = Token::of("engine").claim("aud", json!(AUDIENCE));
        token.claim("roles", json!([role])).claim("iss", json!(issuer.url()))
    };
    let canary = |planted: &mut Planted| Value::from(planted.text("claim"));
    let texts = [
        (issuer.sign(&of(ROLE).claim("name", canary(planted))), DONE),
        (issuer.sign(&of("Rows.Read").claim("name", canary(planted))), REFUSED),
        (issuer.sign(&of(ROLE).lasts(-3600)), REFUSED),
        // The log says what was wanted and what came: of these claims, which are no secrets.
        (issuer.sign(&of(ROLE).claim("aud", json!("api://other"))), REFUSED),
        (issuer.sign(&of(ROLE).claim("iss", json!("https://other"))), REFUSED),
        (stranger.sign(&of(ROLE)), REFUSED),
        (issuer.sign(&of(ROLE).key_id("unknown")), REFUSED),
        (planted.text("no-token"), REFUSED),
        (format!("{}.{}.{}", planted.text("one"), planted.text("two"), planted.text("x")), REFUSED),
        // Nothing that a header can hold.
        (format!("{} {}", planted.text("with"), planted.text("space")), BAD_INPUT),
    ];
    let mut callers = Vec::new();
    for (nth, (token, code)) in texts.into_iter().enumerate() {
        planted.token(&token);
        let name = format!("token-{nth}");
        file(dir, &name, &token);
        let path = dir.join(name).display().to_string();
        callers.push((vec!["--token-file".to_owned(), path], Vec::new(), code));
        let variable = vec![("CANARY_TOKEN".to_owned(), token)];
        callers.push((vec!["--token-env".to_owned(), "CANARY_TOKEN".to_owned()], variable, code));
    }
    callers
}

/// Certificates without a token, which nobody is let in with here.
fn certificates(dir: &Path, planted: &mut Planted) -> Vec<Caller> {
    let own = authority().issue(&Template::client(CANARY_USER));
    let foreign = other_authority().issue(&Template::client(CANARY_USER));
    let path = |name: &str, content: String| {
        file(dir, name, content);
        dir.join(name).display().to_string()
    };
    for key in [own.key_pem(), foreign.key_pem()] {
        planted.key(&key);
    }
    let no_key = planted.text("no-key");
    let shown = [
        (own.chain_pem(), own.key_pem(), REFUSED),
        (foreign.chain_pem(), foreign.key_pem(), UNREACHABLE),
        (own.chain_pem(), foreign.key_pem(), BAD_INPUT),
        (own.chain_pem(), no_key, BAD_INPUT),
    ];
    let caller = |(nth, (chain, key, code)): (usize, (String, String, _))| {
        let chain = path(&format!("own-{nth}.pem"), chain);
        let key = path(&format!("own-{nth}.key"), key);
        (vec!["--certificate".to_owned(), chain, "--key".to_owned(), key], Vec::new(), code)
    };
    shown.into_iter().enumerate().map(caller).collect()
}
