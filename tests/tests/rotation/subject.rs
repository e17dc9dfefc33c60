//! What is replaced, and how: each kind with its output, its listener, and its steps in a round.

use tests::{
    certs::{Authority, Template, authority},
    engine::Engine,
    kafka::{Listener, Mechanism, Right, SecureBrokers},
    oidc,
    wait::{DEADLINE, wait_until},
};

use super::place::Place;

const PROGRESS: &str = "kafka-output-progress";
const SCRAM_USER: &str = "scram-user";
const TOKEN_CLIENT: &str = "token-client";
const TOKEN_SECRET: &str = "token-client-secret";
const CERTIFICATE_USER: &str = "certificate-user";
/// Long enough to be in use for a while, short enough to be renewed in each round.
const TOKEN_LIFETIME_S: u64 = 6;

/// What is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The client's certificate; each round has another authority.
    ClientCertificate,
    /// The authority that signs the brokers' certificate.
    Authority,
    /// The password of a user.
    Scram,
    /// The user: each round has another.
    Plain,
    /// The key that signs access tokens.
    Token,
}

/// A kind with what is good now and what was.
#[derive(Debug)]
pub struct Subject {
    kind: Kind,
    round: usize,
    /// The authority that is good now, and the one before.
    authorities: Vec<Authority>,
}

impl Subject {
    /// Every kind.
    pub const ALL: [Kind; 5] =
        [Kind::ClientCertificate, Kind::Authority, Kind::Scram, Kind::Plain, Kind::Token];

    /// Their listeners, each once.
    pub const LISTENERS: [Listener; 3] = [Listener::Mtls, Listener::SaslSsl, Listener::SaslBrief];

    /// Makes the topic where progress is stored.
    pub fn prepare(brokers: &SecureBrokers) {
        brokers.admin().create_topic(PROGRESS, 16, 1, &[("cleanup.policy", "compact")]);
    }

    /// Makes its topics, and puts what is good at the beginning in place.
    pub fn start(kind: Kind, brokers: &SecureBrokers, place: &Place, partitions: i32) -> Self {
        let mut subject = Self { kind, round: 0, authorities: Vec::new() };
        for topic in subject.outputs() {
            brokers.admin().create_topic(topic, partitions, 1, &[]);
        }
        subject.allow(brokers);
        let trust = authority().pem();
        match kind {
            Kind::ClientCertificate => {
                place.put("trust.pem", trust);
                subject.authorities.push(Authority::new("Clients 0"));
                brokers.trust(Listener::Mtls, &subject.authorities.iter().collect::<Vec<_>>());
                subject.put_certificate(place);
            }
            Kind::Authority => {
                subject.authorities.push(Authority::new("Brokers 0"));
                subject.serve(brokers);
                place.put("brokers.pem", subject.authorities[0].pem());
                place.put("fixed-password", tests::kafka::PASSWORD);
            }
            Kind::Scram => {
                brokers.set_password(Mechanism::ScramSha512, SCRAM_USER, "password-0");
                place.put("scram-password", "password-0\n");
            }
            Kind::Plain => {
                brokers.set_password(Mechanism::Plain, &subject.user(), "password-0");
                place.put("plain-user", subject.user());
                place.put("plain-password", "password-0");
            }
            Kind::Token => {
                oidc::shared().set_lifetime(TOKEN_LIFETIME_S);
                oidc::shared().set_client(TOKEN_CLIENT, TOKEN_SECRET);
                place.put("token-secret", TOKEN_SECRET);
            }
        }
        subject
    }

    /// The aliases of its outputs, and their topics: at least once, and exactly once.
    pub fn outputs(&self) -> [&'static str; 2] {
        match self.kind {
            Kind::ClientCertificate => ["client-certificate", "client-certificate-exact"],
            Kind::Authority => ["authority", "authority-exact"],
            Kind::Scram => ["scram", "scram-exact"],
            Kind::Plain => ["plain", "plain-exact"],
            Kind::Token => ["token", "token-exact"],
        }
    }

    /// The listener that they write to.
    pub fn listener(&self) -> Listener {
        match self.kind {
            Kind::ClientCertificate => Listener::Mtls,
            Kind::Authority => Listener::SaslSsl,
            Kind::Scram | Kind::Plain | Kind::Token => Listener::SaslBrief,
        }
    }

    /// The keys of its outputs, in YAML's flow style.
    pub fn keys(&self, place: &Place) -> String {
        let file = |name: &str| place.reference(name);
        let sasl = |mechanism: &str, more: String| {
            format!(
                "securityProtocol: SASL_SSL, truststore: {}, sasl: {{ mechanism: {mechanism}, {more} }}",
                file("trust.pem")
            )
        };
        match self.kind {
            Kind::ClientCertificate => format!(
                "securityProtocol: mTLS, truststore: {}, clientCertificate: {}",
                file("trust.pem"),
                file("client.pem")
            ),
            Kind::Authority => format!(
                "securityProtocol: SASL_SSL, truststore: {}, sasl: {{ mechanism: SCRAM-SHA-256, \
                 username: {}, password: {} }}",
                file("brokers.pem"),
                tests::kafka::USER,
                file("fixed-password")
            ),
            Kind::Scram => sasl(
                "SCRAM-SHA-512",
                format!("username: {SCRAM_USER}, password: {}", file("scram-password")),
            ),
            Kind::Plain => sasl(
                "PLAIN",
                format!("username: {}, password: {}", file("plain-user"), file("plain-password")),
            ),
            Kind::Token => sasl(
                "OAUTHBEARER",
                format!(
                    "token: {{ endpoint: '{}', clientId: {TOKEN_CLIENT}, clientSecret: {} }}",
                    oidc::shared().token_endpoint(),
                    file("token-secret")
                ),
            ),
        }
    }

    /// Makes another, puts it where the job file says, and waits until the service has it.
    pub fn renew(&mut self, round: usize, brokers: &SecureBrokers, engine: &Engine, place: &Place) {
        self.round = round;
        let before = self.renewed(engine);
        match self.kind {
            Kind::ClientCertificate => {
                self.authorities.push(Authority::new(&format!("Clients {round}")));
                brokers.trust(Listener::Mtls, &self.authorities.iter().collect::<Vec<_>>());
                self.put_certificate(place);
            }
            Kind::Authority => {
                self.authorities.push(Authority::new(&format!("Brokers {round}")));
                let both: String = self.authorities.iter().map(Authority::pem).collect();
                place.put("brokers.pem", both);
                self.wait_renewed(engine, before);
                self.serve(brokers);
                place.put("brokers.pem", self.newest().pem());
                return self.wait_renewed(engine, before.map(|count| count + 1));
            }
            Kind::Scram => {
                let password = format!("password-{round}");
                brokers.set_password(Mechanism::ScramSha512, SCRAM_USER, &password);
                place.put("scram-password", password + "\n");
            }
            Kind::Plain => {
                let (user, password) = (self.user(), format!("password-{round}"));
                self.allow(brokers);
                brokers.set_password(Mechanism::Plain, &user, &password);
                // One after the other: in between they do not fit, and those in place stay.
                place.put("plain-user", user);
                let what = "a user with another's password is not taken";
                wait_until(what, DEADLINE, || {
                    let code = |output| engine.output(output).credentials_trouble_code;
                    self.outputs().iter().all(|output| !code(output).is_empty())
                });
                place.put("plain-password", password);
            }
            Kind::Token => {
                oidc::shared().rotate();
                // The next may have been signed before.
                return self.wait_renewed(engine, before.map(|count| count + 1));
            }
        }
        self.wait_renewed(engine, before);
    }

    /// Takes what was good before from the brokers.
    pub fn revoke(&mut self, brokers: &SecureBrokers) {
        match self.kind {
            Kind::ClientCertificate => {
                self.authorities.remove(0);
                brokers.trust(Listener::Mtls, &self.authorities.iter().collect::<Vec<_>>());
            }
            // Nobody serves a certificate of the one before any more.
            Kind::Authority => drop(self.authorities.remove(0)),
            // A user has one password.
            Kind::Scram => {}
            Kind::Plain => brokers.delete_user(Mechanism::Plain, &plain_user(self.round - 1)),
            Kind::Token => oidc::shared().retire(),
        }
    }

    fn renewed(&self, engine: &Engine) -> [u64; 2] {
        self.outputs().map(|output| engine.output(output).credentials_renewed)
    }

    fn wait_renewed(&self, engine: &Engine, before: [u64; 2]) {
        wait_until("the new credentials are in place", DEADLINE, || {
            self.renewed(engine).iter().zip(before).all(|(now, before)| *now > before)
        });
    }

    /// Gives its user, as it is now, what its outputs need.
    fn allow(&self, brokers: &SecureBrokers) {
        let user = self.user();
        for topic in self.outputs() {
            brokers.allow(&user, Right::Write(topic));
        }
        brokers.allow(&user, Right::Write(PROGRESS));
        brokers.allow(&user, Right::Read(PROGRESS));
        brokers.allow(&user, Right::Transactions("kafka-output."));
    }

    fn newest(&self) -> &Authority {
        self.authorities.last().expect("one is good")
    }

    fn serve(&self, brokers: &SecureBrokers) {
        let pair = self.newest().issue(&brokers.server_template());
        brokers.serve(Listener::SaslSsl, &pair);
    }

    fn put_certificate(&self, place: &Place) {
        let pair = self.newest().issue(&Template::client(CERTIFICATE_USER));
        place.put("client.pem", pair.chain_pem() + &pair.key_pem());
    }

    /// Who writes, for the brokers.
    pub fn user(&self) -> String {
        match self.kind {
            Kind::ClientCertificate => CERTIFICATE_USER.to_owned(),
            Kind::Authority => tests::kafka::USER.to_owned(),
            Kind::Scram => SCRAM_USER.to_owned(),
            Kind::Plain => plain_user(self.round),
            Kind::Token => TOKEN_CLIENT.to_owned(),
        }
    }
}

fn plain_user(round: usize) -> String {
    format!("plain-user-{round}")
}
