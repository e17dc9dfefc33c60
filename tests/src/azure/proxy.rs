//! A proxy (`CONNECT`) that leads the hosts of Azure to the stand-in.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{State, lock, message::Request};

pub(super) async fn run(listener: TcpListener, target: SocketAddr, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        connections.spawn(async move {
            // Either end may leave at any time.
            let _ = carry(stream, target, &state).await;
        });
    }
}

async fn carry(mut stream: TcpStream, target: SocketAddr, state: &State) -> io::Result<()> {
    let mut buffer = Vec::new();
    let Some(request) = Request::read(&mut stream, &mut buffer).await else { return Ok(()) };
    lock(&state.proxied).push(request.host.clone());
    if let Some(reply) = state.faults.visit("proxy/").and_then(|fault| fault.reply()) {
        return stream.write_all(&reply.bytes()).await;
    }
    let target = match request.host.as_str() {
        _ if request.method != "CONNECT" => None,
        "login.microsoftonline.com" | "localhost" => Some(target),
        host if host.ends_with(".vault.azure.net") => Some(*lock(&state.vaults_are_at)),
        _ => None,
    };
    let Some(target) = target else {
        return stream.write_all(b"HTTP/1.1 403 Not Azure\r\nContent-Length: 0\r\n\r\n").await;
    };
    let mut there = TcpStream::connect(target).await?;
    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
    there.write_all(&buffer).await?;
    copy_bidirectional(&mut stream, &mut there).await?;
    Ok(())
}
