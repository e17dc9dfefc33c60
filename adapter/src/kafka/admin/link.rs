//! A connection to one broker: requests in, answers out, in versions that both sides know.

use std::{collections::BTreeMap, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, ApiVersionsRequest, ApiVersionsResponse, DescribeProducersRequest,
        DescribeProducersResponse, DescribeTransactionsRequest, DescribeTransactionsResponse,
        FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest,
        InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse, ListTransactionsRequest,
        ListTransactionsResponse, MetadataRequest, MetadataResponse, RequestHeader, ResponseHeader,
        WriteTxnMarkersRequest, WriteTxnMarkersResponse,
    },
    protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes},
};
use tokio::time::Instant;

use super::{
    fault::{AdminFault, verdict},
    shape::{Shaped, is_whole},
};
use crate::diagnose::{Connection, Target, connect};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The largest answer that is read: the transactional ids of a large cluster.
const ANSWER_BYTES_MAX: u32 = 64 << 20;

/// A request and what answers it. The crate's own trait for it wants what only brokers need.
pub(super) trait Request: Message + Encodable + HeaderVersion {
    /// Its number.
    const KEY: ApiKey;
    /// What answers it.
    type Answer: Decodable + HeaderVersion + Shaped;
}

macro_rules! requests {
    ($($key:ident: $request:ty => $answer:ty;)*) => {$(
        impl Request for $request {
            const KEY: ApiKey = ApiKey::$key;
            type Answer = $answer;
        }
    )*};
}

requests! {
    ApiVersions: ApiVersionsRequest => ApiVersionsResponse;
    Metadata: MetadataRequest => MetadataResponse;
    FindCoordinator: FindCoordinatorRequest => FindCoordinatorResponse;
    ListTransactions: ListTransactionsRequest => ListTransactionsResponse;
    DescribeTransactions: DescribeTransactionsRequest => DescribeTransactionsResponse;
    DescribeProducers: DescribeProducersRequest => DescribeProducersResponse;
    ListOffsets: ListOffsetsRequest => ListOffsetsResponse;
    InitProducerId: InitProducerIdRequest => InitProducerIdResponse;
    WriteTxnMarkers: WriteTxnMarkersRequest => WriteTxnMarkersResponse;
}

/// A connection to one broker.
pub(super) struct Link {
    connection: Connection,
    /// `host:port`.
    place: String,
    client_id: StrBytes,
    /// First and last version of each request that the broker knows.
    versions: BTreeMap<i16, (i16, i16)>,
    requests: i32,
    /// An answer is missing or cannot be read: what comes next would be taken for another's.
    is_broken: bool,
}

impl Link {
    /// Connects, and asks what the broker knows.
    pub(super) async fn open(target: &Target, client_id: &str) -> Result<Self, AdminFault> {
        let connection = connect(target).await.map_err(AdminFault::Unreachable)?;
        let mut link = Self {
            connection,
            place: target.place(),
            client_id: StrBytes::from_string(client_id.to_owned()),
            versions: BTreeMap::from([(ApiKey::ApiVersions as i16, (0, 0))]),
            requests: 0,
            is_broken: false,
        };
        let known = link.ask(&ApiVersionsRequest::default(), 0).await?;
        verdict(known.error_code)?;
        let versions =
            known.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
        link.versions = versions.collect();
        Ok(link)
    }

    /// Asks, in no newer version than this.
    pub(super) async fn ask<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
    ) -> Result<R::Answer, AdminFault> {
        let (place, api) = (self.place.clone(), R::KEY as i16);
        let (first, last) =
            *self.versions.get(&api).ok_or_else(|| AdminFault::unsupported(&place, api))?;
        let version = last.min(newest);
        if version < first.max(R::VERSIONS.min) {
            return Err(AdminFault::unsupported(&place, api));
        }
        self.requests += 1;
        let header = RequestHeader::default()
            .with_request_api_key(api)
            .with_request_api_version(version)
            .with_correlation_id(self.requests)
            .with_client_id(Some(self.client_id.clone()));
        let mut bytes = BytesMut::new();
        let encoded = header
            .encode(&mut bytes, R::header_version(version))
            .and_then(|()| request.encode(&mut bytes, version));
        encoded.map_err(|error| AdminFault::silent(&place, api, &error))?;
        if self.is_broken {
            return Err(AdminFault::silent(&place, api, &"the connection broke before"));
        }
        self.is_broken = true;
        let end = Instant::now() + ANSWER_MAX;
        let answer = self.connection.exchange(&bytes, ANSWER_BYTES_MAX, end).await;
        let answer = answer.map_err(|error| AdminFault::silent(&place, api, &error))?;
        let answer = read::<R>(answer.into(), version, self.requests);
        let answer = answer.ok_or_else(|| {
            AdminFault::silent(&place, api, &"what it answers is not what Kafka would")
        })?;
        self.is_broken = false;
        Ok(answer)
    }

    /// Whether it is of no more use.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }
}

/// An answer to the request of this number, in this version, if it is one.
fn read<R: Request>(mut answer: Bytes, version: i16, request: i32) -> Option<R::Answer> {
    // Whatever else comes is not worth decoding.
    if answer.first_chunk() != Some(&request.to_be_bytes()) {
        return None;
    }
    ResponseHeader::decode(&mut answer, R::Answer::header_version(version)).ok()?;
    if !is_whole::<R::Answer>(&answer, version) {
        return None;
    }
    let body = R::Answer::decode(&mut answer, version).ok()?;
    (!answer.has_remaining()).then_some(body)
}

#[cfg(test)]
mod tests;
