"""What the checks of the client share: the service under test, plain rows, the ledger.

The ledger holds every row that was acknowledged. When all checks are done, each topic must hold
exactly these, each once: a row that was refused, lost or written twice shows up there.
"""

import json
import unittest
from collections import Counter, defaultdict

import grpc
from client import Failure, Stream, pb, rows_pb, stubs

# The schema of plain rows: who wrote it, its number, anything.
PLAIN = rows_pb.Columns(columns=[
    rows_pb.Column(
        name="writer", type=rows_pb.DataType(primitive=rows_pb.PRIMITIVE_TEXT), required=True
    ),
    rows_pb.Column(
        name="n", type=rows_pb.DataType(primitive=rows_pb.PRIMITIVE_INT64), required=True
    ),
    rows_pb.Column(name="note", type=rows_pb.DataType(primitive=rows_pb.PRIMITIVE_TEXT)),
])


def compact(row):
    """A row as the service writes it: the columns in order, no white space, UTF-8."""
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()


def value(python):
    """A typed value; integers are signed."""
    kinds = {bool: "boolean", int: "int64", float: "float64", str: "text", bytes: "binary"}
    return rows_pb.Value() if python is None else rows_pb.Value(**{kinds[type(python)]: python})


def typed(*rows):
    """Typed rows of plain Python values."""
    encoded = [rows_pb.Row(values=[value(python) for python in row]) for row in rows]
    return rows_pb.TypedRows(rows=encoded)


class Check(unittest.TestCase):
    """One check: its own connection, and a writer that is named after it."""

    address = None
    ledger = defaultdict(Counter)

    def setUp(self):
        self.writer = self.id().split(".", 1)[1]
        self.stub = self.connect()

    def connect(self):
        """Opens a connection of its own and returns the stubs."""
        self.channel = self.channel_of()
        return stubs.KafkaOutputServiceStub(self.channel)

    def channel_of(self):
        # A pool of its own: else gRPC shares a connection among equal channels.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        channel = grpc.insecure_channel(self.address, options=options)
        self.addCleanup(channel.close)
        return channel

    def open(self, output="rows", writer=None, **more):
        """A stream that is open, with the plain schema as number 1."""
        stream = Stream(self.stub)
        opened = stream.open(output, writer or self.writer, **more)
        stream.schema(1, typed=PLAIN)
        return stream, opened

    def plain(self, numbers, note=None, writer=None):
        """Plain rows with these numbers."""
        return typed(*[(writer or self.writer, n, note) for n in numbers])

    def batch(self, stream, sequence, numbers, **more):
        """Sends plain rows."""
        rows = self.plain(numbers)
        stream.batch(sequence, schema_id=1, typed_rows=rows, **more)

    def stored(self, numbers, output="rows", note=None, writer=None):
        """Notes that these plain rows are in the topic."""
        for n in numbers:
            row = {"writer": writer or self.writer, "n": n, "note": note}
            self.ledger[output][compact(row)] += 1

    def assert_failure(self, failure, code, reason, *, retry, written, field=None):
        """Code, reason and both answers: may I retry, may it be written."""
        self.assertIsInstance(failure, Failure)
        self.assertIsNotNone(failure.info, f"{failure} carries no ErrorInfo")
        self.assertEqual((failure.code.name, failure.reason), (code, reason), failure.message)
        self.assertEqual(failure.info.domain, "kafkaoutput")
        yes_no = {True: "yes", False: "no"}
        answers = {"retry": yes_no[retry], "may_be_written": yes_no[written]}
        self.assertEqual(dict(failure.info.metadata), answers, failure)
        self.assertEqual(failure.retry_after_s is not None, retry, "RetryInfo where it helps")
        self.assertEqual(failure.fields, [field] if field else [])
        self.assertTrue(failure.message)

    def assert_refused(self, stream, sequence, code, expected=None):
        """The next answer refuses this batch. Returns it."""
        refused = stream.refused()
        found = (refused.sequence, refused.code, refused.expected_sequence)
        wanted = (sequence, code, sequence if expected is None else expected)
        self.assertEqual(found, wanted, refused.reason)
        self.assertTrue(refused.reason)
        return refused

    def assert_goes_on(self, stream, sequence, numbers, output="rows"):
        """The stream is still usable: the number that is expected is taken."""
        self.batch(stream, sequence, numbers)
        stream.acknowledged(sequence)
        self.stored(numbers, output)

    def known(self, output="rows"):
        """What the service tells of this check's writer."""
        return self.stub.GetWriter(pb.GetWriterRequest(output=output, writer_id=self.writer))
