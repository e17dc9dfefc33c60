"""Reads a Kafka topic from the beginning to the end known at start, with a client that is not ours.

    read_topic.py BOOTSTRAP TOPIC                  records as JSON lines; bytes in base64
    read_topic.py BOOTSTRAP TOPIC --count          one JSON object: records and value bytes
                                                   of every partition that has records
    read_topic.py BOOTSTRAP TOPIC --values-to DIR  the values alone, each ended by a newline,
                                                   in DIR/PARTITION.values
    read_topic.py BOOTSTRAP TOPIC --until PATH     reads on until this file is there, and up to the
                                                   end that is known then

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
# Between looks whether a topic that is followed has got partitions.
LOOK_S = 2.0


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
    add("--until", metavar="PATH", help="read on until this file is there")
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


def all_end_offsets(settings, topic, uncommitted):
    admin = AdminClient(settings)
    if uncommitted:
        return end_offsets(admin, topic, IsolationLevel.READ_UNCOMMITTED)
    return stable_end_offsets(admin, topic)


def reader(settings, uncommitted):
    return Consumer({
        **settings,
        "group.id": "read-topic",  # never joined: partitions are assigned by hand
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_uncommitted" if uncommitted else "read_committed",
        "auto.offset.reset": "error",
    })


def follow(settings, topic, uncommitted, until, idle_s):
    """Yields messages as they come, whatever happens to brokers, until a file is there; then all
    up to the end. What one consumer has seen is kept: nothing is read twice. Partitions that are
    added are read as well."""
    admin, consumer = AdminClient(settings), reader(settings, uncommitted)
    following, looked = {}, 0.0

    def take_up(partitions):
        new = [partition for partition in partitions if partition not in following]
        following.update((partition, 0) for partition in new)
        consumer.incremental_assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in new])

    take_up(admin.list_topics(topic, timeout=30).topics[topic].partitions)
    ends, last_news = None, time.monotonic()
    while ends is None or any(following[partition] < end for partition, end in ends.items()):
        if ends is None and os.path.exists(until):
            ends, last_news = all_end_offsets(settings, topic, uncommitted), time.monotonic()
            take_up(ends)
        elif ends is None and time.monotonic() - looked > LOOK_S:
            take_up(partitions_now(admin, topic))
            looked = time.monotonic()
        messages = consumer.consume(RECORDS_PER_CALL, timeout=0.1)
        for message in messages:
            last_news = time.monotonic()
            partition, error = message.partition(), message.error()
            if error is None:
                following[partition] = message.offset() + 1
                if ends is None or message.offset() < ends[partition]:
                    yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                # Behind the marker of a transaction, which is an offset without a record.
                following[partition] = max(following[partition], message.offset())
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                raise KafkaException(error)  # what was read is not there any more
        if ends is not None and time.monotonic() - last_news > idle_s:
            raise SystemExit(f"{topic}: no news for {idle_s} s; at {following} of {ends}")
    consumer.close()


def partitions_now(admin, topic):
    """The partitions of a topic; none while nobody answers."""
    try:
        return admin.list_topics(topic, timeout=0.5).topics[topic].partitions
    except KafkaException:
        return []


def read(settings, topic, uncommitted, idle_s):
    """Yields every message up to the end offsets, in order within each partition."""
    ends = all_end_offsets(settings, topic, uncommitted)
    left = {partition for partition, end in ends.items() if end > 0}
    consumer = reader(settings, uncommitted)
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
    if args.until:
        messages = follow(settings, args.topic, args.uncommitted, args.until, args.idle)
    else:
        messages = read(settings, args.topic, args.uncommitted, args.idle)
    if args.count:
        print_counts(messages)
    elif args.values_to:
        write_values(messages, args.values_to)
    else:
        print_records(messages)


if __name__ == "__main__":
    main()
