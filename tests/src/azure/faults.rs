//! What goes wrong on purpose, where, and who came by.

use std::{sync::Mutex, time::Duration};

use super::{lock, message::Reply};

/// What happens instead of the usual.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer.
    Answer {
        /// Its status.
        status: u16,
        /// Its headers.
        headers: Vec<(String, String)>,
        /// Its body, whatever that is.
        body: String,
    },
    /// The usual answer, after this time.
    Delay(Duration),
    /// No answer, ever.
    Never,
    /// So many bytes of the usual answer, then the connection ends.
    CutAfter(usize),
    /// The connection is reset before TLS is there. Only the host of the place counts.
    TlsReset,
    /// Another certificate is shown. Only the host of the place counts.
    Shows(Certificate),
}

/// A certificate to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Certificate {
    /// The right one.
    Good,
    /// One for another host.
    OfAnotherHost,
    /// One that has expired.
    Expired,
    /// One that an unknown authority has signed.
    Untrusted,
}

impl Fault {
    /// An answer of this status with JSON in it.
    pub fn status(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self::Answer { status, headers, body: body.into() }
    }

    /// The same answer with one more header.
    ///
    /// # Panics
    /// When it is no answer.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let Self::Answer { headers, .. } = &mut self else { panic!("{self:?} has no headers") };
        headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn reply(&self) -> Option<Reply> {
        let Self::Answer { status, headers, body } = self else { return None };
        Some(Reply { status: *status, headers: headers.clone(), body: body.clone() })
    }
}

/// The faults that are set, and the places of all requests.
#[derive(Debug, Default)]
pub(super) struct Faults {
    set: Mutex<Vec<Set>>,
    visits: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Set {
    place: String,
    fault: Fault,
    left: Option<usize>,
}

impl Faults {
    pub(super) fn add(&self, place: &str, fault: Fault, times: Option<usize>) {
        lock(&self.set).push(Set { place: place.to_owned(), fault, left: times });
    }

    pub(super) fn clear(&self) {
        lock(&self.set).clear();
    }

    pub(super) fn requests(&self, place: &str) -> usize {
        lock(&self.visits).iter().filter(|visit| is_at(visit, place)).count()
    }

    /// A request came to `place`: what becomes of it.
    pub(super) fn visit(&self, place: &str) -> Option<Fault> {
        lock(&self.visits).push(place.to_owned());
        self.take(|set| {
            let is_of_request = !matches!(set.fault, Fault::TlsReset | Fault::Shows(_));
            is_of_request && is_at(place, &set.place)
        })
    }

    /// A connection came for `host`: what becomes of it before there is TLS.
    pub(super) fn connect(&self, host: &str) -> Option<Fault> {
        self.take(|set| {
            let is_of_tls = matches!(set.fault, Fault::TlsReset | Fault::Shows(_));
            is_of_tls && set.place.split('/').next() == Some(host)
        })
    }

    /// The newest that fits; one that has happened often enough is over.
    fn take(&self, fits: impl Fn(&Set) -> bool) -> Option<Fault> {
        let mut all = lock(&self.set);
        let at = all.iter().rposition(fits)?;
        let fault = all[at].fault.clone();
        if let Some(left) = &mut all[at].left {
            *left -= 1;
            if *left == 0 {
                all.remove(at);
            }
        }
        Some(fault)
    }
}

/// A place that begins with a slash is there on every host.
fn is_at(visit: &str, place: &str) -> bool {
    if place.starts_with('/') {
        visit.find('/').is_some_and(|slash| visit[slash..].starts_with(place))
    } else {
        visit.starts_with(place)
    }
}
