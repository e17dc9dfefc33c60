"""What is refused, with which code, and whether the stream goes on."""

import grpc
import pyarrow as pa
from check import PLAIN, Check, compact, typed, value
from checks_rows import ARROW_PLAIN, column, message_of, primitive, stream_of
from client import Failure, Stream, failure_of, pb, rows_pb

MIB = 1 << 20


class Refusals(Check):
    """A batch is refused; the stream goes on, and nothing of the batch is written."""

    def test_a_gap(self):
        stream, _ = self.open()
        self.assert_goes_on(stream, 1, [1])
        self.batch(stream, 3, [3])
        self.assert_refused(stream, 3, "SEQUENCE_GAP", expected=2)
        self.assert_goes_on(stream, 2, [2])

    def test_bad_typed_rows_are_named_and_those_behind_are_gaps(self):
        stream, _ = self.open()
        good = (self.writer, 1, None)
        rows = typed(good, (self.writer, None, None), good, (None, "x", 7), (self.writer, 1))
        rows.rows.append(rows_pb.Row(values=[
            value(self.writer), rows_pb.Value(uint64=2**63), value(None)
        ]))
        stream.batch(1, schema_id=1, typed_rows=rows)
        self.batch(stream, 2, [2])
        refused = self.assert_refused(stream, 1, "BAD_ROWS")
        self.assertEqual(refused.rows_total, 4)
        self.assertTrue(all(row.reason for row in refused.rows))
        self.assertEqual([(row.sequence, row.row, row.column, row.code) for row in refused.rows], [
            (1, 1, "n", "NULL_IN_REQUIRED"),
            (1, 3, "writer", "NULL_IN_REQUIRED"),
            (1, 4, "", "ROW_WIDTH"),
            (1, 5, "n", "OUT_OF_RANGE"),
        ])
        self.assert_refused(stream, 2, "SEQUENCE_GAP", expected=1)
        self.assert_goes_on(stream, 1, [1])

    def test_bad_json_lines_are_named(self):
        lines = [
            compact({"writer": self.writer, "n": 1}),
            b'{"writer": "x", "n": 2',
            b'{"writer": "x", "n": "two"}',
            b'{"writer": "x", "n": 2.5}',
            b'{"writer": "x", "n": 2, "other": 1}',
            b'{"writer": "x", "n": 2, "n": 3}',
            b'{"writer": "x"}',
        ]
        stream, _ = self.open()
        stream.batch(1, schema_id=1, json_lines=b"\n".join(lines))
        refused = self.assert_refused(stream, 1, "BAD_ROWS")
        self.assertEqual([(row.row, row.column, row.code) for row in refused.rows], [
            (1, "", "INVALID_JSON"),
            (2, "n", "TYPE_MISMATCH"),
            (3, "n", "TYPE_MISMATCH"),
            (4, "other", "UNKNOWN_COLUMN"),
            (5, "n", "DUPLICATE_COLUMN"),
            (6, "n", "NULL_IN_REQUIRED"),
        ])
        self.assert_goes_on(stream, 1, [1])

    def test_a_bad_value_deep_inside_is_named_with_its_path(self):
        inner = rows_pb.Columns(columns=[column("b", array=primitive("INT8"))])
        stream, _ = self.open()
        stream.schema(2, typed=rows_pb.Columns(columns=[column("a", record=inner)]))
        items = rows_pb.Row(values=[value(1), value(None), value(128)])
        record = rows_pb.Row(values=[rows_pb.Value(array=items)])
        row = rows_pb.Row(values=[rows_pb.Value(record=record)])
        stream.batch(1, schema_id=2, typed_rows=rows_pb.TypedRows(rows=[row]))
        refused = self.assert_refused(stream, 1, "BAD_ROWS")
        found = [(row.row, row.column, row.code) for row in refused.rows]
        self.assertEqual(found, [(0, "a.b[2]", "OUT_OF_RANGE")])

    def test_an_arrow_null_in_a_required_column(self):
        loose = pa.schema([pa.field(field.name, field.type) for field in ARROW_PLAIN])
        batch = pa.record_batch([[self.writer] * 2, [1, None], ["a", "b"]], schema=loose)
        stream, _ = self.open()
        stream.batch(1, schema_id=1, arrow_ipc=message_of(batch))
        refused = self.assert_refused(stream, 1, "BAD_ROWS")
        found = [(row.row, row.column, row.code) for row in refused.rows]
        self.assertEqual(found, [(1, "n", "NULL_IN_REQUIRED")])

    def test_broken_carriers(self):
        batch = pa.record_batch([[self.writer] * 9, range(9), [None] * 9], schema=ARROW_PLAIN)
        whole, message = stream_of(batch), message_of(batch)
        swapped = batch.select(["n", "writer", "note"])
        packed = pa.ipc.IpcWriteOptions(compression="lz4")
        two = pa.BufferOutputStream()
        with pa.ipc.new_stream(two, ARROW_PLAIN) as writer:
            writer.write_batch(batch)
            writer.write_batch(batch)
        broken = {
            "a truncated message": message[:-40],
            "a truncated stream": whole[: len(whole) // 2],
            "a cut inside the prefix": message[:7],
            "no Arrow": b"these are no Arrow bytes at all, however long one looks at them",
            "nothing": b"",
            "two batches": two.getvalue().to_pybytes(),
            "only a schema": ARROW_PLAIN.serialize().to_pybytes(),
            "another schema": stream_of(swapped),
            "a compressed body": compressed(batch, packed),
        }
        stream, _ = self.open()
        for name, arrow in broken.items():
            with self.subTest(name):
                stream.batch(1, schema_id=1, arrow_ipc=arrow)
                self.assert_refused(stream, 1, "BAD_CARRIER")
        self.assert_goes_on(stream, 1, [1])

    def test_a_schema_that_was_not_declared(self):
        stream, _ = self.open()
        stream.batch(1, schema_id=9, typed_rows=self.plain([1]))
        refused = self.assert_refused(stream, 1, "UNKNOWN_SCHEMA")
        self.assertIn("9", refused.reason)
        self.assert_goes_on(stream, 1, [1])

    def test_a_batch_without_carrier_and_a_position_too_long(self):
        stream, opened = self.open()
        stream.batch(1, schema_id=1)
        self.assert_refused(stream, 1, "NO_ROWS_CARRIER")
        self.assertEqual(opened.limits.position_bytes_max, 1024)
        self.batch(stream, 1, [1], position=b"x" * 1025)
        self.assert_refused(stream, 1, "POSITION_TOO_LONG")
        self.batch(stream, 1, [1], position=b"x" * 1024)
        stream.acknowledged(1)
        self.stored([1])
        self.assertEqual(self.known().position, b"x" * 1024)

    def test_a_batch_too_large_and_a_row_too_large(self):
        stream, opened = self.open()
        self.assertEqual(opened.limits.message_bytes_max, MIB)
        stream.batch(1, schema_id=1, typed_rows=self.plain([1], note="x" * (MIB + 1)))
        self.assert_refused(stream, 1, "BATCH_TOO_LARGE")
        # Every byte of it becomes six in JSON.
        note = "\u0001" * (opened.limits.record_bytes_max // 6)
        stream.batch(1, schema_id=1, typed_rows=self.plain([1], note=note))
        refused = self.assert_refused(stream, 1, "BAD_ROWS")
        self.assertEqual([(row.row, row.code) for row in refused.rows], [(0, "ROW_TOO_LARGE")])
        self.assert_goes_on(stream, 1, [1])

    def test_a_timeout_before_anything_was_handed_over(self):
        stream, _ = self.open("away")
        self.batch(stream, 1, [1], timeout={"nanos": 300_000_000})
        self.batch(stream, 2, [2])
        refused = self.assert_refused(stream, 1, "BATCH_TIMEOUT")
        self.assertEqual(refused.rows_total, 0)
        self.assert_refused(stream, 2, "SEQUENCE_GAP", expected=1)
        self.batch(stream, 1, [1], timeout={"nanos": 1})
        self.assert_refused(stream, 1, "BATCH_TIMEOUT")

    def test_drop_sets_bad_rows_aside_and_writes_the_others(self):
        stream, _ = self.open("lenient")
        rows = [(self.writer, n if n % 3 else None, None) for n in range(450)]
        stream.batch(1, schema_id=1, typed_rows=typed(*rows))
        stream.acknowledged(1)
        ack = stream.acks[-1]
        self.assertEqual((ack.rejected_total, len(ack.rejected)), (150, 100))
        found = [(row.sequence, row.row, row.column, row.code) for row in ack.rejected]
        self.assertEqual(found, [(1, 3 * n, "n", "NULL_IN_REQUIRED") for n in range(100)])
        self.stored([n for n in range(450) if n % 3], "lenient")
        self.assert_goes_on(stream, 2, [1000], "lenient")
        self.assertEqual(stream.acks[-1].rejected_total, 0)


def compressed(batch, options):
    """A batch whose body is compressed inside, which the contract excludes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


class Ends(Check):
    """The call ends with an error that a program can decide by."""

    def assert_ends(self, stream, code, reason, *, written=True, retry=False, field=None):
        failure = stream.failure()
        self.assert_failure(
            failure, code, reason, retry=retry, written=written, field=field
        )
        return failure

    def unopened(self, **message):
        """A stream whose first message is this."""
        stream = Stream(self.stub)
        stream.send(**message)
        return stream

    def test_an_output_that_does_not_exist(self):
        stream = self.unopened(open=pb.Open(output="nowhere", writer_id=self.writer))
        failure = self.assert_ends(stream, "NOT_FOUND", "OUTPUT_NOT_FOUND", written=False)
        self.assertIn("nowhere", failure.message)
        once = pb.WriteOnceRequest(
            output="nowhere", schema=rows_pb.Schema(typed=PLAIN), batch=pb.Batch()
        )
        for call in (
            lambda: self.stub.GetOutput(pb.GetOutputRequest(output="nowhere")),
            lambda: self.stub.GetWriter(pb.GetWriterRequest(output="nowhere", writer_id="w")),
            lambda: self.stub.ResetWriter(pb.ResetWriterRequest(output="nowhere", writer_id="w")),
            lambda: self.stub.WriteOnce(once),
        ):
            self.assert_failure(
                failure_of(call), "NOT_FOUND", "OUTPUT_NOT_FOUND", retry=False, written=False
            )

    def test_something_else_than_open_comes_first(self):
        stream = self.unopened(schema=rows_pb.Schema(id=1, typed=PLAIN))
        self.assert_ends(stream, "INVALID_ARGUMENT", "OPEN_EXPECTED", written=False)

    def test_open_comes_twice(self):
        stream, _ = self.open()
        stream.send(open=pb.Open(output="rows", writer_id=self.writer))
        self.assert_ends(stream, "INVALID_ARGUMENT", "SECOND_OPEN")

    def test_a_request_is_empty(self):
        stream, _ = self.open()
        stream.send()
        self.assert_ends(stream, "INVALID_ARGUMENT", "EMPTY_REQUEST")

    def test_a_field_of_open_is_at_fault(self):
        for field, wrong in (
            ("writer_id", {"writer_id": ""}),
            ("writer_id", {"writer_id": "line\nbreak"}),
            ("writer_id", {"writer_id": "é" * 129}),
            ("heartbeat_interval", {"heartbeat_interval": {"nanos": 999_000_000}}),
            ("heartbeat_interval", {"heartbeat_interval": {"seconds": 201}}),
            ("heartbeat_interval", {"heartbeat_interval": {"seconds": -1}}),
        ):
            with self.subTest(str(wrong)):
                names = {"output": "rows", "writer_id": self.writer, **wrong}
                stream = self.unopened(open=pb.Open(**names))
                self.assert_ends(
                    stream, "INVALID_ARGUMENT", "INVALID_OPEN", written=False, field=f"open.{field}"
                )

    def test_a_schema_that_makes_no_sense(self):
        twice = rows_pb.Columns(columns=[column("a", primitive=1), column("a", primitive=1)])
        deep = column("a", decimal=rows_pb.Decimal(precision=77))
        for name, schema in (
            ("no columns", {}),
            ("a name twice", {"typed": twice}),
            ("no type", {"typed": rows_pb.Columns(columns=[rows_pb.Column(name="a")])}),
            ("no such decimal", {"typed": rows_pb.Columns(columns=[deep])}),
            ("broken Arrow", {"arrow_ipc": ARROW_PLAIN.serialize().to_pybytes()[:-9]}),
            ("an Arrow type without JSON", {"arrow_ipc": unions().serialize().to_pybytes()}),
        ):
            with self.subTest(name):
                stream, _ = self.open()
                stream.schema(2, **schema)
                self.assert_ends(stream, "INVALID_ARGUMENT", "INVALID_SCHEMA", field="schema")

    def test_too_many_schemas(self):
        stream, opened = self.open()
        for schema_id in range(opened.limits.schemas_max + 1):
            stream.schema(schema_id, typed=PLAIN)
        self.assert_ends(stream, "RESOURCE_EXHAUSTED", "TOO_MANY_SCHEMAS")

    def test_a_batch_with_the_number_zero(self):
        stream, _ = self.open()
        self.batch(stream, 0, [1])
        self.assert_ends(stream, "INVALID_ARGUMENT", "INVALID_BATCH", field="batch.sequence")

    def test_a_number_names_other_rows_than_before(self):
        stream, _ = self.open()
        self.assert_goes_on(stream, 1, [1])
        self.batch(stream, 1, [2])
        self.assert_ends(stream, "FAILED_PRECONDITION", "SEQUENCE_REUSED")
        stream, opened = self.open()
        self.assertEqual(opened.resume_after, 1)
        self.batch(stream, 1, [3])
        self.assert_ends(stream, "FAILED_PRECONDITION", "SEQUENCE_REUSED")

    def test_a_message_beyond_all_limits(self):
        stream, _ = self.open()
        self.assert_goes_on(stream, 1, [1])
        stream.batch(2, schema_id=1, typed_rows=self.plain([2], note="x" * (3 * MIB)))
        self.assert_ends(stream, "RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
        # The same when it is small on its way.
        packed = Stream(self.stub, compression=grpc.Compression.Gzip)
        self.assertEqual(packed.open("rows", self.writer).resume_after, 1)
        packed.schema(1, typed=PLAIN)
        packed.batch(2, schema_id=1, typed_rows=self.plain([2], note="x" * (99 * MIB)))
        self.assert_ends(packed, "RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")

    def test_more_bytes_than_granted(self):
        stream, opened = self.open("away")
        note = "x" * 100_000
        batch = pb.Batch(sequence=100, schema_id=1, typed_rows=self.plain([1], note))
        size = pb.WriteRequest(batch=batch).ByteSize()
        # The stream ends when it takes more than there is memory for, which is at least one message
        # of the largest size, however small the credit is so far.
        room = max(opened.credit.bytes, opened.limits.message_bytes_max) // size
        self.assertGreater(opened.credit.batches, room)
        for sequence in range(1, room + 1):
            stream.batch(sequence, schema_id=1, typed_rows=self.plain([1], note))
        self.assert_waits(stream)
        stream.batch(room + 1, schema_id=1, typed_rows=self.plain([1], note))
        self.assert_ends(stream, "RESOURCE_EXHAUSTED", "CREDIT_EXCEEDED")

    def test_more_batches_than_granted(self):
        stream, opened = self.open("away")
        for sequence in range(1, opened.credit.batches + 1):
            self.batch(stream, sequence, [sequence])
        self.assert_waits(stream)
        self.batch(stream, opened.credit.batches + 1, [0])
        self.assert_ends(stream, "RESOURCE_EXHAUSTED", "CREDIT_EXCEEDED")

    def assert_waits(self, stream):
        """What was sent is within the credit: it waits, and why is said."""
        held = stream.answer("held")
        self.assertEqual((held.sequence, held.code), (1, "BROKER_UNREACHABLE"), held)
        self.assertTrue(held.reason)
        self.assertGreater(held.since.seconds, 0)

    def test_a_single_call_is_refused_like_a_stream(self):
        schema = rows_pb.Schema(typed=PLAIN)
        good = pb.Batch(typed_rows=self.plain([1]))
        bad = pb.Batch(typed_rows=typed((None, 1, None)))
        for reason, request, field in (
            ("INVALID_BATCH", {"batch": good}, "schema"),
            ("INVALID_BATCH", {"schema": schema}, "batch"),
            ("INVALID_BATCH", {"schema": schema, "batch": pb.Batch()}, "batch.rows"),
            ("INVALID_BATCH", {"schema": schema, "batch": good, "epoch": 1}, "writer_id"),
            ("INVALID_SCHEMA", {"schema": rows_pb.Schema(), "batch": good}, "schema"),
            ("BAD_ROWS", {"schema": schema, "batch": bad}, None),
            ("BAD_CARRIER", {"schema": schema, "batch": pb.Batch(arrow_ipc=b"?")}, None),
        ):
            with self.subTest(f"{reason} {field}"):
                request = pb.WriteOnceRequest(output="rows", **request)
                failure = failure_of(lambda: self.stub.WriteOnce(request))
                self.assertIsInstance(failure, Failure)
                self.assertEqual((failure.code.name, failure.reason), ("INVALID_ARGUMENT", reason))
                self.assertEqual(failure.fields, [field] if field else [])
                self.assertEqual(failure.info.metadata["may_be_written"], "no", failure)

    def test_a_single_call_gives_up_at_its_deadline(self):
        request = pb.WriteOnceRequest(
            output="away", schema=rows_pb.Schema(typed=PLAIN),
            batch=pb.Batch(typed_rows=self.plain([1])),
        )
        failure = failure_of(lambda: self.stub.WriteOnce(request, timeout=2))
        self.assert_failure(
            failure, "DEADLINE_EXCEEDED", "BATCH_TIMEOUT", retry=True, written=False
        )


def unions():
    """A schema with a type that no format writes."""
    kind = pa.dense_union([pa.field("a", pa.int64()), pa.field("b", pa.string())])
    return pa.schema([("either", kind)])
