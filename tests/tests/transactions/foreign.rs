//! Transactions of others on an output's topic: of a client that lives, and of one that nobody
//! knows any more.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    indexmap::IndexMap,
    messages::{
        ApiKey, ProduceRequest, RequestHeader, TopicName, TransactionalId,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Encodable as _, HeaderVersion as _, StrBytes},
    records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType},
};
use serde_json::Value;
use tests::{
    engine::job::{job_of, output},
    kafka::own_brokers,
    proxy::Proxy,
    reader,
};

use super::{BAD_INPUT, DONE, HANGING, Operator, REFUSED, begin, forgetful, held};

/// A producer whose number no coordinator has given.
const NOBODY: i64 = 77_777;

/// The last version that does not tell the coordinator by itself.
const PRODUCE: i16 = 9;

#[test]
fn transactions_of_others_are_told_apart_and_one_that_hangs_is_ended() {
    let _own = own_brokers();
    let way = Proxy::start();
    let broker = forgetful(&way);
    broker.admin().create_topic("t", 2, 1, &[]);
    let job = job_of(&[output("out", &broker.bootstrap(), "t", "guarantee: exactlyOnce")]);
    let operator = Operator::new(&job);

    // Somebody else is writing: nothing is wrong, and it is not ours to end.
    let theirs = begin(&broker.bootstrap(), "theirs", "t", 0);
    let (told, code) = operator.output("out");
    let other = &told["others"][0];
    assert_eq!((code, held(&told, "t")), (DONE, vec![0]), "{told}");
    assert_eq!((&other["verdict"], &other["transactionalId"]), (&"OPEN".into(), &"theirs".into()));
    let start = ["end", "--topic", "t", "--partition", "0", "--start-offset", "0"];
    let refused = operator.run(&[&start[..], &["--force"]].concat());
    assert_eq!(refused.code, REFUSED);
    refused.says(&["TRANSACTION_HAS_OWNER", "`theirs`"]);

    // Nobody will ever end this one.
    produce(&broker.bootstrap(), "t", 1);
    let listed = operator.run(&[]);
    assert_eq!(listed.code, HANGING);
    listed.says(&[
        "t-1, from offset 0 on, by producer 77777 epoch 0: hanging: no coordinator knows of it",
        "→ kafka-output transactions job.yaml end --output out --topic t --partition 1 \
         --start-offset 0",
        "it is of the transactional id `theirs`, Ongoing",
        "t-1: wait at offset 0, 1 offset before the end",
    ]);
    let (told, _) = operator.output("out");
    let mut others = told["others"].as_array().unwrap().iter();
    let hanging = others.find(|other| other["verdict"] == "HANGING").unwrap();
    assert_eq!((&hanging["producerId"], &hanging["partition"]), (&NOBODY.into(), &1.into()));
    let elsewhere =
        operator.run(&["end", "--topic", "t", "--partition", "1", "--start-offset", "9"]);
    assert_eq!(elsewhere.code, BAD_INPUT);
    elsewhere.says(&["TRANSACTION_NOT_FOUND"]);
    let ended = operator.obey(hanging);
    assert_eq!(ended.code, DONE);
    ended.says(&["The transaction of producer 77777 is ended in t-1"]);

    let (told, code) = operator.output("out");
    assert_eq!((code, held(&told, "t")), (DONE, vec![0]), "{told}");
    rdkafka::producer::Producer::commit_transaction(&theirs, tests::wait::DEADLINE).unwrap();
    let (told, _) = operator.output("out");
    assert_eq!(told["held"], Value::Array(Vec::new()));
    let committed = reader::topic(&broker.bootstrap(), "t").records();
    let values: Vec<_> = committed.iter().map(reader::Record::text).collect();
    assert_eq!(values, ["theirs"], "what hung is taken back");
}

/// Writes a record of a transaction that no coordinator knows of.
fn produce(bootstrap: &str, topic: &str, partition: i32) {
    let record = Record {
        transactional: true,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: NOBODY,
        producer_epoch: 0,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: 0,
        timestamp: 1_700_000_000_000,
        key: None,
        value: Some(Bytes::from_static(b"lost")),
        headers: IndexMap::new(),
    };
    let mut records = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut records, [&record], &options).unwrap();
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let data =
        PartitionProduceData::default().with_index(partition).with_records(Some(records.freeze()));
    let data = TopicProduceData::default()
        .with_name(TopicName(text(topic)))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(text("nobody"))))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![data]);
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::Produce as i16)
        .with_request_api_version(PRODUCE);
    let mut bytes = BytesMut::new();
    header.encode(&mut bytes, ProduceRequest::header_version(PRODUCE)).unwrap();
    request.encode(&mut bytes, PRODUCE).unwrap();
    let mut stream = TcpStream::connect(bootstrap).unwrap();
    let size = i32::try_from(bytes.len()).unwrap();
    stream.write_all(&[&size.to_be_bytes(), &bytes[..]].concat()).unwrap();
    // Any answer: what was written is seen in the listing.
    stream.read_exact(&mut [0; 4]).unwrap();
}
