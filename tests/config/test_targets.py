"""How nodes are named for a change of models."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.targets import LONGEST, Targets, read_targets

NAMES = some.text(min_size=1, max_size=20).filter(lambda name: name == name.strip())


class ReadTests(SynchronousTestCase):
    """What a text means."""

    def test_all(self) -> None:
        """All of them."""
        self.assertEqual(read_targets(" all "), Targets(every=True))

    def test_count(self) -> None:
        """So many, whichever."""
        self.assertEqual(read_targets("2"), Targets(count=2))

    def test_names(self) -> None:
        """Those of these names, each once."""
        self.assertEqual(
            read_targets("gpu-1, gpu 2 ,gpu-1"), Targets(names=("gpu-1", "gpu 2")), "blanks"
        )

    def test_labels(self) -> None:
        """Those with a label, beside names; a value may be empty, or have a sign of its own."""
        self.assertEqual(
            read_targets("a,label:zone=attic,label:x=,label:y=1=2"),
            Targets(names=("a",), labels=(("zone", "attic"), ("x", ""), ("y", "1=2"))),
        )

    def test_quoted(self) -> None:
        """What stands in quotes is a name."""
        self.assertEqual(
            read_targets(r'"all","2", "a,b","q\"\\","label:a=b"'),
            Targets(names=("all", "2", "a,b", 'q"\\', "label:a=b")),
        )

    def test_refused(self) -> None:
        """What means nothing is refused with what is expected."""
        for text, why in (
            ("", "expected all"),
            (" ", "expected all"),
            ("a,,b", "expected all"),
            (",a", "expected all"),
            ('a"b', "expected all"),
            ('"a', "expected all"),
            ("0", "from 1 to"),
            ("9" * 5000, "from 1 to"),
            ("all,a", "double quotes"),
            ("a,2", "double quotes"),
            ("label:zone", "KEY=VALUE"),
            ("label:=x", "KEY=VALUE"),
            ("a" * (LONGEST + 1), "too long"),
        ):
            error = self.assertRaises(ValueError, read_targets, text)
            self.assertIn(why, str(error), text[:20])

    @given(some.lists(NAMES, min_size=1, max_size=5, unique=True))
    @example(["all"])
    @example(['"', "\\", ","])
    def test_names_survive(self, names: list[str]) -> None:
        """Any names, written out, mean these names."""
        targets = Targets(names=tuple(names))
        self.assertEqual(read_targets(str(targets)), targets)

    @given(some.text(alphabet='ab1,"\\ =:l', max_size=30))
    def test_written_out(self, text: str) -> None:
        """Whatever can be read means the same when it is written out."""
        try:
            targets = read_targets(text)
        except ValueError:
            return
        self.assertEqual(read_targets(str(targets)), targets)
