"""Compares topics with the CSV text of the flights, value by value, with a client that is not ours.

    flights.py BOOTSTRAP CSV TOPIC... [--rows N] [--surplus N] [--deaths N]

Every topic must hold the first N rows of the file (default: all), each exactly once, as JSON
objects with the file's columns in their order; numbers are integers, NA is null, everything else
is the file's own text. Within a partition the rows are in the order of the file. With --surplus at
most so many records may be there in addition, because the service died: each row at most once more
for each of --deaths, and for each two steps back in the order of a partition (the next service
goes back, and a request of the one that died may arrive behind its first rows). For every topic
that holds this, one JSON object a line is printed: its records, the additional ones, the first and
the last line that is there again, the partitions' shares, the seconds.
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
    parser.add_argument("--deaths", type=int, default=0)
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


def check_order(topic, lines, steps_max):
    """The lines of the file in a partition, as stored."""
    back = [(last, line) for last, line in itertools.pairwise(lines) if line < last]
    if len(back) > steps_max:
        raise SystemExit(
            f"{topic}: {len(back)} rows come after a later one in their partition,"
            f" such as {back[:SHOWN]}"
        )


def compare(settings, topic, columns, line_of, surplus_max, deaths):
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
    most = max(lines_seen.values(), default=1)
    if missing or foreign or surplus > surplus_max or most > 1 + deaths:
        raise SystemExit(
            f"{topic}: {seen.total()} records for {len(line_of)} rows\n"
            f"  {len(missing)} rows missing: {missing[:SHOWN]}\n"
            f"  {len(foreign)} rows that are not in the file: {foreign[:SHOWN]}\n"
            f"  {surplus} records too many, of the rows {again[:SHOWN]}\n"
            f"  a row is there {most} times"
        )
    for lines in partitions.values():
        check_order(topic, lines, 2 * deaths)
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
        print(json.dumps(compare(settings, topic, columns, line_of, args.surplus, args.deaths)))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
