//! Credit: how a pool is dealt out.
use crate::credit::{Credit, Pool};

#[test]
fn the_pool_is_never_overdrawn_and_the_last_stream_has_its_floor() {
    let pool = Pool::new(64 << 20, 200, 4 << 20);
    let mut credits: Vec<_> = std::iter::from_fn(|| pool.open()).collect();
    assert_eq!(credits.len(), 200);
    assert_eq!(credits[0].bytes(), 4 << 20);
    while credits.iter_mut().fold(false, |grew, credit| credit.grow() | grew) {}
    assert!(credits.iter().all(|credit| credit.bytes() >= (32 << 20) / 200));
    assert!(credits.iter().map(Credit::bytes).sum::<u64>() <= 64 << 20);
    drop(credits);
    assert_eq!(pool.open().unwrap().bytes(), 4 << 20);
}
