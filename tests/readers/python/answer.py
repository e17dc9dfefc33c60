"""Reads records with libraries that others wrote, and compares them with what they mean.

Every line that comes in is a case (tests/tests/readers/case.rs), every line that goes out the
answer to it: {"values": 12}, or {"difference": "…"} with the first one.
"""

import base64
import json
import sys
import traceback

import orjson

from neutral import Difference
from read_avro import Avro
from read_csv import Csv, DuckDb
from read_json import Json, Orjson


READERS = {"json": (Json, Orjson), "csv": (Csv, DuckDb), "avro": (Avro,)}


def compare(reader, records, meant):
    """Has every record read, and every row of it compared."""
    number = 0
    for record in records:
        for row in reader.rows(record):
            if number == len(meant):
                raise Difference(f"row {number}", row, "no such row")
            reader.row(row, meant[number], number)
            number += 1
    if number != len(meant):
        raise Difference(f"row {number}", "no row", meant[number])


def answer(case):
    records = [base64.b64decode(record) for record in case["records"]]
    values = 0
    for kind in READERS[case["options"]["format"]]:
        if case.get("only", kind.name) != kind.name:
            continue
        reader = kind(case)
        try:
            compare(reader, records, case["rows"])
        except Difference as difference:
            return {"difference": f"{reader.name}: {difference}"}
        except Exception:
            # Whatever a library throws at a record, it does not read it.
            return {"difference": f"{reader.name}: {traceback.format_exc(limit=-4)}"}
        values += reader.values
    return {"values": values}


def main():
    # Cases are large; were one of them misread, the other readers would not agree with it.
    for line in sys.stdin.buffer:
        print(json.dumps(answer(orjson.loads(line))), flush=True)


if __name__ == "__main__":
    main()
