"""Runs all checks of the client against a service, and then reads its topics back.

    check_client.py HOST:PORT

The outputs `rows` (errorPolicy Stop), `lenient` (Drop) and `away` (no broker there) must exist,
with `maxBatchSize` 1 MiB. The last line is a JSON object: the checks that ran, the failures with
their texts, how many records were compared. Exit code 1 if anything failed.
"""

import json
import sys
import unittest
from collections import Counter

import grpc
from check import Check
from checks_refusals import Ends, Refusals
from checks_rows import Rows
from checks_writers import Writers
from client import pb, stubs
from read_topic import read

SHOWN = 3


class Result(unittest.TextTestResult):
    """Remembers the names of what ran."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.names = []

    def startTest(self, test):
        super().startTest(test)
        self.names.append(test.id().split(".", 1)[1])


def differences(stub, alias, ledger):
    """Compares a topic with the ledger; returns the count of records and what is wrong."""
    output = stub.GetOutput(pb.GetOutputRequest(output=alias)).output
    settings = {"bootstrap.servers": ",".join(output.bootstrap_servers)}
    found = Counter()
    for message in read(settings, output.topic, uncommitted=True, idle_s=30):
        found[message.value()] += 1
    wrong = [
        f"{alias}: {found[row]} times instead of {ledger[row]}: {row[:300]}"
        for row in {**ledger, **found}
        if found[row] != ledger[row]
    ]
    more = [f"{alias}: and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
    return found.total(), wrong[:SHOWN] + more


def main():
    Check.address = sys.argv[1]
    loader = unittest.defaultTestLoader
    suites = [loader.loadTestsFromTestCase(case) for case in (Rows, Refusals, Ends, Writers)]
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Result)
    result = runner.run(unittest.TestSuite(suites))
    failed = {test.id(): text for test, text in result.failures + result.errors}
    records = 0
    with grpc.insecure_channel(Check.address) as channel:
        stub = stubs.KafkaOutputServiceStub(channel)
        for alias in ("rows", "lenient"):
            count, wrong = differences(stub, alias, Check.ledger[alias])
            records += count
            if wrong:
                failed[f"the topic of {alias}"] = "\n".join(wrong)
        live = sum(o.writers_live for o in stub.ListOutputs(pb.ListOutputsRequest()).outputs)
    print(json.dumps(
        {"ran": result.names, "failed": failed, "records": records, "writers_live": live}
    ))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
