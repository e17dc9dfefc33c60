//! Two questions in Kafka's own protocol: is this broker ready, and what does *it* know?
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
    let mut body = Vec::new();
    body.extend(METADATA.to_be_bytes());
    body.extend(METADATA_VERSION.to_be_bytes());
    body.extend(7_i32.to_be_bytes()); // correlation id
    body.extend((-1_i16).to_be_bytes()); // no client id
    body.extend(i32::from(topic.is_some()).to_be_bytes());
    if let Some(topic) = topic {
        let size = i16::try_from(topic.len()).expect("a topic name has at most 249 bytes");
        body.extend(size.to_be_bytes());
        body.extend(topic.as_bytes());
    }
    body.push(0); // do not create it
    let mut request = i32::try_from(body.len()).expect("a request is small").to_be_bytes().to_vec();
    request.extend(body);
    let answer = exchange(address, &request)?;
    read_metadata(&mut Cursor(&answer))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a torn metadata answer"))
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
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(head)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take(2)?.try_into().ok().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }

    /// A string; a null one is empty.
    fn string(&mut self) -> Option<String> {
        let size = usize::try_from(self.i16()?).unwrap_or(0);
        Some(String::from_utf8_lossy(self.take(size)?).into_owned())
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.i32()?;
        (0..count).map(|_| item(self)).collect()
    }
}
