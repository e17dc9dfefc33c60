"""Compares topics with the CSV text of the flights, value by value, with a client that is not ours.

    flights.py BOOTSTRAP CSV TOPIC... [--rows N] [--surplus N]

Every topic must hold the first N rows of the file (default: all), each exactly once, as JSON
objects with the file's columns in their order; numbers are integers, NA is null, everything else
is the file's own text. Within a partition the rows are in the order of the file. With --surplus at
most so many records may be there in addition; rows that are there again lie behind later ones, so
only the others must be in order. For every topic that holds this, one JSON object a line is
printed: its records, the additional ones, the first and the last line that is there again, the
partitions' shares, the seconds.
"""

import argparse
import csv
import itertools
import json
import sys
import time
from collections import Counter, defaultdict

from read_topic import read

TEXT = {"carrier", "tailnum", "origin", "dest", "time_hour"}
SHOWN = 3


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("csv")
    parser.add_argument("topics", nargs="+", metavar="TOPIC")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--surplus", type=int, default=0)
    return parser.parse_args()


def expected(path, rows):
    """The columns, and the line of every row of values. No two rows of this table are equal."""
    with open(path, newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        columns = tuple(next(lines))
        read_as = [str if column in TEXT else int for column in columns]
        line_of = {}
        for number, line in enumerate(itertools.islice(lines, rows)):
            texts = zip(read_as, line, strict=True)
            row = tuple(None if text == "NA" else kind(text) for kind, text in texts)
            if row in line_of:
                raise SystemExit(f"{path}: rows {line_of[row]} and {number} are equal")
            line_of[row] = number
    return columns, line_of


def stored(settings, topic, columns):
    """Yields partition and values of every record, and refuses what is no row of these columns."""
    for message in read(settings, topic, uncommitted=False, idle_s=30):
        # Pairs, not a dict: a key that comes twice, or in another order, would not be seen.
        pairs = json.loads(message.value(), object_pairs_hook=list)
        if tuple(name for name, _ in pairs) != columns:
            raise SystemExit(f"{topic}: not the columns of the file: {message.value()!r}")
        for name, value in pairs:
            # Python calls 1, 1.0 and True equal; JSON readers of other languages do not.
            if type(value) is not (str if name in TEXT else int) and value is not None:
                raise SystemExit(f"{topic}: {name} has another type: {message.value()!r}")
        yield message.partition(), tuple(value for _, value in pairs)


def check_order(topic, lines, seen):
    """The lines of the file in a partition, as stored. `seen` says how often each is there."""
    last = -1
    for line in lines:
        if seen[line] > 1:
            continue
        if line < last:
            raise SystemExit(f"{topic}: row {line} comes after row {last} in its partition")
        last = line


def compare(settings, topic, columns, line_of, surplus_max):
    start = time.monotonic()
    partitions, seen = defaultdict(list), Counter()
    for partition, row in stored(settings, topic, columns):
        seen[row] += 1
        partitions[partition].append(line_of.get(row, -1))
    lines_seen = {line_of[row]: times for row, times in seen.items() if row in line_of}
    again = sorted(line for line, times in lines_seen.items() if times > 1)
    surplus = sum(lines_seen.values()) - len(lines_seen)
    missing = [row for row in line_of if row not in seen]
    foreign = [row for row in seen if row not in line_of]
    if missing or foreign or surplus > surplus_max:
        raise SystemExit(
            f"{topic}: {seen.total()} records for {len(line_of)} rows\n"
            f"  {len(missing)} rows missing: {missing[:SHOWN]}\n"
            f"  {len(foreign)} rows that are not in the file: {foreign[:SHOWN]}\n"
            f"  {surplus} records too many, of the rows {again[:SHOWN]}"
        )
    for lines in partitions.values():
        check_order(topic, lines, lines_seen)
    return {
        "topic": topic,
        "rows": seen.total(),
        "surplus": surplus,
        "twice": (again[0], again[-1]) if again else None,
        "partitions": {number: len(lines) for number, lines in sorted(partitions.items())},
        "seconds": round(time.monotonic() - start, 1),
    }


def main():
    args = arguments()
    columns, line_of = expected(args.csv, args.rows)
    settings = {"bootstrap.servers": args.bootstrap}
    for topic in args.topics:
        print(json.dumps(compare(settings, topic, columns, line_of, args.surplus)))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
