"""What is remembered of blobs."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pool.blobs import BLOBS, CLIENTS, SETTLED, Blobs, digest_of


class BlobsTests(SynchronousTestCase):
    """Holders and homes."""

    def setUp(self) -> None:
        self.blobs = Blobs()

    def test_holders(self) -> None:
        """Whoever was seen to hold it does, until it is seen that it does not."""
        self.blobs.seen("d", "a")
        self.blobs.seen("d", "b")
        self.blobs.seen("d", "a", held=False)
        self.assertEqual(self.blobs.holders("d"), {"b"})
        self.blobs.seen("d", "b", held=False)
        self.assertEqual(self.blobs.holders("d"), frozenset())

    def test_found(self) -> None:
        """Of a client's home that part is left that also holds what was found."""
        self.blobs.found(b"c", "ab", 0.0)
        self.blobs.found(b"c", "bc", 1.0)
        self.assertEqual(self.blobs.home(b"c", 2.0), {"b"})
        self.blobs.found(b"c", "d", 2.0)
        self.assertEqual(self.blobs.home(b"c", 2.0), {"d"})

    def test_left(self) -> None:
        """It ends when a model is made, or after a while."""
        self.blobs.settle(b"c", "a", 0.0)
        self.assertEqual(self.blobs.home(b"c", SETTLED), {"a"})
        self.assertEqual(self.blobs.home(b"c", SETTLED + 1), frozenset())
        self.blobs.leave(b"c")
        self.assertEqual(self.blobs.home(b"c", 0.0), frozenset())

    def test_bounded(self) -> None:
        """The oldest are forgotten; looking for what is not there leaves nothing."""
        for number in range(BLOBS + 5):
            self.blobs.seen(str(number), "a")
            self.blobs.seen(f"never {number}", "a", held=False)
        self.assertEqual(len(self.blobs._holders), BLOBS)
        self.assertEqual(self.blobs.holders("0"), frozenset())
        for number in range(CLIENTS + 5):
            self.blobs.settle(b"%d" % number, "a", 0.0)
        self.assertEqual(len(self.blobs._homes), CLIENTS)

    def test_spelling(self) -> None:
        """A digest is the same in all spellings that Ollama takes."""
        self.assertEqual(digest_of("sha256-ABC"), digest_of("sha256:abc"))
