"""``docs/METRICS.md`` tells of every metric there is, and of no other."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.metrics_document import DOCUMENT, current, exporter, gateway, name_of


class DocumentTests(SynchronousTestCase):
    """The document."""

    def test_current(self) -> None:
        """
        Its tables are what ``python -m tests.metrics_document`` makes of the metrics.
        """
        text = DOCUMENT.read_text(encoding="utf-8")
        self.assertEqual(text, current(text))

    def test_distinct(self) -> None:
        """
        No two programs publish a metric of the same name, so that one query means one thing.
        """
        names = [name_of(each) for each in (*exporter(), *gateway())]
        self.assertEqual(len(names), len(set(names)))
