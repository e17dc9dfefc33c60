//! What can be changed while the brokers run. Each lever returns when every broker acts on it.
//!
//! Logins are asked for again at [`super::Listener::SaslBrief`] within its session; elsewhere,
//! and for certificates, a connection lives on until it is cut ([`crate::proxy::Proxy::reset`]).

use std::{
    fs, io,
    net::SocketAddr,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
};

use super::{
    super::{
        Right,
        alter::{self, Entity, ScramHash},
        attempt::Attempt,
    },
    Listener, Passwords, SecureBrokers, id, plain,
};
use crate::{
    certs::{Authority, Pair, Shown, shown},
    wait::{DEADLINE, wait_until},
};

/// How a password is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// `PLAIN`.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::ScramSha256, Self::ScramSha512];

    /// As clients name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }

    fn hash(self) -> Option<ScramHash> {
        match self {
            Self::Plain => None,
            Self::ScramSha256 => Some(ScramHash::Sha256),
            Self::ScramSha512 => Some(ScramHash::Sha512),
        }
    }
}

impl SecureBrokers {
    /// Makes a user, or gives it another password, with all mechanisms.
    pub fn set_passwords(&self, user: &str, password: &str) {
        for mechanism in Mechanism::ALL {
            self.set_password(mechanism, user, password);
        }
    }

    /// Makes a user of one mechanism, or gives it another password. Who is logged in stays so.
    pub fn set_password(&self, mechanism: Mechanism, user: &str, password: &str) {
        let what = format!("change {user}'s password ({})", mechanism.name());
        self.known().insert((mechanism, user.to_owned()), password.to_owned());
        match mechanism.hash() {
            Some(hash) => succeeded(&what, alter::set_scram(self.any(), user, hash, password)),
            None => self.write_plain_users(),
        }
        self.wait_login(&what, mechanism, user, password, |ended| ended.is_ok());
    }

    /// Removes a user from one mechanism. Who is logged in stays so.
    ///
    /// # Panics
    /// When there is no such user.
    pub fn delete_user(&self, mechanism: Mechanism, user: &str) {
        let what = format!("delete {user} ({})", mechanism.name());
        let old = self.known().remove(&(mechanism, user.to_owned())).expect("there is such a user");
        match mechanism.hash() {
            Some(hash) => succeeded(&what, alter::delete_scram(self.any(), user, hash)),
            None => self.write_plain_users(),
        }
        self.wait_login(&what, mechanism, user, &old, |ended| {
            ended.is_err_and(|said| said[0].contains("uthentication failed"))
        });
    }

    fn known(&self) -> MutexGuard<'_, Passwords> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_plain_users(&self) {
        let known = self.known();
        let of_plain = known.iter().filter(|((mechanism, _), _)| *mechanism == Mechanism::Plain);
        plain::write_users(self.dir.path(), of_plain.map(|((_, user), password)| (user, password)));
    }

    /// Waits until every broker treats a login as it should, which proves that a change has
    /// arrived there.
    fn wait_login(
        &self,
        what: &str,
        mechanism: Mechanism,
        user: &str,
        password: &str,
        expected: impl Fn(Result<(), Vec<String>>) -> bool,
    ) {
        for broker in self.addresses(Listener::SaslPlaintext) {
            let client = Attempt::default()
                .set("bootstrap.servers", &broker.to_string())
                .set("security.protocol", Listener::SaslPlaintext.protocol())
                .login(mechanism.name(), user, password);
            let what = format!("{broker} has heard: {what}");
            wait_until(&what, DEADLINE, || expected(client.connect()));
        }
    }

    /// Gives a user a right.
    pub fn allow(&self, user: &str, right: Right<'_>) {
        succeeded(&format!("allow {user} {right:?}"), alter::allow(self.any(), user, right));
        self.wait_right(user, right, true);
    }

    /// Takes a right that was given.
    pub fn disallow(&self, user: &str, right: Right<'_>) {
        succeeded(&format!("disallow {user} {right:?}"), alter::disallow(self.any(), user, right));
        self.wait_right(user, right, false);
    }

    fn wait_right(&self, user: &str, right: Right<'_>, expected: bool) {
        wait_until(&format!("{user}: {right:?} is {expected}"), DEADLINE, || {
            let mut brokers = self.addresses(Listener::Plaintext);
            brokers.all(|broker| {
                alter::is_allowed(broker, user, right).is_ok_and(|found| found == expected)
            })
        });
    }

    /// Gives a listener another certificate. Connections that are there stay.
    ///
    /// # Panics
    /// When the listener has none.
    pub fn serve(&self, listener: Listener, pair: &Pair) {
        let text = pair.key_pem() + &pair.chain_pem();
        self.use_file(listener, "ssl.keystore.location", &text);
        self.wait_shown(listener, "shows the new certificate", |shown| shown.is_of(pair));
    }

    /// Lets a listener take clients of these authorities alone. Connections that are there stay.
    ///
    /// # Panics
    /// When the listener asks for no certificate.
    pub fn trust(&self, listener: Listener, authorities: &[&Authority]) {
        assert!(listener.asks_certificate(), "{listener:?} asks for no client certificate");
        let text: String = authorities.iter().map(|authority| authority.pem()).collect();
        self.use_file(listener, "ssl.truststore.location", &text);
        self.wait_shown(listener, "takes the new authorities", |shown| shown.takes(authorities));
    }

    /// Tells every broker to use a new file with this text.
    fn use_file(&self, listener: Listener, property: &str, text: &str) {
        assert!(listener.has_tls(), "{listener:?} has no TLS");
        let key = format!("{}{property}", listener.prefix());
        let ending = format!("{}.pem", self.files.fetch_add(1, Ordering::Relaxed));
        let file = listener.file(self.dir.path(), &ending);
        fs::write(&file, text).expect("the brokers' directory can be written");
        for (nth, broker) in self.addresses(Listener::Plaintext).enumerate() {
            let set = alter::set_property(broker, Entity::Broker(id(nth)), &key, &file);
            succeeded(&format!("set {key} of {broker}"), set);
        }
    }

    fn wait_shown(&self, listener: Listener, what: &str, fact: impl Fn(&Shown) -> bool) {
        for broker in self.addresses(listener) {
            wait_until(&format!("{listener:?} at {broker} {what}"), DEADLINE, || {
                shown(broker).is_ok_and(|shown| fact(&shown))
            });
        }
    }

    /// Any broker passes on what only the controller can do.
    fn any(&self) -> SocketAddr {
        self.addresses(Listener::Plaintext).next().expect("there is at least one broker")
    }
}

fn succeeded(what: &str, result: io::Result<()>) {
    result.unwrap_or_else(|e| panic!("cannot {what}: {e}"));
}
