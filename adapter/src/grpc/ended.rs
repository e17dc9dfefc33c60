//! Counts the calls and streams that ended with an error, by its code.
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::codes::{self, Place};

/// Of the whole process: an error becomes an answer in one place, which knows of no service. The codes
/// are words of this program, so there are only so many.
static ENDED: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

/// A call ended with this code.
pub(super) fn count(code: &'static str) {
    *lock().entry(code).or_default() += 1;
}

/// How many ended with which code; those that may come are there from the start, since who counts
/// from scrape to scrape sees the first of a code only if there was a 0 before.
pub fn ended() -> BTreeMap<&'static str, u64> {
    let may_come = codes::all().into_values().flatten();
    let may_come = may_come.filter(|entry| entry.places.contains(&Place::Call));
    let mut ended: BTreeMap<_, _> = may_come.map(|entry| (entry.code, 0)).collect();
    ended.extend(lock().iter());
    ended
}

fn lock() -> MutexGuard<'static, BTreeMap<&'static str, u64>> {
    ENDED.lock().unwrap_or_else(PoisonError::into_inner)
}
