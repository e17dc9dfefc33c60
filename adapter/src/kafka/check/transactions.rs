//! Whether the brokers have transactions for an output: a transactional id is opened that no writer
//! ever has, so none is disturbed. Its coordinator keeps it for some days and forgets it then;
//! there is no transaction, and nothing is written to a topic of anybody's.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{
        cause::Cause,
        client::{Bell, NO_ERROR},
        credentials::Credentials,
        progress::id_of_no_writer,
        settings::Settings,
        transaction::Opening,
    },
    unusable,
};
use crate::job::Output;

/// How long a broker may take to be there.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long the coordinator may take: one that has none of these ids yet makes its topic first.
const OPEN_MAX: Duration = Duration::from_secs(8);

/// A transactional id that was opened.
pub struct Opened {
    /// The id.
    pub id: String,
    /// How long its transactions could be open.
    pub timeout: Duration,
}

/// Opens a transactional id for an output; `None` if its writers have none. Blocks for some
/// seconds.
///
/// # Errors
/// Why writers would not be opened, as the service would say.
pub fn look(
    job: &str,
    output: &Output,
    credentials: &Credentials,
) -> Result<Option<Opened>, Cause> {
    let settings = Settings::of_job(job, output);
    let (Some(names), Some(transactions)) = (&settings.progress, &settings.transactions) else {
        return Ok(None);
    };
    let id = id_of_no_writer(job, &settings.alias, names.guarantee);
    let (recipe, timeout) = (&settings.recipe, transactions.timeout);
    let bytes_max = settings.pace.bytes_max;
    let bell = Arc::<Bell>::default();
    let made = recipe.transactional(credentials, &id, timeout, bytes_max, &bell);
    let (client, mut poller) = made.map_err(|reason| unusable(&reason))?;
    // Without a broker that is connected `init_transactions` waits for a timer. What brokers say of
    // the topic is told elsewhere.
    if let Err(fault) = client.partitions(CONNECT_MAX)
        && fault.code < NO_ERROR
    {
        let met = poller.poll().errors.drain(..).next();
        return Err(Cause::of_fault(&met.unwrap_or(fault), &recipe.topic));
    }
    let opening = Opening { id: &id, timeout, topic: &recipe.topic };
    opening.attempt(&mut poller, Instant::now() + OPEN_MAX)?;
    Ok(Some(Opened { id, timeout }))
}
