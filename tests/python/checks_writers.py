"""One live stream a writer, and on from where it was."""

import time

import grpc
from check import PLAIN, Check
from client import Stream, failure_of, pb, rows_pb


class Writers(Check):
    def test_a_lost_connection_is_taken_up_where_it_was(self):
        """Drops the connection mid-flight, again and again; every row is written once."""
        batches, rows, in_flight, sent_by_life = 150, 100, 20, 37
        known, lives = 0, []
        while known < batches:
            stream, opened = self.open(epoch=len(lives) + 1)
            after = opened.resume_after
            self.assertGreaterEqual(after, known, "what was acknowledged is not forgotten")
            self.assertEqual(opened.HasField("position"), after > 0)
            if after > 0:
                self.assertEqual(opened.position, b"row %d" % (after * rows))
            last = min(after + sent_by_life, batches)
            for sequence in range(after + 1, last + 1):
                stream.acknowledged(sequence - in_flight)
                numbers = range((sequence - 1) * rows, sequence * rows)
                self.batch(stream, sequence, numbers, position=b"row %d" % (sequence * rows))
            if last == batches:
                stream.acknowledged(batches)
            known = stream.durable_through
            lives.append({"resumed after": after, "sent through": last, "acknowledged": known})
            self.channel.close()
            self.stub = self.connect()
        self.stored(range(batches * rows))
        self.assertTrue(all(life["acknowledged"] < life["sent through"] for life in lives[:-1]))
        print(lives)

    def test_a_batch_sent_again_is_acknowledged_and_not_written_again(self):
        stream, _ = self.open()
        for sequence in (1, 2, 3):
            self.assert_goes_on(stream, sequence, [sequence])
        for _ in range(2):
            self.batch(stream, 2, [2])
            ack = stream.answer("ack")
            self.assertEqual((ack.durable_through, ack.rejected_total), (3, 0))
            stream, _ = self.open()
        self.assert_goes_on(stream, 4, [4])

    def test_what_the_engine_knows_moves_the_writer_on(self):
        _, opened = self.open(acknowledged=41)
        self.assertEqual((opened.resume_after, opened.HasField("position")), (41, False))
        stream, opened = self.open(acknowledged=7)
        self.assertEqual(opened.resume_after, 41)
        self.batch(stream, 41, [41])
        self.assertEqual(stream.answer("ack").durable_through, 41)
        self.assert_goes_on(stream, 42, [42])

    def test_a_newer_stream_takes_over(self):
        older, _ = self.open(epoch=5)
        self.assert_goes_on(older, 1, [1])
        newer, opened = self.open(epoch=5)
        self.assertEqual(opened.resume_after, 1)
        failure = older.failure()
        self.assert_failure(failure, "ABORTED", "TAKEN_OVER", retry=False, written=True)
        self.assert_goes_on(newer, 2, [2])

    def test_a_newer_stream_takes_over_from_one_whose_rows_wait(self):
        older, _ = self.open("away")
        self.batch(older, 1, [1])
        older.answer("held")
        _, opened = self.open("away")
        self.assertEqual(opened.resume_after, 0)
        failure = older.failure()
        self.assert_failure(failure, "ABORTED", "TAKEN_OVER", retry=False, written=True)

    def test_an_older_incarnation_is_stale(self):
        newer, _ = self.open(epoch=5)
        for epoch in ({"epoch": 4}, {}):
            stream = Stream(self.stub)
            stream.send(open=pb.Open(output="rows", writer_id=self.writer, **epoch))
            failure = stream.failure()
            self.assert_failure(
                failure, "FAILED_PRECONDITION", "STALE_EPOCH", retry=False, written=False
            )
            self.assertIn("5", failure.message)
        self.assert_goes_on(newer, 1, [1])
        self.assertEqual((self.known().epoch, self.known().live), (5, True))

    def test_outputs_have_writers_of_their_own(self):
        first, _ = self.open("rows")
        second, opened = self.open("lenient")
        self.assertEqual(opened.resume_after, 0)
        self.assert_goes_on(first, 1, [1])
        self.assert_goes_on(second, 1, [1], "lenient")

    def test_a_closed_stream_settles_what_was_sent(self):
        stream, _ = self.open()
        for sequence in range(1, 21):
            self.batch(stream, sequence, range(sequence * 100, sequence * 100 + 100))
        stream.close()
        self.assertEqual(stream.durable_through, 20)
        self.stored(range(100, 2100))
        self.assertFalse(self.known().live)

    def test_a_quiet_stream_is_kept_by_heartbeats_and_a_silent_engine_is_given_up(self):
        stream, _ = self.open(heartbeat_interval={"seconds": 1})
        for _ in range(5):
            time.sleep(0.8)
            stream.send(heartbeat=pb.Heartbeat())
        self.assert_goes_on(stream, 1, [1])
        self.assertGreaterEqual(stream.heartbeats, 2, "the service says something, too")
        start = time.monotonic()
        failure = stream.failure()
        silent_s = time.monotonic() - start
        self.assert_failure(failure, "DEADLINE_EXCEEDED", "CLIENT_SILENT", retry=True, written=True)
        self.assertTrue(2.5 < silent_s < 10, silent_s)

    def test_a_writer_can_be_forgotten(self):
        def reset():
            request = pb.ResetWriterRequest(output="rows", writer_id=self.writer)
            return self.stub.ResetWriter(request)

        self.assertEqual((reset().was_known, self.known().known), (False, False))
        stream, _ = self.open(epoch=3)
        self.assert_goes_on(stream, 1, [1])
        self.assert_failure(
            failure_of(reset), "FAILED_PRECONDITION", "WRITER_BUSY", retry=True, written=False
        )
        stream.close()
        self.assertTrue(reset().was_known)
        stream, opened = self.open()
        self.assertEqual(opened.resume_after, 0)
        self.assert_goes_on(stream, 1, [2])

    def once(self, sequence, numbers, **more):
        batch = pb.Batch(sequence=sequence, typed_rows=self.plain(numbers), **more)
        request = pb.WriteOnceRequest(
            output="rows", writer_id=self.writer, schema=rows_pb.Schema(typed=PLAIN), batch=batch
        )
        return self.stub.WriteOnce(request, timeout=30)

    def test_single_calls_of_a_writer_follow_the_rules_of_streams(self):
        answer = self.once(1, [1], position=b"one")
        self.assertEqual((answer.durable_through, answer.already_durable), (1, False))
        self.stored([1])
        answer = self.once(1, [1])
        self.assertEqual((answer.durable_through, answer.already_durable), (1, True))
        self.assert_failure(
            failure_of(lambda: self.once(1, [7])),
            "FAILED_PRECONDITION", "SEQUENCE_REUSED", retry=False, written=True,
        )
        failure = failure_of(lambda: self.once(3, [3]))
        self.assertEqual((failure.reason, failure.info.metadata["retry"]), ("SEQUENCE_GAP", "no"))
        failure = failure_of(lambda: self.once(2, [2], position=b"x" * 1025))
        self.assertEqual(failure.reason, "POSITION_TOO_LONG")
        stream, opened = self.open()
        self.assertEqual((opened.resume_after, opened.position), (1, b"one"))
        self.assert_failure(
            failure_of(lambda: self.once(2, [2])),
            "ABORTED", "WRITER_BUSY", retry=True, written=False,
        )
        self.assert_goes_on(stream, 2, [2])
        stream.close()
        self.assertEqual(self.once(3, [3]).durable_through, 3)
        self.stored([3])

    def test_many_writers_on_one_connection(self):
        streams = []
        for number in range(20):
            stream = Stream(self.stub)
            stream.open("rows", f"{self.writer} {number}")
            stream.schema(1, typed=PLAIN)
            streams.append(stream)
        for sequence in range(1, 11):
            for number, stream in enumerate(streams):
                numbers = range(sequence * 1000 + number * 10, sequence * 1000 + number * 10 + 10)
                self.batch(stream, sequence, numbers)
                self.stored(numbers)
        for stream in streams:
            stream.acknowledged(10)

    def test_a_cancelled_call_leaves_the_writer_usable(self):
        stream, _ = self.open()
        self.batch(stream, 1, [1])
        stream.acknowledged(1)
        self.stored([1])
        stream.cancel()
        self.assertEqual(stream.failure().code, grpc.StatusCode.CANCELLED)
        stream, opened = self.open()
        self.assertEqual(opened.resume_after, 1)
        self.assert_goes_on(stream, 2, [2])
