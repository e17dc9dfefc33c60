//! Credit: how a pool is dealt out, and what widens a window.
use std::time::Duration;

use crate::credit::{Credit, Pool};

const MESSAGE: u64 = 4 << 20;
const PROMPT: Duration = Duration::from_millis(10);

/// Full windows of small batches, each acknowledged after `waited`, until nothing changes.
fn use_up(credit: &mut Credit, waited: Duration) {
    let mut idle = 0;
    while idle < 100 {
        credit.used(credit.bytes());
        idle = if credit.settled(credit.bytes() / 4, waited, || PROMPT) { 0 } else { idle + 1 };
    }
}

#[test]
fn the_pool_is_never_overdrawn_and_the_last_stream_has_its_floor() {
    let pool = Pool::new(64 << 20, 200, MESSAGE);
    let mut credits: Vec<_> = std::iter::from_fn(|| pool.open()).collect();
    assert_eq!(credits.len(), 200);
    assert_eq!(credits[0].set_aside_bytes(), MESSAGE);
    for credit in &mut credits {
        use_up(credit, PROMPT);
        assert!(credit.bytes() <= credit.set_aside_bytes());
    }
    assert!(credits.iter().all(|credit| credit.bytes() >= (32 << 20) / 200));
    assert!(credits.iter().map(Credit::set_aside_bytes).sum::<u64>() <= 64 << 20);
    drop(credits);
    assert_eq!(pool.open().unwrap().set_aside_bytes(), MESSAGE);
}

#[test]
fn a_window_grows_freely_to_its_part_of_the_lean_sum() {
    let pool = Pool::new(256 << 20, 200, MESSAGE);
    let mut streams: Vec<_> = (0..4).map(|_| pool.open().unwrap()).collect();
    let slow = 2 * PROMPT;
    assert_eq!(streams[0].bytes(), 256 << 10);
    streams[0].used(100 << 10);
    assert!(!streams[0].settled(100 << 10, slow, || PROMPT), "half of it is not even used");
    use_up(&mut streams[0], slow);
    assert_eq!(streams[0].bytes(), 2 << 20, "8 MiB for four");
    streams.truncate(1);
    use_up(&mut streams[0], slow);
    assert_eq!(streams[0].bytes(), 8 << 20, "all of it for one");
}

#[test]
fn beyond_that_prompt_acknowledgements_earn_it() {
    let pool = Pool::new(256 << 20, 200, MESSAGE);
    let mut streams: Vec<_> = (0..64).map(|_| pool.open().unwrap()).collect();
    let credit = &mut streams[0];
    let kib = 1 << 10;
    let mut round = |waited: [u64; 8]| {
        let grown = waited.map(|ms| {
            credit.used(256 * kib);
            credit.settled(64 * kib, Duration::from_millis(ms), || PROMPT)
        });
        (grown.contains(&true), credit.bytes() / kib)
    };
    assert_eq!(round([1, 1, 1, 1, 1, 1, 1, 80]), (false, 256), "the mean counts: 10.9 ms");
    assert_eq!(round([30, 30, 1, 1, 1, 1, 1, 1]), (true, 512), "the mean counts: 8.3 ms");
    assert_eq!(round([1; 8]), (false, 512), "not yet two windows");
    assert_eq!(round([1; 8]), (false, 512), "no more than half of it is used");
}

#[test]
fn a_window_has_an_end() {
    let pool = Pool::new(1 << 30, 2, MESSAGE);
    let mut credit = pool.open().unwrap();
    use_up(&mut credit, Duration::ZERO);
    assert_eq!(credit.bytes(), 16 << 20);
}
