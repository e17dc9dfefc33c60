//! Kafka's own protocol: is this broker ready, what does *it* know, and requests by hand.
//!
//! A client library asks any broker and caches; a test that waits for every broker to know a
//! topic has to ask each one.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A broker that does not answer within this is taken for one that does not answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// `ApiVersions` version 0 without a client id, its size in front.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
const METADATA: i16 = 3;
const FIND_COORDINATOR: i16 = 10;
/// The first version that can ask without creating the topic.
const METADATA_VERSION: i16 = 4;

/// A partition as one broker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Kafka's error code; 0 is none, 5 is "no leader".
    pub error: i16,
    /// The leader's node id; -1 without one.
    pub leader: i32,
    /// Node ids of all replicas; the first is the preferred leader.
    pub replicas: Vec<i32>,
    /// Node ids of the replicas in sync.
    pub in_sync: Vec<i32>,
}

/// A topic as one broker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Kafka's error code; 0 is none, 3 is "unknown topic or partition".
    pub error: i16,
    /// Its partitions by number.
    pub partitions: BTreeMap<i32, Partition>,
}

/// What one broker knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Host and port of the live brokers, by node id.
    pub brokers: BTreeMap<i32, String>,
    /// The topic that was asked for.
    pub topic: Option<Topic>,
}

/// Whether a broker answers requests; an open port alone does not say so.
pub(super) fn is_ready(address: SocketAddr) -> bool {
    exchange(address, &API_VERSIONS).is_ok()
}

/// What the broker at `address` knows of the cluster and of one topic.
pub(super) fn metadata(address: SocketAddr, topic: Option<&str>) -> io::Result<Metadata> {
    let mut request = Request::new(METADATA, METADATA_VERSION).i32(i32::from(topic.is_some()));
    if let Some(topic) = topic {
        request = request.string(topic);
    }
    let answer = request.i8(0).send(address)?; // do not create it
    read_metadata(&mut Cursor(&answer)).ok_or_else(torn)
}

/// The node id of the broker that keeps a transactional id, as the one at `address` knows; -1 if it
/// does not.
pub(super) fn coordinator(address: SocketAddr, transactional_id: &str) -> io::Result<i32> {
    const OF_TRANSACTIONS: i8 = 1;
    let request = Request::new(FIND_COORDINATOR, 1).string(transactional_id).i8(OF_TRANSACTIONS);
    let answer = request.send(address)?;
    let mut answer = Cursor(&answer);
    let mut read = || {
        answer.i32()?; // correlation id
        answer.i32()?; // throttle time
        let error = answer.i16()?;
        answer.string()?; // its text
        let node = answer.i32()?;
        Some(if error == 0 { node } else { -1 })
    };
    read().ok_or_else(torn)
}

pub(super) fn torn() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer ends too early")
}

/// Writes a request: its header, then what is appended.
pub(super) struct Request(Vec<u8>);

impl Request {
    /// One whose strings and arrays have fixed-size lengths.
    pub(super) fn new(api: i16, version: i16) -> Self {
        let header = Self(Vec::new()).i16(api).i16(version).i32(7); // any correlation id
        header.i16(-1) // no client id
    }

    /// One of a "flexible" version: short lengths, and tagged fields, of which we have none.
    pub(super) fn flexible(api: i16, version: i16) -> Self {
        Self::new(api, version).no_tags()
    }

    pub(super) fn i8(self, value: i8) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn i16(self, value: i16) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn i32(self, value: i32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn f64(self, value: f64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn string(self, text: &str) -> Self {
        let size = i16::try_from(text.len()).expect("a test's texts are short");
        self.i16(size).bytes(text.as_bytes())
    }

    pub(super) fn no_tags(self) -> Self {
        self.i8(0)
    }

    /// The length of a flexible string, array or run of bytes.
    pub(super) fn compact_length(self, length: usize) -> Self {
        let length = i8::try_from(length + 1).expect("one byte holds lengths up to 126");
        self.i8(length)
    }

    pub(super) fn compact_bytes(self, bytes: &[u8]) -> Self {
        self.compact_length(bytes.len()).bytes(bytes)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Sends it; returns the answer without its size.
    pub(super) fn send(self, address: SocketAddr) -> io::Result<Vec<u8>> {
        let size = i32::try_from(self.0.len()).expect("a request is small");
        exchange(address, &[size.to_be_bytes().as_slice(), &self.0].concat())
    }
}

/// Sends a request and returns the answer without its size.
fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(request)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
    if size > ANSWER_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a Kafka answer"));
    }
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn read_metadata(answer: &mut Cursor<'_>) -> Option<Metadata> {
    answer.i32()?; // correlation id
    answer.i32()?; // throttle time
    let brokers = answer.list(|c| {
        let (id, host, port) = (c.i32()?, c.string()?, c.i32()?);
        c.string()?; // rack
        Some((id, format!("{host}:{port}")))
    })?;
    answer.string()?; // cluster id
    answer.i32()?; // a broker that forwards to the controller
    let topics = answer.list(|c| {
        let error = c.i16()?;
        c.string()?; // name
        c.take(1)?; // internal
        let partitions = c.list(|c| {
            let (error, id, leader) = (c.i16()?, c.i32()?, c.i32()?);
            let (replicas, in_sync) = (c.list(Cursor::i32)?, c.list(Cursor::i32)?);
            Some((id, Partition { error, leader, replicas, in_sync }))
        })?;
        Some(Topic { error, partitions: partitions.into_iter().collect() })
    })?;
    let topic = topics.into_iter().next();
    Some(Metadata { brokers: brokers.into_iter().collect(), topic })
}

/// Reads Kafka's primitive types; `None` at the end of the bytes.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.take(2)?.try_into().ok().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }

    /// A string; a null one is empty.
    pub(super) fn string(&mut self) -> Option<String> {
        let size = usize::try_from(self.i16()?).unwrap_or(0);
        Some(String::from_utf8_lossy(self.take(size)?).into_owned())
    }

    /// A string of a flexible version; a null one is empty.
    pub(super) fn compact_string(&mut self) -> Option<String> {
        let mut length = 0;
        for shift in [0, 7, 14] {
            let byte = usize::from(self.take(1)?[0]);
            length |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                // 0 is null, 1 is the empty string.
                let text = self.take(length.saturating_sub(1))?;
                return Some(String::from_utf8_lossy(text).into_owned());
            }
        }
        None
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.i32()?;
        (0..count).map(|_| item(self)).collect()
    }
}
