//! What coordinators know of transactional ids, and how they end a transaction.

use std::{collections::BTreeMap, fmt, time::Duration};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        BrokerId, DescribeTransactionsRequest, FindCoordinatorRequest, InitProducerIdRequest,
        ListTransactionsRequest, ProducerId, TransactionalId,
        describe_transactions_response::TransactionState,
    },
    protocol::StrBytes,
};
use tokio::time::{Instant, sleep};

use super::{
    cluster::{Cluster, PAUSE},
    fault::{AdminFault, verdict},
};

/// How long a coordinator may take to end a transaction: it writes to every partition in it.
const END_MAX: Duration = Duration::from_secs(30);

/// Newest versions whose fields are read here.
const LIST: i16 = 0;
const DESCRIBE: i16 = 0;
const FIND: i16 = 2;
const INIT: i16 = 4;

const OF_TRANSACTIONS: i8 = 1;

/// A transactional id that a coordinator knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The id.
    pub id: String,
    /// The number of its producer.
    pub producer_id: i64,
    /// Its coordinator.
    pub broker: i32,
}

/// A transactional id as its coordinator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its state.
    pub state: State,
    /// Its coordinator.
    pub broker: i32,
    /// The number of its producer.
    pub producer_id: i64,
    /// How often that was fenced.
    pub producer_epoch: i16,
    /// When its transaction began, in milliseconds since 1970; `None` if there is none.
    pub started_ms: Option<i64>,
    /// How long its transactions may be open.
    pub timeout: Duration,
    /// The partitions in its transaction, by topic.
    pub partitions: BTreeMap<String, Vec<i32>>,
}

/// The state of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Opened, and no transaction since.
    Empty,
    /// A transaction is open.
    Ongoing,
    /// It is being committed.
    PrepareCommit,
    /// It is being taken back.
    PrepareAbort,
    /// The last one was committed.
    CompleteCommit,
    /// The last one was taken back.
    CompleteAbort,
    /// It is being taken back since its producer was fenced.
    PrepareEpochFence,
    /// The id is being forgotten.
    Dead,
    /// One that a newer Kafka has.
    Other(String),
}

impl State {
    fn of(name: &str) -> Self {
        match name {
            "Empty" => Self::Empty,
            "Ongoing" => Self::Ongoing,
            "PrepareCommit" => Self::PrepareCommit,
            "PrepareAbort" => Self::PrepareAbort,
            "CompleteCommit" => Self::CompleteCommit,
            "CompleteAbort" => Self::CompleteAbort,
            "PrepareEpochFence" => Self::PrepareEpochFence,
            "Dead" => Self::Dead,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether its transaction may have partitions that wait for its end.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Ongoing
            | Self::PrepareCommit
            | Self::PrepareAbort
            | Self::PrepareEpochFence
            | Self::Other(_) => true,
            Self::Empty | Self::CompleteCommit | Self::CompleteAbort | Self::Dead => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(name) => f.write_str(name),
            known => write!(f, "{known:?}"),
        }
    }
}

impl Cluster {
    /// The transactional ids that all coordinators know and that this user may see, and the brokers
    /// that do not tell.
    pub async fn transactions(&mut self) -> (Vec<Listed>, Vec<(i32, AdminFault)>) {
        let (mut listed, mut faults) = (Vec::new(), Vec::new());
        for broker in self.all() {
            match self.transactions_of(broker).await {
                Ok(told) => listed.extend(told),
                Err(fault) => faults.push((broker, fault)),
            }
        }
        (listed, faults)
    }

    async fn transactions_of(&mut self, broker: i32) -> Result<Vec<Listed>, AdminFault> {
        loop {
            let began = Instant::now();
            let request = ListTransactionsRequest::default();
            let told = match self.ask(broker, &request, LIST).await {
                Ok(answer) => verdict(answer.error_code).map(|()| answer.transaction_states),
                Err(fault) => Err(fault),
            };
            match told {
                Err(fault) if self.again(&fault, began).await => {}
                told => {
                    let listed = |state: kafka_protocol::messages::list_transactions_response::TransactionState| Listed {
                        id: state.transactional_id.0.to_string(),
                        producer_id: state.producer_id.0,
                        broker,
                    };
                    return Ok(told?.into_iter().map(listed).collect());
                }
            }
        }
    }

    /// What its coordinator knows of a transactional id; `None` if it knows none of this name.
    ///
    /// # Errors
    /// Why it does not tell.
    pub async fn transaction(&mut self, id: &str) -> Result<Option<Described>, AdminFault> {
        loop {
            let began = Instant::now();
            match self.describe(id).await {
                Err(fault) if fault.is(ResponseError::TransactionalIdNotFound) => return Ok(None),
                Err(fault) if self.again(&fault, began).await => {}
                described => return described.map(Some),
            }
        }
    }

    async fn describe(&mut self, id: &str) -> Result<Described, AdminFault> {
        let broker = self.coordinator(id).await?;
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![name(id)]);
        let answer = self.ask(broker, &request, DESCRIBE).await?;
        let state = answer.transaction_states.into_iter().next();
        // Without one for the only id the answer is of no use.
        let state = state.ok_or(AdminFault::Refused(ResponseError::UnknownServerError.code()))?;
        verdict(state.error_code)?;
        Ok(described(state, broker))
    }

    /// The broker that keeps a transactional id.
    async fn coordinator(&mut self, id: &str) -> Result<i32, AdminFault> {
        let request = FindCoordinatorRequest::default()
            .with_key(StrBytes::from_string(id.to_owned()))
            .with_key_type(OF_TRANSACTIONS);
        let answer = self.ask_any(&request, FIND).await?;
        verdict(answer.error_code)?;
        let BrokerId(broker) = answer.node_id;
        Ok(broker)
    }

    /// Ends the transaction of a transactional id by fencing its producer, as the next service that
    /// opens the writer would: the coordinator takes the transaction back. Waits until that is done.
    ///
    /// # Errors
    /// Why it is not; it may be done later all the same.
    pub async fn fence(&mut self, id: &str, timeout: Duration) -> Result<(), AdminFault> {
        let start = Instant::now();
        loop {
            match self.init(id, timeout).await {
                Err(fault) if fault.is_brief() && start.elapsed() < END_MAX => sleep(PAUSE).await,
                ended => return ended,
            }
        }
    }

    async fn init(&mut self, id: &str, timeout: Duration) -> Result<(), AdminFault> {
        let broker = self.coordinator(id).await?;
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(name(id)))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = self.ask(broker, &request, INIT).await?;
        verdict(answer.error_code)
    }
}

fn name(id: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(id.to_owned()))
}

fn described(state: TransactionState, broker: i32) -> Described {
    let partitions =
        state.topics.into_iter().map(|topic| (topic.topic.0.to_string(), topic.partitions));
    Described {
        state: State::of(state.transaction_state.as_str()),
        broker,
        producer_id: state.producer_id.0,
        producer_epoch: state.producer_epoch,
        started_ms: (state.transaction_start_time_ms > 0)
            .then_some(state.transaction_start_time_ms),
        timeout: Duration::from_millis(u64::try_from(state.transaction_timeout_ms).unwrap_or(0)),
        partitions: partitions.collect(),
    }
}
