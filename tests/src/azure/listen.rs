//! Takes connections, with TLS and without, and leads requests to who answers them.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use rustls::{ServerConfig, server::Acceptor};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};
use tokio_rustls::LazyConfigAcceptor;

use super::{
    State, endpoint, entra,
    faults::{Certificate, Fault},
    issuer, lock,
    message::{Reply, Request},
    vault,
};

type Configs = HashMap<Certificate, Arc<ServerConfig>>;

/// Serves plain HTTP: endpoints of a machine, and what Kafka wants without TLS.
pub(super) async fn plain(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        connections.spawn(async move { serve(stream, &state).await });
    }
}

/// Serves HTTP over TLS.
pub(super) async fn tls(listener: TcpListener, configs: Arc<Configs>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (configs, state) = (configs.clone(), state.clone());
        connections.spawn(async move {
            // A client that does not like the certificate leaves in the middle.
            let _ = handshake(stream, &configs, &state).await;
        });
    }
}

async fn handshake(stream: TcpStream, configs: &Configs, state: &State) -> io::Result<()> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let host = hello.client_hello().server_name().unwrap_or("127.0.0.1").to_ascii_lowercase();
    let certificate = match state.faults.connect(&host) {
        Some(Fault::TlsReset) => return hello.io.set_zero_linger(),
        Some(Fault::Shows(certificate)) => certificate,
        _ => Certificate::Good,
    };
    serve(hello.into_stream(configs[&certificate].clone()).await?, state).await;
    Ok(())
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &State) {
    let mut buffer = Vec::new();
    while let Some(request) = Request::read(&mut stream, &mut buffer).await {
        if request.header("authorization").is_some() {
            lock(&state.shown).push(request.host.clone());
        }
        let fault = state.faults.visit(&request.place());
        let mut bytes = match fault.as_ref().and_then(Fault::reply) {
            Some(reply) => reply.bytes(),
            None => answer(&request, state).bytes(),
        };
        match fault {
            Some(Fault::Delay(delay)) => sleep(delay).await,
            Some(Fault::Never) => return hold(stream).await,
            Some(Fault::CutAfter(length)) => {
                bytes.truncate(length);
                // The client may have gone.
                let _ = stream.write_all(&bytes).await;
                return;
            }
            _ => (),
        }
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Waits until the other side has enough of it.
async fn hold(mut stream: impl AsyncRead + Unpin) {
    let mut nothing = [0; 64];
    while stream.read(&mut nothing).await.is_ok_and(|read| read > 0) {
        sleep(Duration::from_millis(1)).await;
    }
}

fn answer(request: &Request, state: &State) -> Reply {
    if let Some(name) = request.host.strip_suffix(".vault.azure.net") {
        return vault::answer(request, name, state);
    }
    match request.path.as_str() {
        "/msi/token" => endpoint::app_service(request, state),
        "/metadata/identity/oauth2/token" => endpoint::imds(request, state),
        path if path.starts_with("/oidc/") => issuer::answer(request, state),
        _ => entra::answer(request, state),
    }
}
