//! A balancer of connections before replicas of a service, as Kubernetes has one before its pods.
//!
//! It knows nothing of what it carries. Whether a replica is ready its admin port says, which is
//! asked all the while; a new connection goes to the next of those that are. One that is carried
//! stays until an end closes it, whatever becomes of the replica's readiness.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    engine::runtime,
    service::Service,
    wait::{DEADLINE, wait_until},
};

/// Between two questions whether a replica is ready; Kubernetes asks less often.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// A replica that does not answer for so long is not ready.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A listening balancer; dropping it ends all its connections.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    replicas: Replicas,
    listening: JoinHandle<()>,
}

/// Those that connections may go to, the one that is next at the front.
type Replicas = Arc<Mutex<Vec<Replica>>>;

#[derive(Debug)]
struct Replica {
    address: SocketAddr,
    is_ready: bool,
    asking: JoinHandle<()>,
}

impl Balancer {
    /// A balancer without replicas.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let bound = runtime().block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = bound.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let replicas = Replicas::default();
        let listening = runtime().spawn(serve(listener, replicas.clone()));
        Self { address, replicas, listening }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes a replica in, which has an admin port, and waits until it is ready.
    ///
    /// # Panics
    /// When it is not in time.
    pub fn add(&self, service: &Service) {
        let address: SocketAddr = service.address().parse().expect("a host and a port");
        let admin = service.admin().address().to_owned();
        let asking = runtime().spawn(ask(address, admin, self.replicas.clone()));
        lock(&self.replicas).push(Replica { address, is_ready: false, asking });
        wait_until(&format!("replica {address} is ready"), DEADLINE, || {
            lock(&self.replicas).iter().any(|one| one.address == address && one.is_ready)
        });
    }

    /// Forgets the replica at an address; connections to it stay.
    pub fn remove(&self, address: &str) {
        lock(&self.replicas).retain(|one| one.address.to_string() != address);
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.listening.abort();
        lock(&self.replicas).clear();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

fn lock(replicas: &Replicas) -> MutexGuard<'_, Vec<Replica>> {
    replicas.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts connections, and carries each to the next replica that is ready.
async fn serve(listener: TcpListener, replicas: Replicas) {
    // Dropped with the balancer, and all that is carried with it.
    let mut carried = tokio::task::JoinSet::new();
    loop {
        while carried.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else { continue };
        // Nobody is ready: the client is sent away, and tries again.
        let Some(address) = next(&replicas) else { continue };
        carried.spawn(carry(client, address));
    }
}

/// The replica whose turn it is among those that are ready.
fn next(replicas: &Replicas) -> Option<SocketAddr> {
    let mut replicas = lock(replicas);
    let turn = replicas.iter().position(|one| one.is_ready)?;
    let one = replicas.remove(turn);
    let address = one.address;
    replicas.push(one);
    Some(address)
}

async fn carry(mut client: TcpStream, address: SocketAddr) {
    // One that is just gone is no fault of ours: the client is sent away, and tries again.
    if let Ok(mut replica) = TcpStream::connect(address).await {
        let _ = client.set_nodelay(true).and(replica.set_nodelay(true));
        let _ = copy_bidirectional(&mut client, &mut replica).await;
    }
}

/// Asks a replica again and again whether it is ready.
async fn ask(address: SocketAddr, admin: String, replicas: Replicas) {
    loop {
        let answer = timeout(ANSWER_MAX, is_ready(&admin)).await;
        let is_ready = answer.is_ok_and(|ready| ready.unwrap_or(false));
        for one in lock(&replicas).iter_mut().filter(|one| one.address == address) {
            one.is_ready = is_ready;
        }
        sleep(ASK_EVERY).await;
    }
}

async fn is_ready(admin: &str) -> std::io::Result<bool> {
    let mut asked = TcpStream::connect(admin).await?;
    let question = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    asked.write_all(question.as_bytes()).await?;
    let mut answer = Vec::new();
    asked.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
