//! A proxy that knows Kafka's requests: it answers one with an error of its own, cuts the connection
//! when an answer would return, holds an answer back, lets a client's requests vanish, or makes
//! records older.
//!
//! Frames and headers are read here ([`frame`]), bodies only of requests that get an error
//! ([`answer`]) and of records that are changed ([`age`]). Where the client connects to is none of
//! its business: brokers advertise a [`crate::proxy::Proxy`], and that leads here. It speaks
//! plaintext alone, and whoever comes through it asks for acknowledgements.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

pub use self::age::AGED;
use self::frame::{Header, read_frame, write_frame};
use crate::engine::runtime;

mod age;
mod answer;
mod body;
mod frame;

/// Requests that may be on their way on one connection.
const REQUESTS_MAX: usize = 10_000;

/// A kind of request, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Api {
    /// Records.
    Produce = 0,
    /// Records are read.
    Fetch = 1,
    /// Who leads what.
    Metadata = 3,
    /// Who keeps a transactional id.
    FindCoordinator = 10,
    /// A producer's number; with a transactional id it fences older ones.
    InitProducerId = 22,
    /// Partitions join a transaction.
    AddPartitionsToTxn = 24,
    /// A transaction ends.
    EndTxn = 26,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It does not arrive; the client is answered with this error.
    Refuse(i16),
    /// The broker does it; the client is answered with this error.
    Deny(i16),
    /// The broker does it; the connection is reset instead of the answer.
    Cut,
    /// The broker does it; its answer returns so much later.
    Delay(Duration),
    /// It does not arrive, and nothing on this connection does any more.
    Swallow,
    /// Records that hold [`AGED`] arrive with a timestamp so much older; the broker judges them.
    Age(Duration),
}

/// What is done to requests of one kind; several proxies may share it.
#[derive(Clone, Debug)]
pub struct Rule(Arc<RuleState>);

#[derive(Debug)]
struct RuleState {
    /// `None`: of every kind.
    api: Option<Api>,
    client_id: Option<String>,
    /// Only requests that name this topic.
    topic: Option<String>,
    act: Act,
    spared: AtomicU64,
    left: AtomicU64,
    met: AtomicU64,
    answered: AtomicU64,
}

impl Rule {
    /// For so many requests of a kind.
    pub fn new(api: Api, act: Act, times: u64) -> Self {
        Self::of(Some(api), act, times)
    }

    /// All requests of a client vanish, from the next on.
    pub fn black_hole(client_id: &str) -> Self {
        Self::of(None, Act::Swallow, u64::MAX).by(client_id)
    }

    /// Only for requests of this client.
    ///
    /// # Panics
    /// When a proxy obeys it already.
    #[must_use]
    pub fn by(mut self, client_id: &str) -> Self {
        self.own().client_id = Some(client_id.to_owned());
        self
    }

    /// Only for requests that name this topic: records for it, or transactions that it joins.
    ///
    /// # Panics
    /// When a proxy obeys it already.
    #[must_use]
    pub fn about(mut self, topic: &str) -> Self {
        self.own().topic = Some(topic.to_owned());
        self
    }

    /// Not for so many requests that come first.
    ///
    /// # Panics
    /// When a proxy obeys it already.
    #[must_use]
    pub fn after(mut self, spared: u64) -> Self {
        *self.own().spared.get_mut() = spared;
        self
    }

    fn own(&mut self) -> &mut RuleState {
        Arc::get_mut(&mut self.0).expect("nobody obeys it yet")
    }

    fn of(api: Option<Api>, act: Act, times: u64) -> Self {
        Self(Arc::new(RuleState {
            api,
            client_id: None,
            topic: None,
            act,
            spared: AtomicU64::default(),
            left: AtomicU64::new(times),
            met: AtomicU64::default(),
            answered: AtomicU64::default(),
        }))
    }

    /// Requests that have met it.
    pub fn met(&self) -> u64 {
        self.0.met.load(Ordering::SeqCst)
    }

    /// Requests that have met it and that the broker has done, whatever became of its answer.
    pub fn answered(&self) -> u64 {
        self.0.answered.load(Ordering::SeqCst)
    }

    /// It is for no further request.
    pub fn end(&self) {
        self.0.left.store(0, Ordering::SeqCst);
    }

    /// What becomes of a request, if the rule is for it. Counts it.
    fn meets(&self, header: &Header, frame: &[u8]) -> Option<Act> {
        let rule = &*self.0;
        let is_its = rule.api.is_none_or(|api| api as i16 == header.api)
            && rule.client_id.as_ref().is_none_or(|id| *id == header.client_id)
            && rule
                .topic
                .as_ref()
                .is_none_or(|topic| answer::topics(header, frame).contains(topic));
        let take = |left: u64| left.checked_sub(1);
        let taken =
            |from: &AtomicU64| from.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
        if !is_its || taken(&rule.spared) || !taken(&rule.left) {
            return None;
        }
        rule.met.fetch_add(1, Ordering::SeqCst);
        Some(rule.act)
    }
}

/// A listening proxy; dropping it ends all its connections.
#[derive(Debug)]
pub struct KafkaProxy {
    address: SocketAddr,
    rules: Arc<Rules>,
    /// Dropped with the proxy, which ends the connections.
    _lives: watch::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Rules(Mutex<Vec<Rule>>);

impl Rules {
    fn lock(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KafkaProxy {
    /// A proxy to a broker.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn to(target: SocketAddr) -> Self {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (lives, seen) = watch::channel(());
        let rules = Arc::<Rules>::default();
        let task = runtime().spawn(serve(listener, target, rules.clone(), seen));
        Self { address, rules, _lives: lives, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds to a rule from now on, on all connections. Of two for the same request the older counts.
    pub fn obey(&self, rule: &Rule) {
        self.rules.lock().push(rule.clone());
    }

    /// Passes everything on again. What was swallowed stays so.
    pub fn heal(&self) {
        self.rules.lock().clear();
    }
}

impl Drop for KafkaProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    rules: Arc<Rules>,
    lives: watch::Receiver<()>,
) {
    loop {
        if let Ok((client, _)) = listener.accept().await {
            tokio::spawn(connection(client, target, rules.clone(), lives.clone()));
        }
    }
}

/// A request on its way, and what becomes of its answer.
struct Waiting {
    correlation: i32,
    /// The answer, if the broker is not asked for it or not believed.
    own: Option<Vec<u8>>,
    /// The rule that it has met.
    rule: Option<Rule>,
    is_passed_on: bool,
    cut: bool,
    not_before: Instant,
}

/// The connection is to be reset.
struct Reset;

/// One connection, from its beginning to its end.
async fn connection(
    mut client: TcpStream,
    target: SocketAddr,
    rules: Arc<Rules>,
    mut lives: watch::Receiver<()>,
) {
    let Ok(mut broker) = TcpStream::connect(target).await else {
        // It fails only on a connection that is gone already.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), broker.set_nodelay(true));
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_broker, to_broker) = broker.split();
        let (waiting, queue) = mpsc::channel(REQUESTS_MAX);
        tokio::select! {
            ended = requests(from_client, to_broker, &rules, waiting) => ended,
            ended = answers(from_broker, to_client, queue) => ended,
            // Nothing is ever sent: the proxy is gone.
            _ = lives.changed() => Err(Reset),
        }
    };
    if ended.is_err() {
        let _ = (client.set_zero_linger(), broker.set_zero_linger());
    }
}

/// Passes requests on until the client closes.
async fn requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    rules: &Rules,
    waiting: mpsc::Sender<Waiting>,
) -> Result<(), Reset> {
    while let Some(mut frame) = read_frame(&mut from).await.map_err(|_| Reset)? {
        let header = Header::read(&frame).ok_or(Reset)?;
        let met = |rule: &Rule| Some((rule.clone(), rule.meets(&header, &frame)?));
        let (rule, act) = rules.lock().iter().find_map(met).unzip();
        let mut next = Waiting {
            correlation: header.correlation,
            own: None,
            rule,
            is_passed_on: true,
            cut: false,
            not_before: Instant::now(),
        };
        match act {
            None => {}
            Some(Act::Refuse(code) | Act::Deny(code)) => {
                let own = answer::refusal(&header, &frame, code);
                next.own = Some(own.unwrap_or_else(|| panic!("no refusal is known: {header:?}")));
                next.is_passed_on = matches!(act, Some(Act::Deny(_)));
            }
            Some(Act::Cut) => next.cut = true,
            Some(Act::Delay(delay)) => next.not_before += delay,
            Some(Act::Age(by)) => {
                let aged = age::aged(&header, &frame, by);
                frame = aged.unwrap_or_else(|| panic!("no records are known: {header:?}"));
            }
            Some(Act::Swallow) => {
                while read_frame(&mut from).await.map_err(|_| Reset)?.is_some() {}
                return Ok(());
            }
        }
        let is_passed_on = next.is_passed_on;
        waiting.send(next).await.map_err(|_| Reset)?;
        if is_passed_on {
            write_frame(&mut to, &frame).await.map_err(|_| Reset)?;
        }
    }
    Ok(())
}

/// Passes answers on, in the order of their requests, until the broker closes.
async fn answers(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut queue: mpsc::Receiver<Waiting>,
) -> Result<(), Reset> {
    while let Some(waiting) = queue.recv().await {
        let mut answer = None;
        if waiting.is_passed_on {
            let Some(frame) = read_frame(&mut from).await.map_err(|_| Reset)? else {
                break;
            };
            let correlation = frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
            assert_eq!(correlation, Some(waiting.correlation), "brokers answer in order");
            answer = Some(frame);
            if let Some(Rule(rule)) = &waiting.rule {
                rule.answered.fetch_add(1, Ordering::SeqCst);
            }
        }
        if waiting.cut {
            return Err(Reset);
        }
        sleep_until(waiting.not_before).await;
        let answer = waiting.own.or(answer).expect("it is one of the two");
        write_frame(&mut to, &answer).await.map_err(|_| Reset)?;
    }
    // The client may have closed already.
    let _ = to.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::{TcpListener as Listener, TcpStream as Stream},
        thread,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::wait::DEADLINE;

    /// A broker that answers each request with its correlation id and a count of requests, behind a
    /// proxy.
    fn broker() -> KafkaProxy {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let proxy = KafkaProxy::to(listener.local_addr().unwrap());
        thread::spawn(move || {
            let mut count = 0_u8;
            for mut client in listener.incoming().flatten() {
                while let Ok(request) = read(&mut client) {
                    count += 1;
                    let mut answer = request[4..8].to_vec();
                    answer.push(count);
                    if write(&mut client, &answer).is_err() {
                        break;
                    }
                }
            }
        });
        proxy
    }

    fn connect(proxy: &KafkaProxy) -> Stream {
        let stream = Stream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    fn read(stream: &mut Stream) -> std::io::Result<Vec<u8>> {
        let mut size = [0; 4];
        stream.read_exact(&mut size)?;
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        stream.read_exact(&mut frame)?;
        Ok(frame)
    }

    fn write(stream: &mut Stream, frame: &[u8]) -> std::io::Result<()> {
        let size = u32::try_from(frame.len()).unwrap().to_be_bytes();
        stream.write_all(&[size.as_slice(), frame].concat())
    }

    /// A request of version 1 with a body.
    fn request(api: Api, correlation: i32, client: &str, body: &[u8]) -> Vec<u8> {
        let mut frame = body::Writer::new(false);
        frame.i16(api as i16).i16(1).i32(correlation).string(Some(client)).raw(body);
        frame.into_bytes()
    }

    fn ask(stream: &mut Stream, api: Api, correlation: i32) -> std::io::Result<Vec<u8>> {
        write(stream, &request(api, correlation, "c", b"body"))?;
        read(stream)
    }

    /// The broker's answer, of the nth request that it has seen.
    fn nth(correlation: i32, n: u8) -> Vec<u8> {
        [correlation.to_be_bytes().as_slice(), &[n]].concat()
    }

    #[test]
    fn requests_of_one_kind_are_refused_or_denied_and_others_pass() {
        let proxy = broker();
        let mut stream = connect(&proxy);
        assert_eq!(ask(&mut stream, Api::EndTxn, 7).unwrap(), nth(7, 1));
        let refusal = |correlation: i32, code: i16| {
            let mut answer = body::Writer::new(false);
            answer.i32(correlation).i32(0).i16(code);
            answer.into_bytes()
        };
        let rule = Rule::new(Api::EndTxn, Act::Refuse(51), 1);
        proxy.obey(&rule);
        assert_eq!(ask(&mut stream, Api::Metadata, 8).unwrap(), nth(8, 2));
        assert_eq!(ask(&mut stream, Api::EndTxn, 9).unwrap(), refusal(9, 51));
        assert_eq!(ask(&mut stream, Api::EndTxn, 10).unwrap(), nth(10, 3), "it did not arrive");
        assert_eq!((rule.met(), rule.answered()), (1, 0));
        let rule = Rule::new(Api::EndTxn, Act::Deny(16), 1).by("c");
        proxy.obey(&rule);
        assert_eq!(ask(&mut stream, Api::EndTxn, 11).unwrap(), refusal(11, 16));
        assert_eq!(ask(&mut stream, Api::EndTxn, 12).unwrap(), nth(12, 5), "it did arrive");
        assert_eq!((rule.met(), rule.answered()), (1, 1));
    }

    #[test]
    fn a_connection_is_cut_when_an_answer_returns() {
        let proxy = broker();
        let mut stream = connect(&proxy);
        proxy.obey(&Rule::new(Api::EndTxn, Act::Cut, 1));
        let cut = ask(&mut stream, Api::EndTxn, 1).map_err(|error| error.kind());
        assert_eq!(cut, Err(ErrorKind::ConnectionReset));
        let mut stream = connect(&proxy);
        assert_eq!(ask(&mut stream, Api::EndTxn, 2).unwrap(), nth(2, 2), "the first has arrived");
    }

    #[test]
    fn an_answer_is_late_and_those_behind_it_wait() {
        const LATE: Duration = Duration::from_millis(300);
        let proxy = broker();
        let mut stream = connect(&proxy);
        proxy.obey(&Rule::new(Api::EndTxn, Act::Delay(LATE), 1));
        let start = Instant::now();
        write(&mut stream, &request(Api::EndTxn, 1, "c", b"")).unwrap();
        write(&mut stream, &request(Api::Metadata, 2, "c", b"")).unwrap();
        assert_eq!(read(&mut stream).unwrap(), nth(1, 1));
        assert!(start.elapsed() >= LATE);
        assert_eq!(read(&mut stream).unwrap(), nth(2, 2));
    }

    #[test]
    fn one_client_vanishes_and_others_do_not() {
        let proxy = broker();
        let hole = Rule::black_hole("lost");
        proxy.obey(&hole);
        let mut lost = connect(&proxy);
        write(&mut lost, &request(Api::Metadata, 1, "lost", b"")).unwrap();
        lost.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let heard = read(&mut lost).map_err(|error| error.kind());
        assert_eq!(heard, Err(ErrorKind::WouldBlock));
        // The broker of this test serves one connection after the other.
        drop(lost);
        assert_eq!(ask(&mut connect(&proxy), Api::Metadata, 2).unwrap(), nth(2, 1));
        assert_eq!(hole.met(), 1);
        hole.end();
        let mut found = connect(&proxy);
        write(&mut found, &request(Api::Metadata, 3, "lost", b"")).unwrap();
        assert_eq!(read(&mut found).unwrap(), nth(3, 2));
    }

    /// Records are refused by topic and partition, in the older layout and in the flexible one.
    #[test]
    fn records_are_refused_by_partition() {
        for (version, flexible) in [(7, false), (10, true)] {
            let mut frame = body::Writer::new(false);
            frame.i16(0).i16(version).i32(5).string(Some("c"));
            let end = frame.into_bytes();
            let mut body = body::Writer::new(flexible);
            body.tags().string(Some("id")).i16(-1).i32(1_000);
            body.array(&["t"], |body, topic| {
                body.string(Some(topic)).array(&[3, 4], |body, partition| {
                    body.i32(*partition);
                    // No records.
                    if flexible {
                        body.string(None)
                    } else {
                        body.i32(-1)
                    };
                    body.tags();
                });
                body.tags();
            });
            body.tags();
            let frame = [end, body.into_bytes()].concat();
            let header = Header::read(&frame).unwrap();
            assert_eq!((header.version, header.client_id.as_str()), (version, "c"));
            assert_eq!(answer::topics(&header, &frame), ["t"]);
            let answer = answer::refusal(&header, &frame, 59).unwrap();
            let mut reader = body::Reader::new(&answer, flexible);
            assert_eq!(reader.i32(), Some(5));
            reader.tags().unwrap();
            let refused = reader.array(|reader| {
                let topic = reader.string()??;
                let partitions = reader.array(|reader| {
                    let refused = (reader.i32()?, reader.i16()?);
                    reader.take(3 * 8)?;
                    if flexible {
                        reader.array(|_| Some(()))?;
                        reader.string()?;
                    }
                    reader.tags()?;
                    Some(refused)
                })?;
                reader.tags()?;
                Some((topic, partitions))
            });
            assert_eq!(refused, Some(vec![("t".to_owned(), vec![(3, 59), (4, 59)])]));
            assert_eq!((reader.i32(), reader.tags(), reader.left()), (Some(0), Some(()), 0));
        }
    }
}
