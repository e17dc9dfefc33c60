//! How many connections there may be: in all, and from one host.
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::process::{Resource, getrlimit};

/// Connections of one host beside one for each writer: calls, health, reconnections that overlap.
const SPARE_OF_HOST: usize = 256;

/// Connections in all beside two for each writer.
const SPARE: usize = 1024;

/// Most strangers at once, where the process may open the files for so many.
const STRANGERS_MAX: usize = 1024;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: usize,
    /// From one host. An engine may have a connection for each of its writers, and all engines may
    /// come through one gateway; so it is more than there may be writers.
    pub per_host: usize,
    /// Those that have not greeted yet, beside the others.
    pub strangers: usize,
}

impl Limits {
    /// Limits for so many writers, within the files that the process may open: a quarter of them is
    /// left for brokers and secrets, however many callers there are.
    pub fn of(writers_max: usize) -> Self {
        let files_max = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self::within(writers_max, usize::try_from(files_max).unwrap_or(usize::MAX))
    }

    fn within(writers_max: usize, files_max: usize) -> Self {
        let strangers = STRANGERS_MAX.min(files_max / 8);
        let total = (2 * writers_max + SPARE).min(files_max / 4 * 3 - strangers);
        // Nobody takes the last quarter alone.
        let per_host = (writers_max + SPARE_OF_HOST).min(total / 4 * 3);
        Self { total, per_host, strangers }
    }
}

/// The connections that there are.
#[derive(Clone)]
pub struct Slots {
    limits: Limits,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's place; given back when dropped.
pub struct Slot {
    slots: Slots,
    host: IpAddr,
}

/// Why there is no place for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// There are too many.
    #[error("there are too many connections")]
    Total,
    /// There are too many from this host.
    #[error("there are too many connections from this host")]
    Host,
}

impl Slots {
    /// All free.
    pub fn new(limits: Limits) -> Self {
        Self { limits, taken: Arc::default() }
    }

    /// A place for a connection from this address.
    ///
    /// # Errors
    /// If there is none.
    pub fn take(&self, address: IpAddr) -> Result<Slot, Full> {
        let host = host(address);
        let mut taken = self.taken();
        if taken.values().sum::<usize>() >= self.limits.total {
            return Err(Full::Total);
        }
        let of_host = taken.entry(host).or_default();
        if *of_host >= self.limits.per_host {
            return Err(Full::Host);
        }
        *of_host += 1;
        drop(taken);
        Ok(Slot { slots: self.clone(), host })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        if let Some(of_host) = taken.get_mut(&self.host) {
            *of_host -= 1;
            if *of_host == 0 {
                taken.remove(&self.host);
            }
        }
    }
}

/// What counts as one host: an IPv4 address, or the network of 64 bits that an IPv6 host is given
/// and may take any address of.
pub fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_leaves_places_for_others() {
        let slots = Slots::new(Limits { total: 4, per_host: 3, strangers: 0 });
        let [a, b]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        let mut taken: Vec<_> = (0..3).map(|_| slots.take(a).unwrap()).collect();
        assert_eq!(slots.take(a).err(), Some(Full::Host));
        let other = slots.take(b).unwrap();
        assert_eq!(slots.take(b).err(), Some(Full::Total));
        taken.pop();
        taken.push(slots.take(a).unwrap());
        drop((taken, other));
        assert!(slots.taken().is_empty(), "hosts that are gone are forgotten");
    }

    #[test]
    fn an_ipv6_host_is_its_network() {
        let host = |text: &str| host(text.parse().unwrap()).to_string();
        assert_eq!(host("2001:db8:1:2:aaaa::1"), host("2001:db8:1:2:bbbb::2"));
        assert_ne!(host("2001:db8:1:2::1"), host("2001:db8:1:3::1"));
        assert_eq!(host("::ffff:192.0.2.1"), "192.0.2.1");
        assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
    }

    #[test]
    fn limits_hold_writers_and_leave_files() {
        let limits = |writers_max, files_max| {
            let Limits { total, per_host, strangers } = Limits::within(writers_max, files_max);
            [total, per_host, strangers]
        };
        assert_eq!(limits(200, 1 << 20), [1424, 456, 1024]);
        assert_eq!(limits(200, 1024), [640, 456, 128]);
        assert_eq!(limits(2_000, 1024), [640, 480, 128]);
    }
}
