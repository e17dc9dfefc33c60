//! Credit: the pool is never overdrawn, and comes back whole.
use std::time::Duration;

use loom::thread;

use crate::{
    credit::{Credit, Pool},
    explore,
    sync::Arc,
};

#[test]
fn streams_that_come_and_go_never_overdraw_the_pool() {
    explore(|| {
        let pool = Arc::new(Pool::new(1 << 20, 2, 400 << 10)); // floors of 256 KiB
        let open = |pool: &Pool| {
            let mut credit = pool.open();
            if let Some(credit) = &mut credit {
                credit.used(credit.bytes());
                credit.settled(0, Duration::ZERO, || Duration::ZERO);
            }
            credit
        };
        let streams = [pool.clone(), pool.clone()].map(|pool| thread::spawn(move || open(&pool)));
        let mut credits = vec![open(&pool)];
        credits.extend(streams.map(|stream| stream.join().unwrap()));
        let live: Vec<_> = credits.iter().flatten().map(Credit::set_aside_bytes).collect();
        assert_eq!(live.len(), 2, "as many as may be");
        assert!(
            live.iter().all(|bytes| *bytes >= 256 << 10) && live.iter().sum::<u64>() <= 1 << 20
        );
        let leaving: Vec<_> = credits
            .into_iter()
            .flatten()
            .map(|credit| thread::spawn(move || drop(credit)))
            .collect();
        leaving.into_iter().for_each(|leaving| leaving.join().unwrap());
        let again = pool.open().expect("all have left");
        assert_eq!(
            again.set_aside_bytes(),
            (256 << 10) + (128 << 10),
            "a quarter of what is in common"
        );
    });
}
