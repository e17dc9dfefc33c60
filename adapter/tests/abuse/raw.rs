//! A peer that writes the bytes of HTTP/2 by hand (RFC 9113, RFC 7541).
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use crate::support::{PATIENCE, in_time};

/// What every client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Flags.
pub const END_STREAM: u8 = 0x1;
/// Of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 0x4;

/// Kinds of frames.
pub mod kind {
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const PRIORITY: u8 = 0x2;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
    pub const WINDOW_UPDATE: u8 = 0x8;
    pub const CONTINUATION: u8 = 0x9;
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Header fields of a call, none of them indexed or compressed. The method is one of the service,
/// or the path of another one's.
pub fn fields(method: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let path = match method.starts_with('/') {
        true => method.to_owned(),
        false => format!("/kafkaoutput.v1.KafkaOutputService/{method}"),
    };
    let own = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    for (name, value) in own.iter().chain(more) {
        block.push(0); // literal, not indexed, with a new name (RFC 7541, 6.2.2)
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The length of a text that is not Huffman coded: a prefix of 7 bits (RFC 7541, 5.1).
fn integer(block: &mut Vec<u8>, value: usize) {
    if value < 0x7F {
        return block.push(value as u8);
    }
    block.push(0x7F);
    let mut rest = value - 0x7F;
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

/// HEADERS of a call.
pub fn headers(stream: u32, method: &str, flags: u8) -> Vec<u8> {
    frame(kind::HEADERS, flags | END_HEADERS, stream, &fields(method, &[]))
}

/// What a peer heard until its connection ended.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Frames by their kind.
    pub frames: [usize; 16],
    /// The reason of GOAWAY and its words, if one came.
    pub goaway: Option<(u32, String)>,
}

/// A peer.
pub struct Raw {
    to: OwnedWriteHalf,
    heard: watch::Receiver<Heard>,
}

/// A connection from an address of this machine of its own.
pub async fn connect(from: Ipv4Addr, service: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    in_time(PATIENCE, socket.connect(service)).await.expect("it connects in time").unwrap()
}

/// Where abusers come from.
pub const ABUSER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

impl Raw {
    /// A peer that has greeted, with these settings.
    pub async fn start(service: SocketAddr, settings: &[u8]) -> Self {
        let tcp = connect(ABUSER, service).await;
        tcp.set_nodelay(true).unwrap();
        let (from, to) = tcp.into_split();
        let (hears, heard) = watch::channel(Heard::default());
        tokio::spawn(hear(from, hears));
        let mut raw = Self { to, heard };
        assert!(raw.say(PREFACE).await);
        assert!(raw.say(&frame(kind::SETTINGS, 0, 0, settings)).await);
        raw
    }

    /// Says something. False if the connection has ended.
    pub async fn say(&mut self, bytes: &[u8]) -> bool {
        let said = in_time(PATIENCE, self.to.write_all(bytes)).await;
        said.expect("the service reads, or closes").is_ok()
    }

    /// Says it again and again, at most so often; how often until the connection ended.
    pub async fn flood(&mut self, most: usize, mut next: impl FnMut(usize) -> Vec<u8>) -> usize {
        const AT_ONCE: usize = 100;
        for start in (0..most).step_by(AT_ONCE) {
            let bytes: Vec<u8> = (start..start + AT_ONCE).flat_map(&mut next).collect();
            if !self.say(&bytes).await {
                return start;
            }
        }
        most
    }

    /// Waits until it has heard something.
    pub async fn hears(&mut self, what: impl FnMut(&Heard) -> bool) {
        self.hears_within(PATIENCE, what).await;
    }

    /// The same for what takes longer.
    pub async fn hears_within(&mut self, time: Duration, what: impl FnMut(&Heard) -> bool) {
        let heard = in_time(time, self.heard.wait_for(what)).await;
        heard.expect("it comes").expect("it comes before the connection ends");
    }

    /// What it has heard by now.
    pub fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }

    /// What it heard until the service ended the connection.
    pub async fn ended(self) -> Heard {
        self.ended_within(PATIENCE).await
    }

    /// The same for what takes longer.
    pub async fn ended_within(mut self, time: Duration) -> Heard {
        let ended = async { while self.heard.changed().await.is_ok() {} };
        in_time(time, ended).await.expect("the connection ends");
        self.heard.borrow().clone()
    }

    /// Whether the connection has ended.
    pub fn is_ended(&self) -> bool {
        self.heard.has_changed().is_err()
    }
}

/// Reads frames until the connection ends.
async fn hear(mut from: OwnedReadHalf, hears: watch::Sender<Heard>) {
    let mut head = [0; 9];
    while from.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if from.read_exact(&mut payload).await.is_err() {
            return;
        }
        hears.send_modify(|heard| {
            heard.frames[usize::from(head[3]) % 16] += 1;
            if head[3] == kind::GOAWAY {
                let reason = u32::from_be_bytes(payload[4..8].try_into().unwrap());
                let words = String::from_utf8_lossy(&payload[8..]).into_owned();
                heard.goaway = Some((reason, words));
            }
        });
    }
}
