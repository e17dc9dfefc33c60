//! Requests that change brokers while they run: settings, users of SCRAM, rights, quotas.
//!
//! librdkafka's safe bindings have none of them, and Kafka's command line tools take a second
//! each. The layouts are those of Kafka's message definitions
//! (<https://kafka.apache.org/protocol>).

use std::{io, net::SocketAddr};

use openssl::{hash::MessageDigest, pkcs5::pbkdf2_hmac, rand::rand_bytes};

use super::wire::{Cursor, Request, torn};

const DESCRIBE_ACLS: i16 = 29;
const CREATE_ACLS: i16 = 30;
const DELETE_ACLS: i16 = 31;
const INCREMENTAL_ALTER_CONFIGS: i16 = 44;
const ALTER_CLIENT_QUOTAS: i16 = 49;
const ALTER_USER_SCRAM_CREDENTIALS: i16 = 51;

/// The least that Kafka allows; more would only cost time.
const SCRAM_ITERATIONS: u16 = 4096;

/// What has settings.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entity<'a> {
    /// A topic.
    Topic(&'a str),
    /// The broker with this node id.
    Broker(i32),
}

/// How SCRAM hashes a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScramHash {
    Sha256,
    Sha512,
}

/// Something that a user may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right<'a> {
    /// Write to this topic; describing it is implied.
    Write(&'a str),
    /// Read this topic; describing it is implied.
    Read(&'a str),
    /// See that this topic is there, and no more.
    Describe(&'a str),
    /// See this topic's settings.
    DescribeConfigs(&'a str),
    /// Make this topic.
    Create(&'a str),
    /// Write with transactional ids that begin so; describing them is implied.
    Transactions(&'a str),
}

impl Right<'_> {
    /// As Kafka writes it when it is given, and when it is looked for.
    fn append_to(self, request: Request, user: &str) -> Request {
        const TOPIC: i8 = 2;
        const TRANSACTIONAL_ID: i8 = 5;
        const LITERAL: i8 = 3;
        const PREFIXED: i8 = 4;
        const READ: i8 = 3;
        const WRITE: i8 = 4;
        const CREATE: i8 = 5;
        const DESCRIBE: i8 = 8;
        const DESCRIBE_CONFIGS: i8 = 10;
        const ALLOW: i8 = 3;
        let (kind, name, pattern, operation) = match self {
            Self::Write(topic) => (TOPIC, topic, LITERAL, WRITE),
            Self::Read(topic) => (TOPIC, topic, LITERAL, READ),
            Self::Describe(topic) => (TOPIC, topic, LITERAL, DESCRIBE),
            Self::DescribeConfigs(topic) => (TOPIC, topic, LITERAL, DESCRIBE_CONFIGS),
            Self::Create(topic) => (TOPIC, topic, LITERAL, CREATE),
            Self::Transactions(prefix) => (TRANSACTIONAL_ID, prefix, PREFIXED, WRITE),
        };
        let request = request.i8(kind).string(name).i8(pattern);
        let request = request.string(&format!("User:{user}")).string("*"); // from any host
        request.i8(operation).i8(ALLOW)
    }
}

/// Sets one property and leaves the others.
pub(super) fn set_property(
    broker: SocketAddr,
    entity: Entity<'_>,
    key: &str,
    value: &str,
) -> io::Result<()> {
    const TOPIC: i8 = 2;
    const BROKER: i8 = 4;
    const SET: i8 = 0;
    let (kind, name) = match entity {
        Entity::Topic(name) => (TOPIC, name.to_owned()),
        Entity::Broker(id) => (BROKER, id.to_string()),
    };
    let request = Request::new(INCREMENTAL_ALTER_CONFIGS, 0).i32(1).i8(kind).string(&name);
    let request = request.i32(1).string(key).i8(SET).string(value);
    let answer = request.i8(0).send(broker)?; // not only a check
    verdict(&answer)
}

/// Sets how many bytes a second each client without limits of its own may send to a broker.
pub(super) fn set_quota(broker: SocketAddr, bytes_per_s: Option<u32>) -> io::Result<()> {
    let request = Request::new(ALTER_CLIENT_QUOTAS, 0).i32(1); // one entity
    let request = request.i32(1).string("client-id").i16(-1); // null: whoever has no other
    let request = request.i32(1).string("producer_byte_rate");
    let request = request.f64(bytes_per_s.unwrap_or(0).into()).i8(bytes_per_s.is_none().into());
    verdict(&request.i8(0).send(broker)?) // not only a check
}

/// Makes a user of SCRAM, or gives it another password.
pub(super) fn set_scram(
    broker: SocketAddr,
    user: &str,
    hash: ScramHash,
    password: &str,
) -> io::Result<()> {
    let (digest, bytes) = match hash {
        ScramHash::Sha256 => (MessageDigest::sha256(), 32),
        ScramHash::Sha512 => (MessageDigest::sha512(), 64),
    };
    let (mut salt, mut salted) = ([0; 16], vec![0; bytes]);
    rand_bytes(&mut salt)?;
    pbkdf2_hmac(password.as_bytes(), &salt, SCRAM_ITERATIONS.into(), digest, &mut salted)?;
    let request = Request::flexible(ALTER_USER_SCRAM_CREDENTIALS, 0).compact_length(0); // deletions
    let request = request.compact_length(1).compact_bytes(user.as_bytes()).i8(hash.id());
    let request = request.i32(SCRAM_ITERATIONS.into()).compact_bytes(&salt).compact_bytes(&salted);
    scram_verdict(&request.no_tags().no_tags().send(broker)?)
}

/// Removes a user of SCRAM.
pub(super) fn delete_scram(broker: SocketAddr, user: &str, hash: ScramHash) -> io::Result<()> {
    let request = Request::flexible(ALTER_USER_SCRAM_CREDENTIALS, 0).compact_length(1);
    let request = request.compact_bytes(user.as_bytes()).i8(hash.id()).no_tags();
    scram_verdict(&request.compact_length(0).no_tags().send(broker)?)
}

impl ScramHash {
    fn id(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }
}

/// Gives a right.
pub(super) fn allow(broker: SocketAddr, user: &str, right: Right<'_>) -> io::Result<()> {
    let request = right.append_to(Request::new(CREATE_ACLS, 1).i32(1), user);
    verdict(&request.send(broker)?)
}

/// Takes a right that was given.
pub(super) fn disallow(broker: SocketAddr, user: &str, right: Right<'_>) -> io::Result<()> {
    let request = right.append_to(Request::new(DELETE_ACLS, 1).i32(1), user);
    verdict(&request.send(broker)?)
}

/// Whether this broker knows of a right.
pub(super) fn is_allowed(broker: SocketAddr, user: &str, right: Right<'_>) -> io::Result<bool> {
    let answer = right.append_to(Request::new(DESCRIBE_ACLS, 1), user).send(broker)?;
    let mut answer = Cursor(&answer);
    let mut read = || {
        answer.i32()?; // correlation id
        answer.i32()?; // throttle time
        let verdict = refusal(answer.i16()?, &answer.string()?);
        Some(verdict.and_then(|()| Ok(answer.i32().ok_or_else(torn)? > 0)))
    };
    read().ok_or_else(torn)?
}

/// Reads the one result of an answer.
fn verdict(answer: &[u8]) -> io::Result<()> {
    let mut answer = Cursor(answer);
    let mut read = || {
        answer.i32()?; // correlation id
        answer.i32()?; // throttle time
        answer.i32()?; // one result
        Some(refusal(answer.i16()?, &answer.string()?))
    };
    read().ok_or_else(torn)?
}

fn scram_verdict(answer: &[u8]) -> io::Result<()> {
    let mut answer = Cursor(answer);
    let mut read = || {
        answer.i32()?; // correlation id
        answer.take(1)?; // no tags
        answer.i32()?; // throttle time
        answer.take(1)?; // one result
        answer.compact_string()?; // the user
        Some(refusal(answer.i16()?, &answer.compact_string()?))
    };
    read().ok_or_else(torn)?
}

fn refusal(code: i16, text: &str) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::other(format!("Kafka's error {code}: {text}"))),
    }
}
