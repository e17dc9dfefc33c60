//! A new version, or a new node: every replica is replaced, one after the other.

use tests::is_long;

use super::fleet::Fleet;

/// Replicas.
const REPLICAS: usize = 3;

#[test]
fn a_rolling_restart_loses_and_doubles_nothing() {
    // No stream moves for its age.
    let mut fleet = Fleet::start("rolling", REPLICAS, "");
    let writers = fleet.write();
    for round in 1..=if is_long() { 10 } else { 1 } {
        let before = writers.moves();
        for replica in 1..=REPLICAS {
            fleet.grow();
            fleet.shrink();
            writers.each_goes_on();
            println!("round {round}, replica {replica}: writers at {:?}", fleet.writers_of_each());
        }
        // None of the replicas of before is there.
        writers.each_moves(&before);
    }
    fleet.check("rolling", writers);
}
