//! Which partition a record goes to: strict round robin, in turns.
//!
//! A *turn* is a run of records for one partition: up to a number of rows, or a span of time. The
//! next turn always goes to the partition that has been given the fewest rows. From that the
//! promise follows: counted over assigned rows since the partitions last changed, no partition with
//! a leader is ahead of another by more than one turn plus the rows of one packed record. (Records
//! stay whole, so the last of a turn may make it longer by all its rows but one. The fewest, plus
//! such a turn, is at most the fewest of before plus such a turn.) A partition without a leader is
//! passed over; when it is back it has the fewest and is caught up on.
//!
//! librdkafka has no round robin of its own: its default sticks to a partition by time and is
//! uneven, so the partition is named here.
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// Length of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Most records of a turn; 1 changes the partition with every record.
    pub rows: u32,
    /// A turn ends after this time, full or not.
    pub time: Duration,
}

/// The partitions of a topic, as the brokers last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitions {
    /// Whether partition *i* has a leader.
    pub leaders: Vec<bool>,
}

/// The partitions of the records of one batch: records grouped by partition, each group in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The records' indices, group after group; empty if they are 0, 1, 2 … .
    pub order: Vec<u32>,
    /// Each group's partition and where it ends in `order`.
    pub groups: Vec<(i32, u32)>,
}

impl Routes {
    /// The partition of each record.
    pub fn partitions(&self) -> Vec<i32> {
        let records = self.groups.last().map_or(0, |(_, end)| *end);
        let mut partitions = vec![0; records as usize];
        let mut start = 0;
        for (partition, end) in &self.groups {
            for place in start..*end {
                let record = self.order.get(place as usize).copied().unwrap_or(place);
                partitions[record as usize] = *partition;
            }
            start = *end;
        }
        partitions
    }
}

/// Deals records out to the partitions of one output. Shared by all its writers.
pub struct Rotor {
    turn: Turn,
    state: Mutex<State>,
}

struct State {
    leaders: Vec<bool>,
    assigned: Vec<u64>,
    /// Partitions with a leader, but the one whose turn it is, fewest records first.
    next: BinaryHeap<Reverse<(u64, u32)>>,
    current: Option<Current>,
}

struct Current {
    partition: u32,
    left: u32,
    since: Instant,
}

/// No partition has a leader, or the topic has none.
#[derive(Debug, PartialEq, Eq)]
pub struct NoLeader;

impl Rotor {
    /// A rotor that knows no partitions yet.
    pub fn new(turn: Turn) -> Self {
        let state = State {
            leaders: Vec::new(),
            assigned: Vec::new(),
            next: BinaryHeap::new(),
            current: None,
        };
        Self { turn, state: Mutex::new(state) }
    }

    /// Deals out `count` records of one row.
    ///
    /// # Errors
    /// If no partition has a leader; nothing is assigned then.
    pub fn assign(
        &self,
        partitions: &Partitions,
        count: u32,
        now: Instant,
    ) -> Result<Routes, NoLeader> {
        let mut state = self.follow(partitions)?;
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let mut left = count;
        while left > 0 {
            let (partition, rows) = state.take(left, self.turn, now);
            runs.push((partition, rows));
            left -= rows;
        }
        Ok(routes(&runs, partitions.leaders.len()))
    }

    /// Deals out records of so many rows each.
    ///
    /// # Errors
    /// As [`assign`](Self::assign).
    pub fn assign_packed(
        &self,
        partitions: &Partitions,
        rows: impl Iterator<Item = u32>,
        now: Instant,
    ) -> Result<Routes, NoLeader> {
        let mut state = self.follow(partitions)?;
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for rows in rows {
            let partition = state.take_whole(rows, self.turn, now);
            match runs.last_mut() {
                Some((last, records)) if *last == partition => *records += 1,
                _ => runs.push((partition, 1)),
            }
        }
        Ok(routes(&runs, partitions.leaders.len()))
    }

    fn follow(&self, partitions: &Partitions) -> Result<MutexGuard<'_, State>, NoLeader> {
        let mut state = self.state.lock().expect("nothing panics in the rotor");
        state.follow(partitions);
        if state.leaders.contains(&true) { Ok(state) } else { Err(NoLeader) }
    }

    /// Rows assigned to each partition since the partitions last changed.
    pub fn assigned(&self) -> Vec<u64> {
        self.state.lock().expect("nothing panics in the rotor").assigned.clone()
    }
}

impl State {
    /// Takes over what the brokers say. Another number of partitions starts the count anew; a
    /// leader that comes or goes does not.
    fn follow(&mut self, partitions: &Partitions) {
        if self.leaders == partitions.leaders {
            return;
        }
        if self.leaders.len() != partitions.leaders.len() {
            self.assigned = vec![0; partitions.leaders.len()];
        }
        self.leaders.clone_from(&partitions.leaders);
        self.current = None;
        self.next = (0..self.leaders.len())
            .filter(|index| self.leaders[*index])
            .map(|index| Reverse((self.assigned[index], index as u32)))
            .collect();
    }

    /// The partition of the next record, and how many of the next `wanted` go there.
    fn take(&mut self, wanted: u32, turn: Turn, now: Instant) -> (u32, u32) {
        let current = self.current(turn, now);
        let rows = wanted.min(current.left);
        current.left -= rows;
        let partition = current.partition;
        self.assigned[partition as usize] += u64::from(rows);
        (partition, rows)
    }

    /// The partition of a record of so many rows.
    fn take_whole(&mut self, rows: u32, turn: Turn, now: Instant) -> u32 {
        let current = self.current(turn, now);
        current.left = current.left.saturating_sub(rows);
        let partition = current.partition;
        self.assigned[partition as usize] += u64::from(rows);
        partition
    }

    /// The turn that is on.
    fn current(&mut self, turn: Turn, now: Instant) -> &mut Current {
        let over = |current: &Current| {
            current.left == 0 || now.saturating_duration_since(current.since) >= turn.time
        };
        if let Some(current) = self.current.take_if(|current| over(current)) {
            self.next.push(Reverse((self.assigned[current.partition as usize], current.partition)));
        }
        self.current.get_or_insert_with(|| {
            let Reverse((_, partition)) = self.next.pop().expect("some partition has a leader");
            Current { partition, left: turn.rows, since: now }
        })
    }
}

/// Groups runs by partition. In the usual case, one run, there is nothing to sort.
fn routes(runs: &[(u32, u32)], partitions: usize) -> Routes {
    let distinct = runs.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if distinct {
        let groups = runs
            .iter()
            .scan(0, |end, (partition, rows)| {
                *end += rows;
                Some((*partition as i32, *end))
            })
            .collect();
        return Routes { order: Vec::new(), groups };
    }
    let mut ends = vec![0u32; partitions];
    for (partition, rows) in runs {
        ends[*partition as usize] += rows;
    }
    let mut groups = Vec::new();
    let mut total = 0;
    for (partition, end) in ends.iter_mut().enumerate() {
        let rows = std::mem::replace(end, total);
        total += rows;
        if rows > 0 {
            groups.push((partition as i32, total));
        }
    }
    let mut order = vec![0; total as usize];
    let mut record = 0;
    for (partition, rows) in runs {
        let place = &mut ends[*partition as usize];
        for _ in 0..*rows {
            order[*place as usize] = record;
            *place += 1;
            record += 1;
        }
    }
    Routes { order, groups }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(count: usize) -> Partitions {
        Partitions { leaders: vec![true; count] }
    }

    fn rotor(rows: u32) -> Rotor {
        Rotor::new(Turn { rows, time: Duration::from_secs(3600) })
    }

    #[test]
    fn a_turn_of_one_changes_the_partition_with_every_record() {
        let routes = rotor(1).assign(&all(3), 7, Instant::now()).unwrap();
        assert_eq!(routes.groups, [(0, 3), (1, 5), (2, 7)]);
        assert_eq!(routes.order, [0, 3, 6, 1, 4, 2, 5]);
    }

    #[test]
    fn a_turn_goes_on_over_batches() {
        let rotor = rotor(1000);
        let now = Instant::now();
        assert_eq!(rotor.assign(&all(2), 600, now).unwrap().groups, [(0, 600)]);
        assert_eq!(rotor.assign(&all(2), 600, now).unwrap().groups, [(0, 400), (1, 600)]);
        assert_eq!(rotor.assigned(), [1000, 200]);
    }

    #[test]
    fn a_turn_ends_with_its_time() {
        let rotor = Rotor::new(Turn { rows: 1000, time: Duration::from_secs(1) });
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(rotor.assign(&all(2), 1, at(0)).unwrap().groups, [(0, 1)]);
        assert_eq!(rotor.assign(&all(2), 1, at(0)).unwrap().groups, [(0, 1)]);
        assert_eq!(rotor.assign(&all(2), 1, at(1)).unwrap().groups, [(1, 1)]);
    }

    #[test]
    fn without_a_leader_nothing_is_assigned() {
        let rotor = rotor(1);
        let none = Partitions { leaders: vec![false; 2] };
        assert_eq!(rotor.assign(&none, 1, Instant::now()), Err(NoLeader));
        assert_eq!(rotor.assign(&all(0), 1, Instant::now()), Err(NoLeader));
    }

    #[test]
    fn a_partition_that_is_back_is_caught_up_on() {
        let rotor = rotor(10);
        let now = Instant::now();
        rotor.assign(&all(3), 30, now).unwrap();
        rotor.assign(&Partitions { leaders: vec![true, false, true] }, 40, now).unwrap();
        assert_eq!(rotor.assigned(), [30, 10, 30]);
        rotor.assign(&all(3), 20, now).unwrap();
        assert_eq!(rotor.assigned(), [30, 30, 30]);
    }

    #[test]
    fn records_of_several_rows_stay_whole() {
        let rotor = rotor(10);
        let now = Instant::now();
        let routes = rotor.assign_packed(&all(3), [4, 4, 4, 9, 1, 25].into_iter(), now).unwrap();
        assert_eq!(routes.groups, [(0, 3), (1, 5), (2, 6)]);
        assert!(routes.order.is_empty());
        assert_eq!(rotor.assigned(), [12, 10, 25]);
        let routes = rotor.assign_packed(&all(3), [10; 4].into_iter(), now).unwrap();
        assert_eq!(routes.groups, [(0, 2), (1, 4)]);
        assert_eq!(routes.order, [1, 3, 0, 2]);
        assert_eq!(rotor.assigned(), [32, 30, 25]);
    }

    proptest! {
        #[test]
        fn packed_no_partition_is_ahead_by_more_than_a_turn_and_a_record(
            turn in 1u32..50,
            records in prop::collection::vec(prop::collection::vec(1u32..30, 1..40), 1..20),
            partitions in 1usize..20,
        ) {
            let rotor = Rotor::new(Turn { rows: turn, time: Duration::from_secs(3600) });
            let mut total = 0;
            for rows in records {
                let count = rows.len() as u32;
                total += rows.iter().map(|rows| u64::from(*rows)).sum::<u64>();
                let dealt = rows.into_iter();
                let routes =
                    rotor.assign_packed(&all(partitions), dealt, Instant::now()).unwrap();
                prop_assert_eq!(routes.groups.last().map(|group| group.1), Some(count));
                let assigned = rotor.assigned();
                prop_assert_eq!(assigned.iter().sum::<u64>(), total);
                let (min, max) = (assigned.iter().min().unwrap(), assigned.iter().max().unwrap());
                prop_assert!(max - min < u64::from(turn) + 30, "{:?}", assigned);
            }
        }

        #[test]
        fn no_partition_is_ahead_by_more_than_a_turn(
            turn in 1u32..50,
            steps in prop::collection::vec((1u32..200, 0u64..3), 1..60),
            partitions in 1usize..20,
        ) {
            let rotor = Rotor::new(Turn { rows: turn, time: Duration::from_secs(2) });
            let mut now = Instant::now();
            let mut total = 0;
            for (rows, seconds) in steps {
                now += Duration::from_secs(seconds);
                let routes = rotor.assign(&all(partitions), rows, now).unwrap();
                let mut seen = if routes.order.is_empty() {
                    (0..rows).collect()
                } else {
                    routes.order.clone()
                };
                seen.sort_unstable();
                prop_assert_eq!(seen, (0..rows).collect::<Vec<_>>());
                total += u64::from(rows);
                let assigned = rotor.assigned();
                prop_assert_eq!(assigned.iter().sum::<u64>(), total);
                let (min, max) = (assigned.iter().min().unwrap(), assigned.iter().max().unwrap());
                prop_assert!(max - min <= u64::from(turn), "{:?}", assigned);
            }
        }
    }
}
