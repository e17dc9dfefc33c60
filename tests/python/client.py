"""A client of the output service, written from the .proto files alone; no code of the project.

The stubs are generated when it starts, into a directory that goes with the process.
"""

import importlib
import os
import queue
import sys
import tempfile
from pathlib import Path

import grpc
import grpc_tools
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

FILES = ["kafkaoutput/v1/rows.proto", "kafkaoutput/v1/service.proto"]
# A call that hangs ends here, and its check fails.
CALL_TIMEOUT_S = 60


def generate(folder):
    """Returns the generated modules: rows, service, service's stubs."""
    well_known = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
    target = tempfile.TemporaryDirectory(prefix="stubs-")
    args = ["protoc", f"-I{folder}", f"-I{well_known}"]
    args += [f"--python_out={target.name}", f"--grpc_python_out={target.name}"]
    if protoc.main(args + FILES) != 0:
        raise SystemExit("protoc refuses the .proto files")
    sys.path.insert(0, target.name)
    names = ["rows_pb2", "service_pb2", "service_pb2_grpc"]
    with target:
        return [importlib.import_module(f"kafkaoutput.v1.{name}") for name in names]


rows_pb, pb, stubs = generate(Path(__file__).parents[2] / "proto")


class Failure:
    """How a call ended: the code and the details that a program decides by."""

    def __init__(self, error):
        self.code, self.message = error.code(), error.details()
        self.info, self.retry_after_s, self.fields = None, None, []
        status = rpc_status.from_call(error)
        for detail in status.details if status is not None else []:
            self.take(detail)

    def take(self, detail):
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        request = error_details_pb2.BadRequest()
        if detail.Unpack(info):
            self.info = info
        elif detail.Unpack(retry):
            delay = retry.retry_delay
            self.retry_after_s = delay.seconds + delay.nanos / 1e9
        elif detail.Unpack(request):
            self.fields += [violation.field for violation in request.field_violations]

    @property
    def reason(self):
        return self.info.reason if self.info is not None else None

    def __str__(self):
        return f"{self.code} {self.reason}: {self.message}"


class Stream:
    """A `Write` stream: messages go out as they come, answers are read one by one."""

    def __init__(self, stub, compression=None):
        self._messages = queue.SimpleQueue()
        self._call = stub.Write(
            iter(self._messages.get, None), timeout=CALL_TIMEOUT_S, compression=compression
        )
        self.durable_through = 0
        self.acks, self.heartbeats, self.helds = [], 0, []

    def send(self, **message):
        self._messages.put(pb.WriteRequest(**message))

    def open(self, output, writer_id, **more):
        """Opens and returns `Opened`."""
        self.send(open=pb.Open(output=output, writer_id=writer_id, **more))
        opened = self.answer("opened")
        self.durable_through = opened.resume_after
        return opened

    def schema(self, schema_id, **columns):
        self.send(schema=rows_pb.Schema(id=schema_id, **columns))

    def batch(self, sequence, **rows):
        """Sends a batch; to be read from `acknowledged` later."""
        self.send(batch=pb.Batch(sequence=sequence, **rows))

    def answer(self, kind):
        """The next answer, which must be of this kind; heartbeats and news are passed over."""
        while True:
            response = next(self._call)
            found = response.WhichOneof("message")
            if found == kind:
                return getattr(response, kind)
            if found == "heartbeat":
                self.heartbeats += 1
            elif found == "held":
                self.helds.append(response.held)
            elif found == "ack":
                self._note(response.ack)
            elif found not in ("waiting", "draining"):
                raise AssertionError(f"{kind} expected, not {response}")

    def _note(self, ack):
        if ack.durable_through < self.durable_through:
            raise AssertionError(f"acknowledgements go back: {ack}")
        self.durable_through = ack.durable_through
        self.acks.append(ack)

    def acknowledged(self, sequence):
        """Waits until every batch up to this one is durable."""
        while self.durable_through < sequence:
            self._note(self.answer("ack"))

    def refused(self):
        """The next refusal."""
        return self.answer("refused")

    def cancel(self):
        """Gives the call up, like an engine that is stopped."""
        self._call.cancel()
        # The thread that reads what is to be sent ends.
        self._messages.put(None)

    def close(self):
        """Ends the stream in order: what is under way is settled first."""
        self._messages.put(None)
        for response in self._call:
            if response.HasField("ack"):
                self._note(response.ack)

    def failure(self):
        """Reads the stream to its end, which must be an error."""
        try:
            while True:
                self.answer("nothing more")
        except StopIteration:
            raise AssertionError("the stream ended without an error") from None
        except grpc.RpcError as error:
            self._messages.put(None)
            return Failure(error)


def failure_of(call):
    """Runs a call that must fail."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return Failure(error)
    raise AssertionError(f"the call succeeded: {answer}")
