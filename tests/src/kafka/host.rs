//! A loopback address for each broker or cluster, so that ports can be constants.
//!
//! All of 127.0.0.0/8 is local on Linux. With an address of its own a node keeps its ports over
//! a restart, and a client of another test never reaches it by chance.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// The first broker's port; a cluster's brokers follow. Below the range of outgoing ports.
pub(super) const PORT: u16 = 19_092;
/// The port of the listener that asks for a password.
pub(super) const SASL_PORT: u16 = 19_096;
/// The port behind a broker's proxy; those of a cluster's other brokers follow. A cluster has no
/// users, so it may take their port.
pub(super) const PROXIED_PORT: u16 = 19_095;
/// The port of a [`crate::proxy::Proxy`], which has an address of its own.
pub(crate) const PROXY_PORT: u16 = 19_098;
/// The controller's port.
pub(super) const CONTROLLER_PORT: u16 = 19_099;
/// The first listener of the first broker with every kind of security; the others follow.
pub(super) const SECURE_PORT: u16 = 19_100;
/// The last port of three such brokers.
pub(super) const SECURE_PORT_MAX: u16 = 19_139;

/// An address on which all our ports are free.
///
/// # Panics
/// When a thousand addresses in a row are taken.
pub(crate) fn free_host() -> Ipv4Addr {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let mut candidates = (0..1_000).map(|_| {
        // 64 numbers for each process before it meets those of the next process id.
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        nth_host(process::id().wrapping_mul(64).wrapping_add(counter))
    });
    let free = candidates.find(|host| (PORT..=SECURE_PORT_MAX).all(|port| is_free(*host, port)));
    free.expect("one of a thousand loopback addresses has no listener on it")
}

fn is_free(host: Ipv4Addr, port: u16) -> bool {
    TcpListener::bind((host, port)).is_ok()
}

/// Counts through 127.1.0.1 to 127.253.255.254: away from 127.0.0.1 and from the broadcast.
fn nth_host(n: u32) -> Ipv4Addr {
    let (low, rest) = (n % 254, n / 254);
    let (middle, high) = (rest % 256, rest / 256 % 253);
    let byte = |n: u32| u8::try_from(n).expect("each part is a remainder below 256");
    Ipv4Addr::new(127, byte(high + 1), byte(middle), byte(low + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_loopback_neighbours_differ_and_the_ends_are_not_used() {
        for n in [0, 1, 253, 254, 65_023, 65_024, 16_451_071, 16_451_072, u32::MAX] {
            let [first, second, _, last] = nth_host(n).octets();
            assert_eq!(first, 127);
            assert!((1..=253).contains(&second) && (1..=254).contains(&last), "{n}");
            assert_ne!(nth_host(n), nth_host(n.wrapping_add(1)));
        }
    }
}
