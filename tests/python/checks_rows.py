"""Rows of all carriers and types arrive as the documentation of the formats says."""

import base64
import datetime
import decimal

import grpc
import pyarrow as pa
from check import PLAIN, Check, compact, typed, value
from client import Stream, pb, rows_pb

ARROW_PLAIN = pa.schema([
    pa.field("writer", pa.string(), nullable=False),
    pa.field("n", pa.int64(), nullable=False),
    pa.field("note", pa.string()),
])


def stream_of(batch):
    """A whole Arrow IPC stream: schema, dictionaries, the batch, the end."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def message_of(batch):
    """The record batch message alone."""
    return batch.serialize().to_pybytes()


def column(name, required=False, **kind):
    return rows_pb.Column(name=name, type=rows_pb.DataType(**kind), required=required)


def primitive(name):
    return rows_pb.DataType(primitive=rows_pb.Primitive.Value(f"PRIMITIVE_{name}"))


class Rows(Check):
    def carriers(self, first):
        """Ten plain rows from this number on, two in each way to carry them."""

        def arrow(n):
            return pa.record_batch([[self.writer] * 2, [n, n + 1], [None] * 2], schema=ARROW_PLAIN)

        def lines(n):
            # The keys stand in another order than the columns, and a null is left out.
            rows = [{"n": number, "writer": self.writer} for number in (n, n + 1)]
            return b"\n".join(compact(row) for row in rows)

        return [
            {"typed_rows": self.plain([first, first + 1])},
            {"json_lines": lines(first + 2)},
            {"json_lines": lines(first + 4) + b"\n"},
            {"arrow_ipc": message_of(arrow(first + 6))},
            {"arrow_ipc": stream_of(arrow(first + 8))},
        ]

    def test_all_carriers_under_all_forms_of_a_schema_on_one_stream(self):
        stream, opened = self.open()
        self.assertEqual((opened.resume_after, opened.HasField("position")), (0, False))
        self.assertEqual(opened.guarantee, pb.GUARANTEE_AT_LEAST_ONCE)
        stream.schema(2, arrow_ipc=ARROW_PLAIN.serialize().to_pybytes())
        stream.schema(0, arrow_ipc=stream_of(pa.record_batch([[], [], []], schema=ARROW_PLAIN)))
        sequence = 0
        for schema_id in (1, 2, 0):
            first = 100 * schema_id
            for rows in self.carriers(first):
                sequence += 1
                stream.batch(sequence, schema_id=schema_id, position=b"%d" % sequence, **rows)
            self.stored(range(first, first + 10))
        stream.acknowledged(15)
        known = self.known()
        self.assertEqual((known.known, known.live, known.durable_through), (True, True, 15))
        self.assertEqual((known.position, known.batches_in_flight), (b"15", 0))
        stream.close()

    def test_a_schema_declared_again_holds_for_later_batches(self):
        stream, _ = self.open()
        self.batch(stream, 1, [1])
        other = rows_pb.Column(name="other", type=primitive("INT64"))
        stream.schema(1, typed=rows_pb.Columns(columns=[other]))
        stream.batch(2, schema_id=1, typed_rows=typed((7,)))
        stream.acknowledged(2)
        self.stored([1])
        self.ledger["rows"][b'{"other":7}'] += 1

    def test_typed_values_of_every_kind(self):
        names = "BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FLOAT32 FLOAT64 TEXT BINARY"
        columns = [
            rows_pb.Column(name=name.lower(), type=primitive(name))
            for name in [*names.split(), "DATE", "JSON"]
        ]
        second, nanosecond = rows_pb.TIME_UNIT_SECOND, rows_pb.TIME_UNIT_NANOSECOND
        inner = [
            rows_pb.Column(name="a", type=primitive("INT32")),
            rows_pb.Column(name="b", type=primitive("TEXT")),
        ]
        columns += [
            column("decimal", decimal=rows_pb.Decimal(precision=40, scale=2)),
            column("utc", timestamp=rows_pb.Timestamp(unit=nanosecond, utc=True)),
            column("local", timestamp=rows_pb.Timestamp(unit=second)),
            column("time", time=rows_pb.TimeOfDay(unit=rows_pb.TIME_UNIT_MILLISECOND)),
            column("record", record=rows_pb.Columns(columns=inner)),
            column("array", array=primitive("INT16")),
            column("map", map=primitive("FLOAT64")),
        ]
        fields = [True, -128, -(2**15), -(2**31), -(2**63), 255, 65535, 2**32 - 1]
        values = [value(field) for field in fields]
        values += [rows_pb.Value(uint64=2**64 - 1), value(0.1), value(1e300)]
        values += [value('quote " and \u0001 and ☃'), value(b"\x00\xff"), value("2013-01-01")]
        values += [value('{"b": [1, 2.50, "x"]}'), value("-99999999999999999999.50")]
        values += [value("2013-01-01T05:00:00.123456789+02:00"), value(1), value(12_345)]
        entries = [rows_pb.MapEntry(key="k", value=value(0.5)), rows_pb.MapEntry(key="none")]
        values += [
            rows_pb.Value(record=rows_pb.Row(values=[value(1), value("in")])),
            rows_pb.Value(array=rows_pb.Row(values=[value(1), value(None), value(3)])),
            rows_pb.Value(map=rows_pb.MapEntries(entries=entries)),
        ]
        nulls = [rows_pb.Value()] * len(columns)
        rows = rows_pb.TypedRows(rows=[rows_pb.Row(values=values), rows_pb.Row(values=nulls)])

        stream, _ = self.open()
        stream.schema(2, typed=rows_pb.Columns(columns=columns))
        stream.batch(1, schema_id=2, typed_rows=rows)
        stream.acknowledged(1)
        self.ledger["rows"][
            '{"bool":true,"int8":-128,"int16":-32768,"int32":-2147483648,'
            '"int64":-9223372036854775808,"uint8":255,"uint16":65535,"uint32":4294967295,'
            '"uint64":18446744073709551615,"float32":0.1,"float64":1e+300,'
            '"text":"quote \\" and \\u0001 and ☃","binary":"AP8=","date":"2013-01-01",'
            '"json":{"b":[1,2.50,"x"]},"decimal":-99999999999999999999.50,'
            '"utc":"2013-01-01T03:00:00.123456789Z","local":"1970-01-01T00:00:01",'
            '"time":"00:00:12.345","record":{"a":1,"b":"in"},"array":[1,null,3],'
            '"map":{"k":0.5,"none":null}}'.encode()
        ] += 1
        self.ledger["rows"][compact({column.name: None for column in columns})] += 1

    def test_arrow_columns_with_dictionaries_and_nesting(self):
        kinds = pa.dictionary(pa.int8(), pa.string())
        schema = pa.schema([
            ("kind", kinds),
            ("kinds", pa.list_(kinds)),
            ("place", pa.struct([("city", pa.large_string()), ("at", pa.list_(pa.float64()))])),
            ("stops", pa.list_(pa.struct([("name", pa.string()), ("minutes", pa.uint16())]))),
            ("tags", pa.map_(pa.string(), pa.int64())),
            ("price", pa.decimal128(20, 3)),
            ("day", pa.date32()),
            ("when", pa.timestamp("us", "Europe/Paris")),
            ("local", pa.timestamp("ms")),
            ("clock", pa.time64("ns")),
            ("raw", pa.large_binary()),
            ("ratio", pa.float64()),
        ])
        when = datetime.datetime(2013, 1, 1, 5, 0, 0, 7, datetime.timezone.utc)
        row = {
            "kind": "red", "kinds": ["blue", None, "red"],
            "place": {"city": "Zürich", "at": [47.5, -8.25]},
            "stops": [{"name": "a", "minutes": 65535}, None, {"name": None, "minutes": 0}],
            "tags": [("x", 2**63 - 1), ("y", None)],
            "price": decimal.Decimal("-12345678901234567.250"),
            "day": datetime.date(1969, 12, 31), "when": when,
            "local": when.replace(tzinfo=None), "clock": datetime.time(23, 59, 59, 999_999),
            "raw": b"\xfb\xff", "ratio": float("nan"),
        }
        empty = {name: None for name in schema.names}
        rows = [row, empty, {**empty, "kinds": [], "stops": [], "tags": [], "kind": "green"}]
        batch = pa.RecordBatch.from_pylist(rows, schema)

        stream, _ = self.open()
        stream.schema(2, arrow_ipc=schema.serialize().to_pybytes())
        stream.batch(1, schema_id=2, arrow_ipc=stream_of(batch))
        # A slice refers to the middle of its buffers; the next batch has dictionaries of its own.
        again = pa.RecordBatch.from_pylist([empty, {**empty, "kind": "violet"}], schema)
        stream.batch(2, schema_id=2, arrow_ipc=stream_of(again.slice(1, 1)))
        stream.acknowledged(2)
        written = {
            **empty, **row, "tags": {"x": 2**63 - 1, "y": None}, "price": "PRICE",
            "day": "1969-12-31", "when": "2013-01-01T05:00:00.000007Z",
            "local": "2013-01-01T05:00:00.000", "clock": "23:59:59.999999000",
            "raw": base64.b64encode(b"\xfb\xff").decode(), "ratio": None,
        }
        exact = compact(written).replace(b'"PRICE"', b"-12345678901234567.250")
        third = {**empty, "kinds": [], "stops": [], "tags": {}, "kind": "green"}
        for line in (exact, compact(empty), compact(third), compact({**empty, "kind": "violet"})):
            self.ledger["rows"][line] += 1

    def test_json_lines_keep_unicode_and_large_numbers(self):
        stream, _ = self.open()
        nested = rows_pb.Columns(columns=[column("deep", array=primitive("UINT64"))])
        stream.schema(2, typed=rows_pb.Columns(columns=[column("a", record=nested)]))
        lines = '{"a":{"deep":[18446744073709551615,null]}}\r\n\n  {"a" : {}}\n{}'
        stream.batch(1, schema_id=2, json_lines=lines.encode())
        stream.batch(2, schema_id=1, json_lines=compact(
            {"writer": self.writer, "n": 2**63 - 1, "note": "snow \u2603 \U0001f600 \u0000"}
        ))
        stream.acknowledged(2)
        self.ledger["rows"][b'{"a":{"deep":[18446744073709551615,null]}}'] += 1
        self.ledger["rows"][b'{"a":{"deep":null}}'] += 1
        self.ledger["rows"][b'{"a":null}'] += 1
        self.stored([2**63 - 1], note="snow \u2603 \U0001f600 \u0000")

    def test_a_batch_without_rows_is_durable(self):
        stream, _ = self.open()
        stream.batch(1, schema_id=1, typed_rows=rows_pb.TypedRows(), position=b"none")
        stream.batch(2, schema_id=1, json_lines=b"")
        stream.acknowledged(2)
        self.assert_goes_on(stream, 3, [1])

    def test_grpc_compression_is_understood(self):
        stream = Stream(self.stub, compression=grpc.Compression.Gzip)
        stream.open("rows", self.writer)
        stream.schema(1, typed=PLAIN)
        self.batch(stream, 1, range(500))
        stream.acknowledged(1)
        self.stored(range(500))

    def test_write_once_takes_every_carrier(self):
        for rows in self.carriers(0):
            request = pb.WriteOnceRequest(
                output="rows", schema=rows_pb.Schema(typed=PLAIN), batch=pb.Batch(**rows)
            )
            answer = self.stub.WriteOnce(request, timeout=30)
            self.assertFalse(answer.HasField("durable_through"))
            self.assertEqual((answer.already_durable, answer.rejected_total), (False, 0))
        self.stored(range(10))
