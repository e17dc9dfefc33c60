"""Reads a Kafka topic from the beginning to the end known at start, with a client that is not ours.

    read_topic.py BOOTSTRAP TOPIC                  records as JSON lines; bytes in base64
    read_topic.py BOOTSTRAP TOPIC --count          one JSON object: records and value bytes
                                                   of every partition that has records
    read_topic.py BOOTSTRAP TOPIC --values-to DIR  the values alone, each ended by a newline,
                                                   in DIR/PARTITION.values

The end is the last stable offset. A commit returns before its marker is written, so a few seconds
are given to unstable records; those of a transaction that stays open are left out. --uncommitted
reads up to the high watermark instead, records of open and aborted transactions included.
"""

import argparse
import base64
import json
import os
import sys
import time

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

RECORDS_PER_CALL = 10_000
SETTLE_S = 5.0


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("bootstrap")
    add("topic")
    add("--count", action="store_true", help="print how many records each partition has")
    add("--values-to", metavar="DIR", help="write the values to one file per partition")
    add("--uncommitted", action="store_true", help="read open and aborted transactions too")
    add("--set", metavar="KEY=VALUE", action="append", default=[], help="a client setting")
    add("--idle", type=float, default=30, metavar="S", help="give up after S seconds without news")
    return parser.parse_args()


def end_offsets(admin, topic, isolation):
    """The offset after the last readable record of every partition."""
    found = admin.list_topics(topic, timeout=30).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    ask = {TopicPartition(topic, number): OffsetSpec.latest() for number in found.partitions}
    answers = admin.list_offsets(ask, isolation_level=isolation, request_timeout=30)
    return {asked.partition: answer.result().offset for asked, answer in answers.items()}


def stable_end_offsets(admin, topic):
    """The ends for committed records only, once no transaction is open or a few seconds later."""
    high = end_offsets(admin, topic, IsolationLevel.READ_UNCOMMITTED)
    give_up = time.monotonic() + SETTLE_S
    while True:
        stable = end_offsets(admin, topic, IsolationLevel.READ_COMMITTED)
        settled = all(stable[partition] >= end for partition, end in high.items())
        if settled or time.monotonic() > give_up:
            return stable
        time.sleep(0.05)


def read(settings, topic, uncommitted, idle_s):
    """Yields every message up to the end offsets, in order within each partition."""
    admin = AdminClient(settings)
    if uncommitted:
        ends = end_offsets(admin, topic, IsolationLevel.READ_UNCOMMITTED)
    else:
        ends = stable_end_offsets(admin, topic)
    left = {partition for partition, end in ends.items() if end > 0}
    consumer = Consumer({
        **settings,
        "group.id": "read-topic",  # never joined: partitions are assigned by hand
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_uncommitted" if uncommitted else "read_committed",
        "auto.offset.reset": "error",
    })
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in sorted(left)])
    last_news = time.monotonic()
    while left:
        messages = consumer.consume(RECORDS_PER_CALL, timeout=0.2)
        if messages:
            last_news = time.monotonic()
        elif time.monotonic() - last_news > idle_s:
            raise SystemExit(f"{topic}: no news for {idle_s} s; {sorted(left)} not read to {ends}")
        for message in messages:
            partition, error = message.partition(), message.error()
            if error is None and message.offset() < ends[partition]:
                yield message
            elif error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            # A transaction's marker is an offset without a record: if it is the last one, only
            # the end of the partition tells that it was passed.
            next_offset = message.offset() if error is not None else message.offset() + 1
            if next_offset >= ends[partition] and partition in left:
                left.remove(partition)
                consumer.pause([TopicPartition(topic, partition)])
    consumer.close()


def text(data):
    return None if data is None else base64.b64encode(data).decode("ascii")


def print_records(messages):
    write = sys.stdout.write
    for message in messages:
        kind, timestamp = message.timestamp()
        write(json.dumps({
            "partition": message.partition(),
            "offset": message.offset(),
            "timestamp_ms": timestamp if kind else None,
            "key": text(message.key()),
            "headers": [[name, text(value)] for name, value in message.headers() or []],
            "value": text(message.value()),
        }, separators=(",", ":")) + "\n")


def print_counts(messages):
    counts = {}
    for message in messages:
        count = counts.setdefault(message.partition(), {"records": 0, "value_bytes": 0})
        count["records"] += 1
        count["value_bytes"] += len(message)
    print(json.dumps(counts))


def write_values(messages, folder):
    files = {}
    for message in messages:
        partition = message.partition()
        if partition not in files:
            files[partition] = open(os.path.join(folder, f"{partition}.values"), "wb")
        files[partition].write((message.value() or b"") + b"\n")
    for file in files.values():
        file.close()


def main():
    args = arguments()
    settings = dict(pair.split("=", 1) for pair in args.set)
    settings["bootstrap.servers"] = args.bootstrap
    messages = read(settings, args.topic, args.uncommitted, args.idle)
    if args.count:
        print_counts(messages)
    elif args.values_to:
        write_values(messages, args.values_to)
    else:
        print_records(messages)


if __name__ == "__main__":
    main()
