//! How many connections there may be: in all, and from one host. Where they are too many, one goes
//! on which nobody was let in.
use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit};

use crate::grpc::standing::Standing;

/// Connections of one host beside one for each writer: calls, health, reconnections that overlap.
const SPARE_OF_HOST: usize = 256;

/// Connections in all beside two for each writer.
const SPARE: usize = 1024;

/// Most strangers at once, where the process may open the files for so many.
const STRANGERS_MAX: usize = 1024;

/// A connection keeps its place for this long, however many there are: its first call comes.
const GRACE: Duration = Duration::from_secs(1);

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
    taken: Arc<Mutex<Taken>>,
}

/// The places that are taken.
#[derive(Default)]
struct Taken {
    /// By their age.
    places: BTreeMap<u64, Place>,
    of_hosts: HashMap<IpAddr, usize>,
    last: u64,
}

struct Place {
    host: IpAddr,
    since: Instant,
    standing: Arc<Standing>,
}

/// A connection's place; given back when dropped.
pub struct Slot {
    slots: Slots,
    number: u64,
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

    /// A place for a connection from this address. If there is none, it is that of another one on
    /// which nobody was let in.
    ///
    /// # Errors
    /// If there is none.
    pub fn take(&self, address: IpAddr, standing: &Arc<Standing>) -> Result<Slot, Full> {
        let host = host(address);
        let (mut taken, mut gone) = (self.taken(), None);
        if taken.of_hosts.get(&host).copied().unwrap_or_default() >= self.limits.per_host {
            gone = Some(taken.make_room(Some(host)).ok_or(Full::Host)?);
        }
        if taken.places.len() >= self.limits.total {
            gone = Some(taken.make_room(None).ok_or(Full::Total)?);
        }
        taken.last += 1;
        let number = taken.last;
        let place = Place { host, since: Instant::now(), standing: standing.clone() };
        taken.places.insert(number, place);
        *taken.of_hosts.entry(host).or_default() += 1;
        drop(taken);
        // Whoever reads the log slowly must hold up nobody else's connection.
        gone.into_iter().for_each(tell);
        Ok(Slot { slots: self.clone(), number })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(host: IpAddr) {
    let code = "TOO_MANY_CONNECTIONS";
    tracing::warn!(code, %host, "too many connections: one without a caller goes");
}

impl Taken {
    /// Ends the oldest connection on which nobody was let in, of one host or else of the one that
    /// has the most of them. Returns its host.
    fn make_room(&mut self, of: Option<IpAddr>) -> Option<IpAddr> {
        let nobodys = |place: &&Place| {
            let is_of = of.is_none_or(|host| place.host == host);
            is_of && place.since.elapsed() >= GRACE && !place.standing.is_admitted()
        };
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for place in self.places.values().filter(nobodys) {
            *counts.entry(place.host).or_default() += 1;
        }
        let (host, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let mut places = self.places.iter();
        let oldest = places.find(|(_, place)| place.host == host && nobodys(place));
        let number = *oldest?.0;
        self.remove(number)?.standing.end();
        Some(host)
    }

    fn remove(&mut self, number: u64) -> Option<Place> {
        let place = self.places.remove(&number)?;
        if let Some(of_host) = self.of_hosts.get_mut(&place.host) {
            *of_host -= 1;
            if *of_host == 0 {
                self.of_hosts.remove(&place.host);
            }
        }
        Some(place)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken().remove(self.number);
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

    fn slots(total: usize, per_host: usize) -> Slots {
        Slots::new(Limits { total, per_host, strangers: 0 })
    }

    fn hosts<const N: usize>() -> [IpAddr; N] {
        std::array::from_fn(|n| IpAddr::from([192, 0, 2, n as u8 + 1]))
    }

    #[test]
    fn a_host_leaves_places_for_others() {
        let (slots, [a, b]) = (slots(4, 3), hosts());
        let take = |host| slots.take(host, &Standing::new());
        let mut taken: Vec<_> = (0..3).map(|_| take(a).unwrap()).collect();
        assert_eq!(take(a).err(), Some(Full::Host));
        let other = take(b).unwrap();
        assert_eq!(take(b).err(), Some(Full::Total));
        taken.pop();
        taken.push(take(a).unwrap());
        drop((taken, other));
        assert!(slots.taken().of_hosts.is_empty(), "hosts that are gone are forgotten");
        assert!(slots.taken().places.is_empty());
    }

    #[test]
    fn the_oldest_without_a_caller_makes_room() {
        let (slots, [a, b, c]) = (slots(5, 4), hosts());
        let standings: [_; 5] = std::array::from_fn(|_| Standing::new());
        let [known, first, second, third, other] = &standings;
        let taken = [(a, known), (a, first), (a, second), (a, third), (b, other)];
        let _taken = taken.map(|(host, standing)| slots.take(host, standing).unwrap());
        drop(known.admit());
        let ended = || standings.each_ref().map(|standing| standing.has_ended());
        // They have only just come.
        assert_eq!(slots.take(a, &Standing::new()).err(), Some(Full::Host));
        assert_eq!(slots.take(c, &Standing::new()).err(), Some(Full::Total));
        assert_eq!(ended(), [false; 5]);
        let age = || slots.taken().places.values_mut().for_each(|place| place.since -= GRACE);
        age();
        // One of the host's own, and one of the host that has the most.
        let _more = slots.take(a, &Standing::new()).unwrap();
        assert_eq!(ended(), [false, true, false, false, false]);
        let _more = slots.take(c, &Standing::new()).unwrap();
        assert_eq!(ended(), [false, true, true, false, false]);
        // With nobody but those who were let in, there is no room.
        standings.iter().for_each(|standing| drop(standing.admit()));
        assert_eq!(slots.take(b, &Standing::new()).err(), Some(Full::Total));
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
