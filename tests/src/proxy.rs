//! A way between two ends of TCP that can be spoiled while it is in use.
//!
//! It knows nothing of what it carries. Both ends keep their own connections, so whatever is done
//! here looks to each like its own network: slow, narrow, in small pieces, silent in one or both
//! directions, cut with a reset, forgotten, or closed to newcomers. What an end does to its
//! connection the other sees: a close is a close, a reset is a reset. Brokers advertise a proxy as their
//! address ([`crate::kafka::Cluster::start_behind`]); an engine is given one instead of the
//! service's address.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::{
    engine::runtime,
    kafka::{PROXY_PORT, free_host},
};

/// Read at once.
const PIECE_BYTES: usize = 16 << 10;
/// Pieces on their way; with a delay they bound the throughput to 4 MiB each delay.
const PIECES: usize = 256;
/// How often another address is tried when somebody takes ours between the look and the start.
const ADDRESS_ATTEMPTS: usize = 5;
/// A narrow way sends this often.
const NARROW_STEP: Duration = Duration::from_millis(20);

/// A listening proxy; dropping it ends all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From who has connected to the target.
    There,
    /// From the target.
    Back,
}

/// How bytes go one way. The default is unspoiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Each piece arrives so much later.
    pub delay: Duration,
    /// At most so many bytes a second.
    pub bytes_per_s: Option<u32>,
    /// In pieces of so many bytes.
    pub slice_bytes: Option<usize>,
    /// Nothing goes on; what comes is kept until something does again.
    pub silent: bool,
    /// Each connection is reset after so many bytes.
    pub cut_after_bytes: Option<u64>,
}

/// What becomes of new connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// They are carried.
    #[default]
    Open,
    /// They are accepted, and nobody ever answers on them.
    Silent,
    /// Nobody listens.
    Shut,
}

#[derive(Clone, Debug, Default)]
struct State {
    target: Option<SocketAddr>,
    door: Door,
    terms: [Terms; 2],
    /// How often all connections were reset.
    resets: u64,
    /// How often all connections were forgotten.
    forgets: u64,
    /// How often they were told to be reset when the next bytes come this way.
    resets_on_next: [u64; 2],
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    resets: AtomicU64,
    bytes: [AtomicU64; 2],
    pieces: [AtomicU64; 2],
}

/// The connection is to be reset.
struct Reset;

impl Proxy {
    /// A proxy whose target is told later ([`Proxy::lead_to`]): a broker has to know the proxy
    /// before it starts. Who comes before that is sent away.
    ///
    /// # Panics
    /// When there is no free address.
    pub fn start() -> Self {
        // Away from the ports that the system hands out: while the door is shut nobody gets it.
        let bind = |_| runtime().block_on(TcpListener::bind((free_host(), PROXY_PORT))).ok();
        let listener = (0..ADDRESS_ATTEMPTS).find_map(bind).expect("an address is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (state, seen) = watch::channel(State::default());
        let counts = Arc::<Counts>::default();
        let task = runtime().spawn(serve(address, listener, seen, counts.clone()));
        Self { address, state, counts, task }
    }

    /// A proxy to `target`.
    pub fn to(target: SocketAddr) -> Self {
        let proxy = Self::start();
        proxy.lead_to(target);
        proxy
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where new connections lead from now on.
    pub fn lead_to(&self, target: SocketAddr) {
        self.change(|state| state.target = Some(target));
    }

    /// Spoils one direction of all connections, living and new.
    pub fn spoil(&self, way: Way, terms: Terms) {
        self.change(|state| state.terms[way as usize] = terms);
    }

    /// Spoils both directions.
    pub fn spoil_both(&self, terms: Terms) {
        self.change(|state| state.terms = [terms; 2]);
    }

    /// What becomes of new connections. Living ones are left alone.
    pub fn door(&self, door: Door) {
        self.change(|state| state.door = door);
    }

    /// Resets all living connections.
    pub fn reset(&self) {
        self.change(|state| state.resets += 1);
    }

    /// Resets each living connection as soon as bytes come this way, which are not carried: a
    /// request has arrived, and its answer never does.
    pub fn reset_on_next(&self, way: Way) {
        self.change(|state| state.resets_on_next[way as usize] += 1);
    }

    /// Forgets all living connections, as a balancer or a firewall does: what is sent on them goes
    /// nowhere, nobody is told, and newcomers are carried.
    pub fn forget(&self) {
        self.change(|state| state.forgets += 1);
    }

    /// Unplugs the target: living connections are silent, newcomers get no answer.
    pub fn unplug(&self) {
        self.change(|state| {
            state.door = Door::Silent;
            state.terms = [Terms { silent: true, ..Terms::default() }; 2];
        });
    }

    /// Unspoiled again. Connections that came while the door was silent stay so for ever.
    pub fn heal(&self) {
        self.change(|state| (state.door, state.terms) = (Door::Open, Default::default()));
    }

    /// Connections that live.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Connections that were reset, by the proxy or by one of their ends.
    pub fn connections_reset(&self) -> u64 {
        self.counts.resets.load(Ordering::SeqCst)
    }

    /// Pieces in which [`Proxy::carried_bytes`] were carried.
    pub fn carried_pieces(&self, way: Way) -> u64 {
        self.counts.pieces[way as usize].load(Ordering::SeqCst)
    }

    /// Bytes that were carried one way since the start.
    pub fn carried_bytes(&self, way: Way) -> u64 {
        self.counts.bytes[way as usize].load(Ordering::SeqCst)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Addresses of proxies, joined by commas.
pub fn addresses(proxies: &[Proxy]) -> String {
    proxies.iter().map(|proxy| proxy.address.to_string()).collect::<Vec<_>>().join(",")
}

async fn serve(
    address: SocketAddr,
    listener: TcpListener,
    mut state: watch::Receiver<State>,
    counts: Arc<Counts>,
) {
    let mut listener = Some(listener);
    loop {
        let shut = state.borrow_and_update().door == Door::Shut;
        if shut {
            listener = None;
        } else if listener.is_none() {
            let bound = TcpListener::bind(address).await;
            listener = Some(bound.expect("nobody else takes a port of ours"));
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => if let Ok((client, _)) = accepted {
                // Whatever is done from here on, this connection lives.
                let born = state.borrow().clone();
                tokio::spawn(connection(client, born, state.clone(), counts.clone()));
            },
            changed = state.changed() => if changed.is_err() { return },
        }
    }
}

/// One connection, from its beginning to its end.
async fn connection(
    mut client: TcpStream,
    born: State,
    state: watch::Receiver<State>,
    counts: Arc<Counts>,
) {
    let _living = Living::new(&counts);
    let (mut resets, mut forgets) = (state.clone(), state.clone());
    let reset = async {
        // An error: the proxy is gone, and its connections go with it.
        let _ = resets.wait_for(|state| state.resets > born.resets).await;
        Err(Reset)
    };
    let forgotten = async {
        if forgets.wait_for(|state| state.forgets > born.forgets).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let mut server = None;
    let ended = tokio::select! {
        ended = reset => ended,
        ended = async {
            match (born.door, born.target) {
                (Door::Silent, _) => unheard(&mut client).await,
                (Door::Shut, _) | (Door::Open, None) => Err(Reset),
                (Door::Open, Some(target)) => {
                    let connected = TcpStream::connect(target).await.map_err(|_| Reset)?;
                    tokio::select! {
                        ended = carry(&mut client, server.insert(connected), &state, &born, &counts)
                            => ended,
                        () = forgotten => unheard(&mut client).await,
                    }
                }
            }
        } => ended,
    };
    if ended.is_err() {
        counts.resets.fetch_add(1, Ordering::SeqCst);
        for end in [Some(client), server].into_iter().flatten() {
            // It fails only on a connection that is gone already.
            let _ = end.set_zero_linger();
        }
    }
}

/// Takes bytes until their source has closed, as a host does that has them acknowledged and dies.
async fn unheard(source: &mut TcpStream) -> Result<(), Reset> {
    let mut unheard = vec![0; PIECE_BYTES];
    while let Ok(1..) = source.read(&mut unheard).await {}
    Ok(())
}

/// Carries bytes both ways until both ends have closed.
async fn carry(
    client: &mut TcpStream,
    server: &mut TcpStream,
    state: &watch::Receiver<State>,
    born: &State,
    counts: &Counts,
) -> Result<(), Reset> {
    // It fails only on a connection that is gone already.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let there = one_way(from_client, to_server, Way::There, state.clone(), born, counts);
    let back = one_way(from_server, to_client, Way::Back, state.clone(), born, counts);
    tokio::try_join!(there, back).map(drop)
}

/// Carries bytes one way until its source has closed.
async fn one_way(
    mut from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    way: Way,
    state: watch::Receiver<State>,
    born: &State,
    counts: &Counts,
) -> Result<(), Reset> {
    let (pieces, queue) = mpsc::channel(PIECES);
    let read = async move {
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let size = from.read(&mut buffer).await.map_err(|_| Reset)?;
            let piece = (Instant::now(), buffer[..size].to_vec());
            if size == 0 || pieces.send(piece).await.is_err() {
                return Ok(());
            }
        }
    };
    let resets_on_next = born.resets_on_next[way as usize];
    tokio::try_join!(read, write(queue, to, way, state, resets_on_next, counts)).map(drop)
}

/// Writes what comes out of the queue, under the terms that hold at that moment.
async fn write(
    mut queue: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: WriteHalf<'_>,
    way: Way,
    mut state: watch::Receiver<State>,
    resets_on_next: u64,
    counts: &Counts,
) -> Result<(), Reset> {
    let (mut passed_bytes, mut free_at) = (0, Instant::now());
    while let Some((came, piece)) = queue.recv().await {
        if state.borrow().resets_on_next[way as usize] > resets_on_next {
            return Err(Reset);
        }
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            let audible = state.wait_for(|state| !state.terms[way as usize].silent).await;
            let terms = audible.map_err(|_| Reset)?.terms[way as usize];
            let until_cut =
                terms.cut_after_bytes.map_or(u64::MAX, |cut| cut.saturating_sub(passed_bytes));
            if until_cut == 0 {
                return Err(Reset);
            }
            let step = terms.bytes_per_s.map_or(usize::MAX, |rate| {
                (rate as usize / (1000 / NARROW_STEP.as_millis() as usize)).max(1)
            });
            let until_cut = usize::try_from(until_cut).unwrap_or(usize::MAX);
            let slice = terms.slice_bytes.unwrap_or(usize::MAX).max(1);
            let (head, tail) = rest.split_at(rest.len().min(slice).min(step).min(until_cut));
            sleep_until((came + terms.delay).max(free_at)).await;
            to.write_all(head).await.map_err(|_| Reset)?;
            if let Some(rate) = terms.bytes_per_s {
                let took = Duration::from_secs_f64(head.len() as f64 / f64::from(rate.max(1)));
                free_at = free_at.max(Instant::now()) + took;
            }
            passed_bytes += head.len() as u64;
            counts.bytes[way as usize].fetch_add(head.len() as u64, Ordering::SeqCst);
            counts.pieces[way as usize].fetch_add(1, Ordering::SeqCst);
            rest = tail;
        }
    }
    // The other end may have closed it already.
    let _ = to.shutdown().await;
    Ok(())
}

/// Counts a connection while it lives.
struct Living(Arc<Counts>);

impl Living {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        Self(counts.clone())
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        iter,
        net::{TcpListener, TcpStream},
        thread,
        time::Instant,
    };

    use super::*;
    use crate::wait::{DEADLINE, wait_until};

    /// A proxy to a server that sends back what it gets.
    fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap());
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(size @ 1..) = client.read(&mut buffer) {
                        if client.write_all(&buffer[..size]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        proxy
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Sends bytes and reads as many back; how long that took.
    fn there_and_back(stream: &mut TcpStream, size: usize) -> Duration {
        let start = Instant::now();
        let sent: Vec<u8> = (0..size).map(|n| n as u8).collect();
        let (mut writer, whole) = (stream.try_clone().unwrap(), sent.clone());
        let writing = thread::spawn(move || writer.write_all(&whole).unwrap());
        let mut found = vec![0; size];
        stream.read_exact(&mut found).unwrap();
        writing.join().unwrap();
        assert_eq!(found, sent, "what is carried is not changed");
        start.elapsed()
    }

    #[test]
    fn unspoiled_it_changes_nothing_and_sees_both_ends_close() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        there_and_back(&mut stream, 1 << 20);
        // Counted when they have been passed on, which may be a moment after they are here.
        wait_until("all is counted", DEADLINE, || proxy.carried_bytes(Way::Back) == 1 << 20);
        assert_eq!(proxy.connections(), 1);
        drop(stream);
        wait_until("the connection is gone", DEADLINE, || proxy.connections() == 0);
    }

    #[test]
    fn a_way_is_slow_narrow_and_sliced_while_it_is_told_so() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        let delay = Duration::from_millis(100);
        proxy.spoil_both(Terms { delay, ..Terms::default() });
        assert!(there_and_back(&mut stream, 10) >= 2 * delay);
        let slices = Terms { slice_bytes: Some(100), ..Terms::default() };
        let pieces = proxy.carried_pieces(Way::There);
        proxy.spoil_both(Terms { bytes_per_s: Some(20_000), ..slices });
        // 10,000 bytes at 20,000 a second; the first slice goes at once.
        assert!(there_and_back(&mut stream, 10_000) >= Duration::from_millis(450));
        let sliced = || proxy.carried_pieces(Way::There) >= pieces + 100;
        wait_until("a hundred slices are counted", DEADLINE, sliced);
        proxy.heal();
        // Far below what the narrow way takes.
        assert!(there_and_back(&mut stream, 1 << 20) < Duration::from_secs(20));
    }

    #[test]
    fn silence_of_one_way_keeps_what_comes_until_it_ends() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        there_and_back(&mut stream, 10);
        proxy.spoil(Way::Back, Terms { silent: true, ..Terms::default() });
        stream.write_all(b"later").unwrap();
        wait_until("it has arrived", DEADLINE, || proxy.carried_bytes(Way::There) == 15);
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let heard = stream.read(&mut [0; 10]).map_err(|error| error.kind());
        assert_eq!(heard, Err(ErrorKind::WouldBlock));
        proxy.heal();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"later");
    }

    #[test]
    fn connections_are_reset_now_or_on_the_next_bytes_or_after_some() {
        let ended = |stream: &mut TcpStream| stream.read(&mut [0; 10]).map_err(|e| e.kind());
        let proxy = echo();
        let mut stream = connect(&proxy);
        there_and_back(&mut stream, 10);
        proxy.reset();
        assert_eq!(ended(&mut stream), Err(ErrorKind::ConnectionReset));
        assert_eq!(proxy.connections_reset(), 1);

        let mut stream = connect(&proxy);
        there_and_back(&mut stream, 10);
        let before = proxy.carried_bytes(Way::There);
        proxy.reset_on_next(Way::Back);
        stream.write_all(b"unanswered").unwrap();
        assert_eq!(ended(&mut stream), Err(ErrorKind::ConnectionReset));
        assert_eq!(proxy.carried_bytes(Way::There), before + 10, "it has arrived");

        proxy.spoil(Way::There, Terms { cut_after_bytes: Some(12), ..Terms::default() });
        let mut stream = connect(&proxy);
        there_and_back(&mut stream, 10);
        stream.write_all(b"four").unwrap();
        // The reset may overtake the two bytes that came through.
        let end = iter::repeat_with(|| ended(&mut stream)).find(|end| *end != Ok(2));
        assert_eq!(end, Some(Err(ErrorKind::ConnectionReset)));
        assert_eq!(proxy.carried_bytes(Way::There), before + 22);
    }

    #[test]
    fn a_forgotten_connection_is_silent_and_the_next_is_carried() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        there_and_back(&mut stream, 10);
        proxy.forget();
        stream.write_all(b"hello?").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let heard = stream.read(&mut [0; 10]).map_err(|error| error.kind());
        assert_eq!(heard, Err(ErrorKind::WouldBlock));
        there_and_back(&mut connect(&proxy), 10);
        assert_eq!(proxy.carried_bytes(Way::There), 20);
        proxy.reset();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let heard = stream.read(&mut [0; 10]).map_err(|error| error.kind());
        assert_eq!(heard, Err(ErrorKind::ConnectionReset), "it lives until it is ended");
    }

    #[test]
    fn a_reset_of_one_end_is_a_reset_at_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap());
        let mut client = connect(&proxy);
        let (server, _) = listener.accept().unwrap();
        client.write_all(b"never read").unwrap();
        wait_until("it has arrived", DEADLINE, || proxy.carried_bytes(Way::There) == 10);
        drop(server); // with bytes unread: the system resets the connection
        let end = client.read(&mut [0; 10]).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset));
        wait_until("it is counted", DEADLINE, || proxy.connections_reset() == 1);
    }

    #[test]
    fn a_door_is_shut_or_silent_and_open_again() {
        let proxy = echo();
        proxy.door(Door::Shut);
        wait_until("nobody listens", DEADLINE, || {
            TcpStream::connect(proxy.address())
                .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        });
        proxy.unplug();
        wait_until("somebody listens", DEADLINE, || TcpStream::connect(proxy.address()).is_ok());
        let mut stream = connect(&proxy);
        stream.write_all(b"hello?").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(stream.read(&mut [0; 10]).is_err());
        proxy.heal();
        there_and_back(&mut connect(&proxy), 10);
    }
}
