//! What the brokers tell of the progress topic, judged as the service judges it.
use std::thread;

use super::{
    super::{
        cause::Cause,
        client::Side,
        credentials::Credentials,
        progress::{Inspected, PARTITIONS, TopicFault, inspect, may_make},
        settings::Settings,
    },
    ANSWER_MAX, Topic, client,
};
use crate::job::{Output, Profile};

/// The progress topic of an output.
pub enum Progress {
    /// It is there and can keep what is stored in it, as far as brokers tell.
    There(Topic),
    /// It is missing, and the service can make it.
    ToBeMade,
    /// It is missing, and only who makes it hears whether that is possible.
    Missing,
}

/// Asks the brokers of an output. Blocks for some seconds.
///
/// # Errors
/// Why there is no progress topic, as the service would say.
pub fn look(output: &Output, credentials: &Credentials) -> Result<Progress, Cause> {
    let (name, settings) = (output.progress_topic.as_str(), Settings::of(output));
    let (client, _poller) = client(&settings, credentials)?;
    let side = Side::new(&client, name);
    let told = |fault| match fault {
        TopicFault::Unusable(cause) => cause,
        TopicFault::Later(fault) => Cause::of_fault(&fault, name),
    };
    // Each waits for brokers that may not know the request, so both are asked at once.
    let (inspected, rights) = thread::scope(|scope| {
        let rights = scope.spawn(|| client.rights(name, ANSWER_MAX));
        let inspected = inspect(&client, &side, name, ANSWER_MAX);
        (inspected, rights.join().expect("nothing panics in it"))
    });
    match inspected.map_err(told)? {
        // Whatever `acks` rows have: an output that stores progress waits for all.
        Inspected::There(all, limits) => {
            // Others may be there, and are not used.
            let used = all.get(..PARTITIONS as usize).unwrap_or(&all);
            let topic = Topic::of(name, used, limits, rights, true);
            Ok(Progress::There(Topic { partitions: all.len(), ..topic }))
        }
        // Nothing says that its namespaces know a request that makes nothing.
        Inspected::Missing if output.profile == Profile::EventHubs => Ok(Progress::Missing),
        Inspected::Missing => {
            may_make(&client, name, ANSWER_MAX).map(|()| Progress::ToBeMade).map_err(told)
        }
    }
}
