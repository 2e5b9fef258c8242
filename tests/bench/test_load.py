"""What the load generators print is read right, and what they complain of is not lost."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from bench.harness.load import LoadFailed, Requests, Streams, read_streamload, read_wrk

_WRK = """\
Running 4s test @ http://127.0.0.1:9001/api/version
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   600.12us    1.10ms  33.34ms   97.16%
    Req/Sec    57.10k     4.02k   63.01k    77.50%
  Latency Distribution
     50%  605.00us
     75%  701.00us
     90%    0.95ms
     99%    3.34ms
  227302 requests in 4.00s, 34.90MB read
Requests/sec:  56833.02
Transfer/sec:      8.73MB
"""


class WrkTests(SynchronousTestCase):
    """``read_wrk``."""

    def test_figures(self) -> None:
        """Counts, rate and percentiles in microseconds."""
        self.assertEqual(
            read_wrk(_WRK),
            {
                "requests": 227302,
                "requests_s": 56833.02,
                "p50_us": 605.0,
                "p99_us": 3340.0,
                "errors": [],
            },
        )

    def test_errors(self) -> None:
        """Socket errors and answers that are no success are told in wrk's words."""
        troubled = _WRK.replace(
            "Requests/sec",
            "  Socket errors: connect 0, read 3, write 0, timeout 1\n"
            "  Non-2xx or 3xx responses: 12\nRequests/sec",
        )
        self.assertEqual(
            read_wrk(troubled)["errors"],
            [
                "Socket errors: connect 0, read 3, write 0, timeout 1",
                "Non-2xx or 3xx responses: 12",
            ],
        )

    def test_nothing_answered(self) -> None:
        """A run without a single answer is an error, even if wrk has no complaint."""
        silent = _WRK.replace("227302 requests", "0 requests")
        self.assertEqual(read_wrk(silent)["errors"], ["no request was answered"])

    def test_unreadable(self) -> None:
        """Output without figures is no result at all."""
        self.assertRaises(LoadFailed, read_wrk, "unable to connect to 127.0.0.1:9001")


class StreamloadTests(SynchronousTestCase):
    """``read_streamload``."""

    def test_failures_are_told(self) -> None:
        """Failed streams are counted, and the first complaints kept."""
        output = json.dumps({"errors": 2, "all_chunks": 10, "chunks_s": 5.0})
        self.assertEqual(
            read_streamload(output, ["streamload: reset in the body"]),
            {
                "all_chunks": 10,
                "chunks_s": 5.0,
                "errors": ["2 streams failed", "streamload: reset in the body"],
            },
        )

    def test_no_chunks(self) -> None:
        """Streams that never said anything are an error."""
        output = json.dumps({"errors": 0, "all_chunks": 0})
        self.assertEqual(read_streamload(output, [])["errors"], ["no chunk came"])


class CommandTests(SynchronousTestCase):
    """The command lines of the generators."""

    def test_post(self) -> None:
        """A body makes wrk post through the script, its size behind the dashes."""
        command = Requests("/api/embed", 50, 4.0, body=4000).command(9001)
        self.assertEqual(command[:5], ["wrk", "-t1", "-c50", "-d4", "--timeout"])
        self.assertEqual(command[-3:], ["http://127.0.0.1:9001/api/embed", "--", "4000"])

    def test_streams_are_checked(self) -> None:
        """Each stream must bring all its chunks; the last has no stamp."""
        command = Streams(count=500, chunks=60, every_ms=50, seconds=6).command(9001)
        self.assertIn("/api/chat?n=60&ms=50", command)
        self.assertIn("expect=59", command)
