//! Which brokers keep transactional ids: an id is nobody's only if all of them have been asked.

use std::collections::BTreeMap;

use crate::kafka::admin::{AdminFault, Layout};

/// Where coordinators keep what they know; a partition of it without a leader is a coordinator that
/// is away.
pub(super) const COORDINATORS: &str = "__transaction_state";

/// The brokers that keep transactional ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Coordinators {
    /// Nobody has ever used one: the topic is made with the first.
    None,
    /// The leader of each of the topic's partitions.
    Leaders(BTreeMap<i32, i32>),
}

impl Coordinators {
    /// Of what is told of their topic; else why it is not known who all of them are.
    pub(super) fn of(told: Result<Layout, AdminFault>) -> Result<Self, String> {
        let layout = match told {
            Ok(layout) => layout,
            Err(fault) if fault.is_missing_topic() => return Ok(Self::None),
            Err(fault) if fault.is_denied() => {
                return Err(format!(
                    "the output's user may not see whether all coordinators are there: grant it \
                     DESCRIBE on topic `{COORDINATORS}`, or ask as somebody who may"
                ));
            }
            Err(fault) => return Err(format!("which coordinators there are: {fault}")),
        };
        let leaders: Option<BTreeMap<i32, i32>> = layout
            .leaders
            .into_iter()
            .map(|(partition, leader)| Some((partition, leader?)))
            .collect();
        match leaders {
            Some(leaders) if !leaders.is_empty() => Ok(Self::Leaders(leaders)),
            _ => Err("a coordinator is away, which may know of it".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
    const UNKNOWN_TOPIC: i16 = 3;
    const UNKNOWN_SERVER_ERROR: i16 = -1;

    /// Who the coordinators are if this is told of their topic.
    fn told(leaders: &[Option<i32>]) -> Result<Coordinators, String> {
        Coordinators::of(Ok(Layout { leaders: (0..).zip(leaders.iter().copied()).collect() }))
    }

    #[test]
    fn coordinators_are_known_only_if_all_are() {
        let leaders = BTreeMap::from([(0, 1), (1, 2)]);
        assert_eq!(told(&[Some(1), Some(2)]), Ok(Coordinators::Leaders(leaders)));
        for away in [&[Some(1), None][..], &[]] {
            assert!(told(away).unwrap_err().contains("a coordinator is away"), "{away:?}");
        }
        let refused = |code| Coordinators::of(Err(AdminFault::Refused(code)));
        assert_eq!(refused(UNKNOWN_TOPIC), Ok(Coordinators::None));
        let denied = refused(TOPIC_AUTHORIZATION_FAILED).unwrap_err();
        assert!(denied.contains("DESCRIBE on topic `__transaction_state`"), "{denied}");
        assert!(refused(UNKNOWN_SERVER_ERROR).unwrap_err().contains("which coordinators"));
        let silent = AdminFault::Leaderless("broker 3 is away".to_owned());
        assert!(Coordinators::of(Err(silent)).unwrap_err().contains("broker 3 is away"));
    }
}
