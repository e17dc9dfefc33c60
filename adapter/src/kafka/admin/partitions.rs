//! What the leaders of partitions know of transactions: up to where readers of what is committed
//! come, which producers have begun something there, and how that is ended.

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    BrokerId, DescribeProducersRequest, DescribeProducersResponse, ListOffsetsRequest,
    ListOffsetsResponse, ProducerId, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
    describe_producers_request::TopicRequest,
    describe_producers_response::PartitionResponse,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic},
};
use tokio::time::Instant;

use super::{
    cluster::{Cluster, Layout, topic_name},
    fault::{AdminFault, verdict},
    link::Request,
};

/// Newest versions whose fields are read here.
const PRODUCERS: i16 = 0;
const OFFSETS: i16 = 5;
const MARKERS: i16 = 1;

/// "The offset behind the last record."
const LATEST: i64 = -1;

const ALL: i8 = 0;
const COMMITTED: i8 = 1;

/// A producer that has begun something in a partition and has not ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenProducer {
    /// Its number.
    pub producer_id: i64,
    /// How often that was fenced.
    pub producer_epoch: i32,
    /// The first record of its transaction.
    pub start_offset: i64,
    /// The time of its last record, in milliseconds since 1970, as it says itself.
    pub last_ms: i64,
    /// The epoch of the coordinator that has ended its last transaction here; −1 if none has.
    pub coordinator_epoch: i32,
}

/// Up to where a partition goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Readers of what is committed come up to here (the last stable offset).
    pub stable: i64,
    /// The offset behind the last record.
    pub end: i64,
}

impl Cluster {
    /// Up to where each partition goes. The leaders are asked for the end last, so that what is held
    /// back is held back.
    pub async fn spans(
        &mut self,
        topic: &str,
        layout: &Layout,
    ) -> BTreeMap<i32, Result<Span, AdminFault>> {
        let mut spans = BTreeMap::new();
        for (partition, leader) in &layout.leaders {
            spans.insert(*partition, self.span(topic, *partition, *leader).await);
        }
        spans
    }

    async fn span(
        &mut self,
        topic: &str,
        partition: i32,
        leader: Option<i32>,
    ) -> Result<Span, AdminFault> {
        let end = self.offset(topic, partition, leader, ALL).await?;
        let stable = self.offset(topic, partition, leader, COMMITTED).await?;
        Ok(Span { stable, end: end.max(stable) })
    }

    async fn offset(
        &mut self,
        topic: &str,
        partition: i32,
        leader: Option<i32>,
        isolation: i8,
    ) -> Result<i64, AdminFault> {
        let asked = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(LATEST);
        let asked =
            ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![asked]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(isolation)
            .with_topics(vec![asked]);
        let read = |answer: ListOffsetsResponse| {
            let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
            found.map(|found| (found.error_code, found.offset))
        };
        self.ask_leader((topic, partition, leader), &request, OFFSETS, read).await
    }

    /// The producers that have a transaction open in a partition.
    ///
    /// # Errors
    /// Why its leader does not tell.
    pub async fn open_producers(
        &mut self,
        topic: &str,
        partition: i32,
        leader: Option<i32>,
    ) -> Result<Vec<OpenProducer>, AdminFault> {
        let asked = TopicRequest::default()
            .with_name(topic_name(topic))
            .with_partition_indexes(vec![partition]);
        let request = DescribeProducersRequest::default().with_topics(vec![asked]);
        let read = |answer: DescribeProducersResponse| {
            let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
            found.map(|found| (found.error_code, open(found)))
        };
        self.ask_leader((topic, partition, leader), &request, PRODUCERS, read).await
    }

    /// Ends a transaction that no coordinator knows, in one partition: its leader takes it back.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn take_back(
        &mut self,
        topic: &str,
        partition: i32,
        leader: Option<i32>,
        open: &OpenProducer,
    ) -> Result<(), AdminFault> {
        let topics = WritableTxnMarkerTopic::default()
            .with_name(topic_name(topic))
            .with_partition_indexes(vec![partition]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(open.producer_id))
            .with_producer_epoch(open.producer_epoch as i16)
            .with_transaction_result(false)
            // Where none has ended a transaction, any will do.
            .with_coordinator_epoch(open.coordinator_epoch.max(0))
            .with_topics(vec![topics]);
        let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
        let read = |answer: WriteTxnMarkersResponse| {
            let topics = answer.markers.into_iter().flat_map(|marker| marker.topics);
            let found = topics.flat_map(|topic| topic.partitions).next();
            found.map(|found| (found.error_code, ()))
        };
        self.ask_leader((topic, partition, leader), &request, MARKERS, read).await
    }

    /// Asks the leader of a partition something about it, again while that may pass.
    async fn ask_leader<R: Request, T>(
        &mut self,
        (topic, partition, leader): (&str, i32, Option<i32>),
        request: &R,
        newest: i16,
        read: impl Fn(R::Answer) -> Option<(i16, T)>,
    ) -> Result<T, AdminFault> {
        let mut leader = leader;
        loop {
            let began = Instant::now();
            let told = match leader {
                None => Err(AdminFault::Leaderless(format!("{topic}-{partition} has no leader"))),
                Some(leader) => match self.ask(leader, request, newest).await.map(&read) {
                    Ok(Some((code, told))) => verdict(code).map(|()| told),
                    // An answer without the only partition says nothing.
                    Ok(None) => verdict(-1).map(|()| unreachable!("it is an error")),
                    Err(fault) => Err(fault),
                },
            };
            match told {
                Err(fault) if self.again(&fault, began).await => {
                    let layout = self.layout(&[topic]).await?.swap_remove(0)?;
                    leader = layout.leaders.get(&partition).copied().flatten();
                }
                told => return told,
            }
        }
    }
}

fn open(partition: PartitionResponse) -> Vec<OpenProducer> {
    let open = partition.active_producers.into_iter().map(|state| OpenProducer {
        producer_id: state.producer_id.0,
        producer_epoch: state.producer_epoch,
        start_offset: state.current_txn_start_offset,
        last_ms: state.last_timestamp,
        coordinator_epoch: state.coordinator_epoch,
    });
    open.filter(|open| open.start_offset >= 0).collect()
}
