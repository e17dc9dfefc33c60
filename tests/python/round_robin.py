"""Writers of an engine that balances by itself: all streams go over one channel with several
addresses, over which gRPC spreads them (`round_robin`).

    round_robin.py ADDRESSES OUTPUT WRITERS

ADDRESSES is `ipv4:HOST:PORT,HOST:PORT`. Each writer sends batches of rows, `{"w": "w0", "n": 0, "pad":
""}` and so on, each when the one before is acknowledged, and opens its stream again when the service
asks it to, until standard input ends and three batches at least are acknowledged. Prints a JSON object:
for each writer the rows that are acknowledged (`rows`), and for which reasons streams have ended how
often (`ended`).
"""

import faulthandler
import json
import sys
import threading
import time
from collections import Counter

import grpc
from client import Failure, Stream, rows_pb, stubs

BATCH_ROWS = 50
# A machine that is busy opens a writer for about as long as its stream may stay.
BATCHES_MIN = 3
# Between attempts to open a stream: as long as the service asks for, but for this long at least.
RETRY_AFTER_S = 0.05
ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
TYPES = {"w": rows_pb.PRIMITIVE_TEXT, "n": rows_pb.PRIMITIVE_INT64, "pad": rows_pb.PRIMITIVE_TEXT}
COLUMNS = rows_pb.Columns(columns=[
    rows_pb.Column(name=name, type=rows_pb.DataType(primitive=primitive))
    for name, primitive in TYPES.items()
])


class Writer(threading.Thread):
    """One ordered sender of rows."""

    def __init__(self, stub, output, name, stop):
        super().__init__(daemon=True)
        self._stub, self._output, self._name, self._stop_asked = stub, output, name, stop
        self.durable_through, self.ended = 0, Counter()
        # Whether the last batch has its answer; what has none may be written.
        self.is_settled, self.is_done = True, False

    def _is_over(self):
        has_all = self.is_settled and self.durable_through >= BATCHES_MIN
        return self._stop_asked.is_set() and has_all

    def run(self):
        while not self._is_over():
            stream = Stream(self._stub)
            try:
                self._send_over(stream)
            except grpc.RpcError as error:
                failure = Failure(error)
                self.ended[failure.reason or str(failure.code)] += 1
                time.sleep(max(failure.retry_after_s or 0, RETRY_AFTER_S))
            finally:
                stream.cancel()
        self.is_done = True

    def _send_over(self, stream):
        opened = stream.open(self._output, self._name, acknowledged=self.durable_through)
        self.durable_through, self.is_settled = opened.resume_after, True
        stream.schema(1, typed=COLUMNS)
        while not self._is_over():
            sequence = self.durable_through + 1
            first = (sequence - 1) * BATCH_ROWS
            rows = [{"w": self._name, "n": n, "pad": ""} for n in range(first, first + BATCH_ROWS)]
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            self.is_settled = False
            stream.batch(sequence, schema_id=1, json_lines=lines.encode())
            stream.acknowledged(sequence)
            self.durable_through, self.is_settled = sequence, True


def main():
    addresses, output, count = sys.argv[1:]
    stop = threading.Event()
    # Several addresses are no name that HTTP/2 takes; behind `dns:` it is that of the service.
    options = [("grpc.service_config", ROUND_ROBIN), ("grpc.default_authority", "kafka-output")]
    with grpc.insecure_channel(addresses, options=options) as channel:
        stub = stubs.KafkaOutputServiceStub(channel)
        writers = {f"w{n}": Writer(stub, output, f"w{n}", stop) for n in range(int(count))}
        for writer in writers.values():
            writer.start()
        sys.stdin.read()
        stop.set()
        # Whoever waits for this to end gives up soon after, and shows where each writer is.
        faulthandler.dump_traceback_later(50)
        for writer in writers.values():
            writer.join()
    rows = {name: writer.durable_through * BATCH_ROWS for name, writer in writers.items()}
    ended = sum((writer.ended for writer in writers.values()), Counter())
    print(json.dumps({"rows": rows, "ended": ended}))
    # Threads die of what nobody expects, and print it.
    sys.exit(not all(writer.is_done for writer in writers.values()))


if __name__ == "__main__":
    main()
