//! Replicas that are added get their part of the writers that are there, and give it back.

use std::time::Duration;

use tests::{
    is_long,
    wait::{DEADLINE, wait_until},
};

use super::fleet::{Fleet, WRITERS};

/// The age of a connection.
const AGE: Duration = Duration::from_secs(3);

/// What each of three replicas has at least: two thirds of a third. Connections come in turn, but they
/// end by chance.
const FAIR: usize = 2 * (2 * WRITERS) / 9;

#[test]
fn writers_spread_from_one_replica_to_three_and_back() {
    let mut fleet = Fleet::start("spread", 1, &format!(", connectionAge: {}s", AGE.as_secs()));
    let writers = fleet.write();
    for round in 1..=if is_long() { 10 } else { 1 } {
        assert_eq!(fleet.replicas.len(), 1);
        fleet.grow();
        fleet.grow();
        writers.each_moves(&writers.moves());
        fleet.wait_spread(&format!("round {round}"), 2 * WRITERS, FAIR);
        fleet.shrink();
        fleet.shrink();
        wait_until("all are with the one that is left", DEADLINE, || {
            fleet.writers_of_each() == [2 * WRITERS]
        });
        writers.each_goes_on();
    }
    fleet.check("spread", writers);
}
