//! The table: each cell with the way into the brokers and what the job file says.

use tests::{
    certs::{KeyKind, Pair, Template, authority, trust_store_jks, trust_store_pfx},
    kafka::{Listener, Mechanism, PASSWORD, USER},
    oidc,
};

use super::{
    CLIENT, CLIENT_SECRET,
    source::{PEM, PFX, Source},
};

/// The password of every encrypted key and of every store.
const STORE_PASSWORD: &str = "a store's password";

/// An output of the job.
#[derive(Debug)]
pub struct Cell {
    /// Its alias.
    pub name: String,
    /// The way into the brokers.
    pub listener: Listener,
    /// What the job file says of it, in YAML's flow style.
    pub keys: String,
}

fn cell(name: impl Into<String>, listener: Listener, keys: impl Into<String>) -> Cell {
    Cell { name: name.into(), listener, keys: keys.into() }
}

/// All cells of one kind of place.
pub fn all(source: &mut Source) -> Vec<Cell> {
    let mut cells = vec![cell("none", Listener::Plaintext, "securityProtocol: None")];
    cells.extend(passwords(source));
    cells.extend(tokens(source));
    cells.extend(client_certificates(source));
    cells.extend(trust_stores(source));
    cells
}

fn trusting(source: &mut Source) -> String {
    format!("truststore: {}", source.text(&authority().pem()))
}

/// Each mechanism with a password: without TLS, with it, and with a client certificate as well.
fn passwords(source: &mut Source) -> Vec<Cell> {
    let mut cells = Vec::new();
    for mechanism in Mechanism::ALL {
        let name = mechanism.name();
        let (user, password) = (source.text(USER), source.text(PASSWORD));
        let sasl = format!("sasl: {{ mechanism: {name}, username: {USER}, password: {password} }}");
        let plain = format!("securityProtocol: SASL_PLAINTEXT, {sasl}");
        cells.push(cell(format!("{name}-plaintext"), Listener::SaslPlaintext, plain));
        let secret_user =
            format!("sasl: {{ mechanism: {name}, username: {user}, password: {password} }}");
        let trusting = trusting(source);
        let tls = format!("securityProtocol: SASL_SSL, {trusting}, {secret_user}");
        cells.push(cell(format!("{name}-tls"), Listener::SaslSsl, tls));
        let pair = authority().issue(&Template::client("somebody"));
        let shown = source.text(&(pair.chain_pem() + &pair.key_pem()));
        let both =
            format!("securityProtocol: SASL_SSL, {trusting}, clientCertificate: {shown}, {sasl}");
        cells.push(cell(format!("{name}-certificate"), Listener::SaslMtls, both));
    }
    cells
}

/// Tokens of an issuer.
fn tokens(source: &mut Source) -> Vec<Cell> {
    let endpoint = oidc::shared().token_endpoint();
    let mut login = || {
        let secret = source.text(CLIENT_SECRET);
        format!(
            "sasl: {{ mechanism: OAUTHBEARER, token: {{ endpoint: '{endpoint}', \
             clientId: {CLIENT}, clientSecret: {secret} }} }}"
        )
    };
    let (plain, tls, both) = (login(), login(), login());
    let plain = format!("securityProtocol: SASL_PLAINTEXT, {plain}");
    let tls = format!("securityProtocol: SASL_SSL, {}, {tls}", trusting(source));
    let pair = authority().issue(&Template::client("somebody"));
    let shown = certificate(&source.text(&(pair.chain_pem() + &pair.key_pem())));
    let both = format!("securityProtocol: SASL_SSL, {}, {shown}, {both}", trusting(source));
    vec![
        cell("token-plaintext", Listener::SaslPlaintext, plain),
        cell("token-tls", Listener::SaslSsl, tls),
        cell("token-certificate", Listener::SaslMtls, both),
    ]
}

/// mTLS with each kind of key, and each format of it.
fn client_certificates(source: &mut Source) -> Vec<Cell> {
    let branch = authority().intermediate("Branch of clients");
    let issue = |kind| branch.issue(&Template::client(USER).key(kind));
    let [rsa, ec, ed25519] = [KeyKind::Rsa, KeyKind::Ec, KeyKind::Ed25519].map(issue);
    let mut shown = together(source, &rsa, &ec, &ed25519);
    shown.extend(apart(source, &rsa, &ec));
    shown.extend(stores(source, &rsa, &ec));
    let mtls = |(name, shown): (&str, String)| {
        let keys = format!("securityProtocol: mTLS, {}, {shown}", trusting(source));
        cell(format!("mtls-{name}"), Listener::Mtls, keys)
    };
    shown.into_iter().map(mtls).collect()
}

/// What a job file says of a client certificate, with a name for it.
type Shown = (&'static str, String);

/// Key and certificates in one text, in several orders.
fn together(source: &mut Source, rsa: &Pair, ec: &Pair, ed25519: &Pair) -> Vec<Shown> {
    let texts = [
        ("rsa", rsa.chain_pem() + &rsa.key_pem()),
        ("ec", ec.chain_pem() + &ec.key_pem()),
        ("ed25519", ed25519.chain_pem() + &ed25519.key_pem()),
        ("key-first", ec.key_pem() + &ec.chain_pem()),
        ("with-root", ec.chain_pem() + &ec.key_pem() + &authority().pem()),
    ];
    let shown = |(name, text): (_, String)| (name, certificate(&source.text(&text)));
    texts.into_iter().map(shown).collect()
}

/// The key in a text of its own, as it is or encrypted.
fn apart(source: &mut Source, rsa: &Pair, ec: &Pair) -> Vec<Shown> {
    let keys = [
        ("pkcs8", ec, ec.key_pem(), false),
        ("pkcs1", rsa, rsa.key_pkcs1_pem(), false),
        ("sec1", ec, ec.key_sec1_pem(), false),
        ("pkcs8-encrypted", ec, ec.key_encrypted_pem(STORE_PASSWORD), true),
        ("pkcs1-encrypted", rsa, rsa.key_pkcs1_encrypted_pem(STORE_PASSWORD), true),
    ];
    let shown = |(name, pair, key, is_encrypted): (_, &Pair, String, bool)| {
        let chain = certificate(&source.text(&pair.chain_pem()));
        let key = format!("{chain}, clientKey: {}", source.text(&key));
        (name, if is_encrypted { key + &unlocked(source) } else { key })
    };
    keys.into_iter().map(shown).collect()
}

/// Key and certificates in a store, with a password or without.
fn stores(source: &mut Source, rsa: &Pair, ec: &Pair) -> Vec<Shown> {
    let locked = [
        ("pfx", rsa.pfx(STORE_PASSWORD)),
        ("pfx-ec", ec.pfx(STORE_PASSWORD)),
        ("pfx-legacy", rsa.pfx_legacy(STORE_PASSWORD)),
        ("jks", rsa.jks(STORE_PASSWORD)),
    ]
    .map(|(name, store)| (name, certificate(&source.bytes(&store)) + &unlocked(source)));
    let open = [
        ("pfx-open", PFX, ec.pfx("")),
        ("pfx-legacy-open", PFX, rsa.pfx_legacy("")),
        ("pem-certificate", PEM, (ec.key_pem() + &ec.chain_pem()).into_bytes()),
    ]
    .map(|(name, of_type, store)| (name, certificate(&source.certificate(of_type, &store))));
    locked.into_iter().chain(open).collect()
}

fn certificate(reference: &str) -> String {
    format!("clientCertificate: {reference}")
}

fn unlocked(source: &mut Source) -> String {
    format!(", clientKeyPassword: {}", source.text(STORE_PASSWORD))
}

/// Formats of whom to trust, with a password and without; PEM is in the other cells.
fn trust_stores(source: &mut Source) -> Vec<Cell> {
    let jks = trust_store_jks(&[authority()], STORE_PASSWORD);
    let stores = [
        ("jks", jks.clone(), true),
        // Its certificates are public; the password only guards against changes.
        ("jks-unchecked", jks, false),
        ("pfx", trust_store_pfx(&[authority()], STORE_PASSWORD), true),
        ("pfx-open", trust_store_pfx(&[authority()], ""), false),
    ];
    let cell = |(name, store, is_locked): (_, Vec<u8>, bool)| {
        let store = source.bytes(&store);
        let unlocked = match is_locked {
            true => format!(", truststorePassword: {}", source.text(STORE_PASSWORD)),
            false => String::new(),
        };
        let password = source.text(PASSWORD);
        let keys = format!(
            "securityProtocol: SASL_SSL, truststore: {store}{unlocked}, \
             sasl: {{ mechanism: PLAIN, username: {USER}, password: {password} }}"
        );
        cell(format!("trust-{name}"), Listener::SaslSsl, keys)
    };
    stores.into_iter().map(cell).collect()
}
