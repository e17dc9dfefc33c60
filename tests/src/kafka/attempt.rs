//! Tries a client's settings with librdkafka itself: does a broker let it in, is a record stored,
//! and if not, what does librdkafka say?

use std::{
    error::Error,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rdkafka::{
    ClientConfig, ClientContext, Message,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
    types::RDKafkaErrorCode,
};

use crate::wait::DEADLINE;

const POLL: Duration = Duration::from_millis(20);
/// A record that librdkafka has no cause for fails after this; a cause comes long before.
const MESSAGE_TIMEOUT_MS: &str = "20000";

/// A client that is to be tried.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    settings: Vec<(String, String)>,
    token: Option<String>,
}

impl Attempt {
    /// With a setting of librdkafka more.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Logs in with a user name and a password; `mechanism` is `PLAIN`, `SCRAM-SHA-256` or
    /// `SCRAM-SHA-512`.
    #[must_use]
    pub fn login(self, mechanism: &str, user: &str, password: &str) -> Self {
        let named = self.set("sasl.mechanism", mechanism);
        named.set("sasl.username", user).set("sasl.password", password)
    }

    /// Logs in with a token (`OAUTHBEARER`).
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self.set("sasl.mechanism", "OAUTHBEARER")
    }

    /// Connects, and asks a broker for its metadata.
    ///
    /// # Errors
    /// What librdkafka says, the cause first.
    ///
    /// # Panics
    /// When it says nothing within the deadline.
    pub fn connect(&self) -> Result<(), Vec<String>> {
        self.open()?.connect()
    }

    /// Writes a record and waits until it is stored.
    ///
    /// # Errors
    /// What librdkafka says: the cause, or the record's own error where there is none.
    ///
    /// # Panics
    /// When it says nothing within the deadline.
    pub fn write(&self, topic: &str) -> Result<(), Vec<String>> {
        self.open()?.write(topic)
    }

    /// A client that stays connected.
    ///
    /// # Errors
    /// When librdkafka does not take the settings.
    pub fn open(&self) -> Result<Client, Vec<String>> {
        let mut config = ClientConfig::new();
        config.set("message.timeout.ms", MESSAGE_TIMEOUT_MS);
        config.set("reconnect.backoff.max.ms", "500");
        config.set("topic.metadata.propagation.max.ms", "500");
        config.set_log_level(RDKafkaLogLevel::Emerg);
        config.extend(self.settings.iter().cloned());
        let context = Context { token: self.token.clone(), noted: Mutex::default() };
        let producer = config.create_with_context(context);
        producer.map(Client).map_err(|error| vec![error.to_string()])
    }
}

/// A client that stays connected.
pub struct Client(BaseProducer<Context>);

impl Client {
    /// As [`Attempt::connect`].
    ///
    /// # Errors
    /// What librdkafka says, the cause first.
    pub fn connect(&self) -> Result<(), Vec<String>> {
        self.watch(|_| self.0.client().fetch_metadata(None, POLL).is_ok())
    }

    /// As [`Attempt::write`]; what was said before is forgotten.
    ///
    /// # Errors
    /// What librdkafka says: the cause, or the record's own error where there is none.
    pub fn write(&self, topic: &str) -> Result<(), Vec<String>> {
        *self.0.context().noted() = Noted::default();
        let record = BaseRecord::<(), str>::to(topic).payload("a record");
        self.0.send(record).map_err(|(error, _)| vec![error.to_string()])?;
        self.watch(|noted| noted.stored)
    }

    /// Polls until there is a success or a cause.
    fn watch(&self, success: impl Fn(&Noted) -> bool) -> Result<(), Vec<String>> {
        let start = Instant::now();
        loop {
            self.0.poll(POLL);
            let noted = self.0.context().noted().clone();
            if success(&noted) {
                return Ok(());
            }
            if noted.is_final {
                return Err(noted.errors);
            }
            assert!(start.elapsed() < DEADLINE, "librdkafka says nothing but {:?}", noted.errors);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?})", self.0.context().noted())
    }
}

#[derive(Clone, Debug, Default)]
struct Noted {
    stored: bool,
    errors: Vec<String>,
    /// What is noted tells the cause.
    is_final: bool,
}

/// Notes what librdkafka says.
struct Context {
    token: Option<String>,
    noted: Mutex<Noted>,
}

impl Context {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        let mut noted = self.noted();
        noted.errors.push(format!("{code:?}: {reason}"));
        // This one says only that there was another.
        noted.is_final |= code != Some(RDKafkaErrorCode::AllBrokersDown);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let token = self.token.clone().ok_or("this client has no token")?;
        let later = SystemTime::now() + Duration::from_secs(3600);
        let lifetime_ms = later.duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        let principal_name = "writer".to_owned();
        Ok(OAuthToken { token, principal_name, lifetime_ms: i64::try_from(lifetime_ms)? })
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        let mut noted = self.noted();
        match result {
            Ok(record) => noted.stored = record.offset() >= 0,
            Err((error, _)) => {
                noted.errors.push(format!("{:?}: {error}", error.rdkafka_error_code()));
                noted.is_final = true;
            }
        }
    }
}
