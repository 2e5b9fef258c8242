"""The pool as those who serve requests see it."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import BreakerConfig, HealthConfig, NodeConfig, SizeRange
from ollama_twisted.pool.breaker import Circuit
from ollama_twisted.pool.eligibility import Reason, Want
from ollama_twisted.pool.known import REMEMBERED
from ollama_twisted.pool.lease import Lease, Outcome
from ollama_twisted.pool.line import Blocked, LineFull
from ollama_twisted.pool.models import LONGEST_NAME
from ollama_twisted.pool.pool import NodePool
from ollama_twisted.services import Service
from tests.pool.nodes import config, end, failed, models, node_config, pool_of

ANY = Want()
A, B = frozenset("a"), frozenset("b")
#: Who comes back is given its whole share, so that it can be told who has the next turn.
AT_ONCE = HealthConfig(slow_start=0)


def names(*leases: Lease | None) -> str:
    """The names of the nodes that were leased, with a dash for none."""
    return "".join("-" if lease is None else lease.node.name for lease in leases)


def fragile(name: str, **said: object) -> NodeConfig:
    """A node that is ejected for ten seconds or so after its first error."""
    said.setdefault("health", AT_ONCE)
    return node_config(name, breaker=BreakerConfig(failures=1, cooldown=10.0), **said)


class LeaseTests(SynchronousTestCase):
    """Places that are had at once."""

    def test_counts(self) -> None:
        """A node counts what it works on, what it has worked on, and what it failed at."""
        pool = pool_of(node_config())
        lease = pool.lease(ANY, 0)
        node = pool.nodes["a"]
        self.assertEqual((names(lease), node.in_flight, node.total_requests), ("a", 1, 1))
        end(lease, Outcome.RESET)
        self.assertEqual((node.in_flight, node.total_requests, node.failed_requests), (0, 1, 1))

    def test_limit(self) -> None:
        """No node is given more than it may work on."""
        pool = pool_of(node_config("a", max_in_flight=1), node_config("b", max_in_flight=2))
        self.assertEqual(names(*(pool.lease(ANY, 0) for _ in range(4))), "abb-")

    def test_without(self) -> None:
        """A node that the request did not get on with is left out."""
        pool = pool_of(node_config("a"), node_config("b"))
        self.assertEqual(names(pool.lease(ANY, 0, A), pool.lease(ANY, 0, A | B)), "b-")

    def test_strategies(self) -> None:
        """The configured strategy chooses."""
        nodes = [node_config("a", weight=3.0), node_config("b")]
        chosen = {}
        for strategy in ("round_robin", "weighted_round_robin"):
            pool = pool_of(*nodes, strategy=strategy)
            chosen[strategy] = names(*(pool.lease(ANY, 0) for _ in range(4)))
        self.assertEqual(chosen, {"round_robin": "abab", "weighted_round_robin": "aaba"})
        pool = pool_of(*nodes, strategy="least_connections")
        self.assertEqual(sorted(names(*(pool.lease(ANY, 0) for _ in range(4)))), list("aabb"))

    def test_only_choice(self) -> None:
        """A node that was the only one free has had its turn all the same."""
        pool = pool_of(node_config("a"), node_config("b", max_in_flight=1))
        first = [pool.lease(ANY, 0) for _ in range(4)]
        end(first[1])
        self.assertEqual((names(*first), names(pool.lease(ANY, 0))), ("abaa", "b"))
        pool = pool_of(node_config("a"), node_config("b"))
        self.assertEqual(names(pool.lease(ANY, 0, B), pool.lease(ANY, 0)), "ab")

    def test_blocked(self) -> None:
        """That all are full is told from that nobody may serve."""
        pool = pool_of(node_config("a", max_in_flight=1))
        pool.lease(ANY, 0)
        self.assertEqual(pool.blocked(ANY, 0), Blocked.FULL)
        self.assertEqual(pool.blocked(ANY, 0, A), Blocked.NO_NODE)
        failed(pool.nodes["a"])
        pool.replace(config(node_config("a")), 0)
        self.assertEqual(pool.blocked(ANY, 0), Blocked.NO_NODE)


class TrustTests(SynchronousTestCase):
    """What outcomes do to a node."""

    def setUp(self) -> None:
        self.pool = pool_of(fragile("a"), fragile("b"))
        self.breakers = {name: node.breaker for name, node in self.pool.nodes.items()}

    def lose(self, without: frozenset[str], outcome: Outcome = Outcome.GATEWAY_ERROR) -> None:
        """One request fails, on the node that is not left out."""
        end(self.pool.lease(ANY, 0, without), outcome)

    def test_ejected(self) -> None:
        """An ejected node gets nothing while another is there, and one trial afterwards."""
        self.lose(B)
        self.assertEqual(names(*(self.pool.lease(ANY, 8) for _ in range(3))), "bbb")
        self.assertEqual(names(*(self.pool.lease(ANY, 12) for _ in range(3))), "abb")

    def test_outcomes(self) -> None:
        """Errors and resets count, busy and abandoned do not; unreachable ejects at once."""
        patient = BreakerConfig(failures=2)
        seen = {}
        for outcome in Outcome:
            pool = pool_of(node_config("a", breaker=patient), node_config("b"))
            circuits = []
            for _ in range(2):
                end(pool.lease(ANY, 0, B), outcome)
                circuits.append(pool.nodes["a"].breaker.circuit)
            seen[outcome] = circuits
        never, second, once = (
            [Circuit.CLOSED] * 2,
            [Circuit.CLOSED, Circuit.OPEN],
            [Circuit.OPEN] * 2,
        )
        self.assertEqual(
            seen,
            {
                Outcome.ANSWERED: never,
                Outcome.UNREACHABLE: once,
                Outcome.RESET: second,
                Outcome.GATEWAY_ERROR: second,
                Outcome.BUSY: never,
                Outcome.ABANDONED: never,
            },
        )

    def test_last_node(self) -> None:
        """When all are ejected, all are used: nobody is left without a node for failures alone."""
        self.lose(B)
        self.lose(A)
        self.assertEqual(names(*(self.pool.lease(ANY, 1) for _ in range(4))), "abab")

    def test_last_node_full(self) -> None:
        """An ejected node is no way around the others' being full."""
        pool = pool_of(fragile("a"), fragile("b", max_in_flight=1))
        end(pool.lease(ANY, 0, B), Outcome.RESET)
        self.assertEqual(names(pool.lease(ANY, 1), pool.lease(ANY, 1)), "b-")
        self.assertEqual(pool.blocked(ANY, 1), Blocked.FULL)

    def test_retry(self) -> None:
        """A request that failed everywhere else may have the ejected node."""
        self.lose(B)
        self.assertEqual(names(self.pool.lease(ANY, 1, B)), "a")

    def test_trial_abandoned(self) -> None:
        """A client that leaves during a trial, or a busy node, leaves it to the next."""
        self.lose(B)
        for outcome in (Outcome.ABANDONED, Outcome.BUSY):
            self.assertEqual(end(self.pool.lease(ANY, 12, B), outcome, 12), "a")
        self.assertEqual(names(self.pool.lease(ANY, 12, B), self.pool.lease(ANY, 12)), "ab")

    def test_trial_answering(self) -> None:
        """Nobody waits for the end of a trial's long answer."""
        self.lose(B)
        lease = self.pool.lease(ANY, 12, B)
        assert lease is not None
        lease.answering(12)
        self.assertEqual(names(lease, *(self.pool.lease(ANY, 12) for _ in range(2))), "aba")

    def test_jitter(self) -> None:
        """Cooldowns differ by a tenth at most, so that gateways do not come back together."""
        cooldowns = set()
        for _ in range(20):
            self.pool.replace(config(fragile("a", host=str(len(cooldowns))), fragile("b")), 0)
            self.pool.checked("a", 0, True)
            self.lose(B)
            cooldowns.add(self.breakers["a"].retry_at)
        self.assertGreater(len(cooldowns), 15)
        self.assertEqual([9 <= each <= 11 for each in cooldowns], [True] * len(cooldowns))


class CheckTests(SynchronousTestCase):
    """What checks do to a node."""

    def setUp(self) -> None:
        checks = HealthConfig(rise=2, fall=2)
        self.pool = pool_of(node_config("a", health=checks), node_config("b"))

    def test_down_and_up(self) -> None:
        """An unhealthy node gets nothing, until it is healthy again."""
        seen = []
        for ok in (True, False, False, True, True):
            changed = self.pool.checked("a", 1, ok, "" if ok else "refused")
            seen.append((changed, names(self.pool.lease(ANY, 1, B))))
        self.assertEqual(seen, [(False, "a"), (False, "a"), (True, "-"), (False, "-"), (True, "a")])

    def test_kept(self) -> None:
        """What a check found is kept; a bad one does not take away what is known."""
        self.pool.checked("a", 1, True, version="0.12", models=models("m"))
        self.pool.checked("a", 2, False, "refused")
        node = self.pool.nodes["a"]
        self.assertEqual(
            (node.last_check, node.last_check_error, node.version, node.models),
            (2, "refused", "0.12", models("m")),
        )

    def test_version(self) -> None:
        """What a node's version lacks goes elsewhere from the check that told it."""
        want = Want(service=Service.MESSAGES)
        self.pool.checked("b", 1, True, version="0.14.0")
        seen = {end(self.pool.lease(want, 1)) for _ in range(4)}
        self.pool.checked("a", 2, True, version="0.12.0")
        later = {end(self.pool.lease(want, 2)) for _ in range(4)}
        self.assertEqual((seen, later), ({"a", "b"}, {"b"}))
        self.assertEqual(self.pool.passed_over(want), "a: version")
        self.pool.checked("a", 3, True, version="0.15.0")
        self.assertEqual({end(self.pool.lease(want, 3)) for _ in range(4)}, {"a", "b"})

    def test_unknown(self) -> None:
        """A check that ends after its node has gone changes nothing."""
        self.pool.listed("gone", models("m"))
        self.assertEqual(self.pool.checked("gone", 1, True), False)

    def test_reachable_again(self) -> None:
        """Good checks end an ejection for not being reachable, and no other."""
        ejected = {}
        for outcome in (Outcome.UNREACHABLE, Outcome.GATEWAY_ERROR):
            pool = pool_of(fragile("a"), node_config("b"))
            end(pool.lease(ANY, 0, B), outcome)
            pool.checked("a", 1, True)
            first = pool.nodes["a"].breaker.ejected(2)
            pool.checked("a", 2, True)
            ejected[outcome] = (first, pool.nodes["a"].breaker.ejected(2))
        self.assertEqual(
            ejected,
            {Outcome.UNREACHABLE: (True, False), Outcome.GATEWAY_ERROR: (True, True)},
        )

    def test_back_in_time(self) -> None:
        """A node that flaps is used after ``rise`` good checks, also when checks had failed too."""
        pool = pool_of(fragile("a", health=replace(AT_ONCE, fall=2)), node_config("b"))
        for _ in range(3):
            end(pool.lease(ANY, 0, B), Outcome.UNREACHABLE)
        for ok in (False, False, True, True):
            pool.checked("a", 1, ok)
        self.assertEqual(names(*(pool.lease(ANY, 1) for _ in range(2))), "ba")

    def test_models(self) -> None:
        """Requests follow the lists of models as they change."""
        self.pool.listed("a", models("x"))
        self.pool.listed("b", models("y"))
        seen = names(self.pool.lease(Want("x"), 0), self.pool.lease(Want("y"), 0))
        self.pool.listed("a", models("y"))
        self.pool.listed("b", models("x"))
        seen += names(self.pool.lease(Want("x"), 0), self.pool.lease(Want("y"), 0))
        self.assertEqual(seen, "abba")


class MemoryTests(SynchronousTestCase):
    """What somebody can do who makes up names."""

    def test_many(self) -> None:
        """However many names are asked for, only so many are remembered."""
        pool = pool_of(node_config())
        for number in range(3 * REMEMBERED):
            end(pool.lease(Want(f"made-up-{number}"), 0))
        self.assertLessEqual(len(pool._eligible), REMEMBERED)

    def test_long(self) -> None:
        """A name that is longer than any is served, and not remembered."""
        pool = pool_of(node_config())
        self.assertEqual(end(pool.lease(Want("x" * LONGEST_NAME * 10), 0)), "a")
        self.assertEqual(pool._eligible, {})


class WaitTests(SynchronousTestCase):
    """Those who wait, and those who come while others wait."""

    def setUp(self) -> None:
        self.pool = pool_of(
            node_config("a", max_in_flight=1), node_config("b", max_in_flight=1), max_waiting=5
        )
        self.granted: list[Lease] = []

    def wait(
        self, model: str | None = None, pool: NodePool | None = None, now: float = 0.0
    ) -> None:
        (pool or self.pool).wait(Want(model), now, self.granted.append)

    def test_granted(self) -> None:
        """One who waits has the place as soon as it is given back."""
        first, _ = self.pool.lease(ANY, 0), self.pool.lease(ANY, 0)
        self.wait()
        self.assertEqual(names(*self.granted), "")
        end(first)
        self.assertEqual((names(*self.granted), len(self.pool.line)), ("a", 0))

    def test_no_overtaking(self) -> None:
        """One who comes later gets nothing that one who waits could have."""
        first, _ = self.pool.lease(ANY, 0), self.pool.lease(ANY, 0)
        self.wait()
        end(first)
        self.assertEqual(names(self.pool.lease(ANY, 0)), "-")

    def test_no_overtaking_in_the_middle(self) -> None:
        """Nor does one who comes while a place is being given."""
        first, _ = self.pool.lease(ANY, 0), self.pool.lease(ANY, 0)
        came: list[Lease | None] = []

        def end_and_come_again(lease: Lease) -> None:
            end(lease)
            came.append(self.pool.lease(ANY, 0))

        self.pool.wait(ANY, 0, end_and_come_again)
        self.wait()
        end(first)
        self.assertEqual((names(*came), names(*self.granted)), ("-", "a"))

    def test_retry_in_the_middle(self) -> None:
        """One who was served and failed there is older than all who wait."""
        first, second = self.pool.lease(ANY, 0), self.pool.lease(ANY, 0)
        came: list[Lease | None] = []

        def fail_and_try_again(lease: Lease) -> None:
            end(second)
            came.append(self.pool.lease(ANY, 0, frozenset({lease.node.name})))

        self.pool.wait(ANY, 0, fail_and_try_again)
        end(first)
        self.assertEqual(names(*came), "b")

    def test_other_nodes(self) -> None:
        """Nobody waits for those who want other nodes."""
        self.pool.listed("a", models("x"))
        self.pool.listed("b", models("y"))
        self.pool.lease(Want("x"), 0)
        self.wait("x")
        self.assertEqual(names(self.pool.lease(Want("y"), 0)), "b")

    def test_time(self) -> None:
        """A node that is due for its trial goes to one who waits, not to one who comes."""
        pool = pool_of(fragile("a"), node_config("b", max_in_flight=1))
        end(pool.lease(ANY, 0, B), Outcome.RESET)
        pool.lease(ANY, 0)
        self.wait(pool=pool)
        self.assertEqual((names(pool.lease(ANY, 12)), names(*self.granted)), ("-", "a"))

    def test_trial_over(self) -> None:
        """Once a trial's answer begins, those who wait may have the node."""
        pool = pool_of(fragile("a"), node_config("b", max_in_flight=1))
        end(pool.lease(ANY, 0, B), Outcome.RESET)
        pool.lease(ANY, 0)
        trial = pool.lease(ANY, 12)
        assert trial is not None
        self.wait(pool=pool)
        trial.answering(12)
        self.assertEqual(names(trial, *self.granted), "aa")

    def test_trial_abandoned(self) -> None:
        """A trial that is given back goes to one who waits."""
        pool = pool_of(fragile("a"), node_config("b", max_in_flight=1))
        end(pool.lease(ANY, 0, B), Outcome.RESET)
        pool.lease(ANY, 0)
        trial = pool.lease(ANY, 12)
        assert trial is not None
        self.wait(pool=pool, now=12)
        trial.give_back()
        self.assertEqual(names(*self.granted), "a")

    def test_checked(self) -> None:
        """A node that comes up goes to those who wait."""
        self.pool.checked("b", 0, False)
        self.pool.lease(ANY, 0)
        self.wait()
        for _ in range(2):
            self.pool.checked("b", 1, True)
        self.assertEqual(names(*self.granted), "b")

    def test_listed(self) -> None:
        """A node that has got their model goes to those who wait."""
        self.pool.listed("a", models("m"))
        self.pool.listed("b", models())
        self.pool.lease(Want("m"), 0)
        self.wait("m")
        self.pool.listed("b", models("m"))
        self.assertEqual(names(*self.granted), "b")

    def test_full(self) -> None:
        """When the line is full, one more is refused."""
        for _ in range(5):
            self.wait()
        self.assertRaises(LineFull, self.wait)

    def test_leaves(self) -> None:
        """One who has left is granted nothing."""
        first, _ = self.pool.lease(ANY, 0), self.pool.lease(ANY, 0)
        self.pool.leave(self.pool.wait(ANY, 0, self.granted.append))
        end(first)
        self.assertEqual((self.granted, len(self.pool.line)), ([], 0))

    def test_raises(self) -> None:
        """A place given to somebody who cannot take it is not lost."""
        first, _ = self.pool.lease(ANY, 0), self.pool.lease(ANY, 0)

        def fail(lease: Lease) -> None:
            raise RuntimeError("no thanks")

        self.pool.wait(ANY, 0, fail)
        self.assertRaises(RuntimeError, end, first)
        self.wait()
        self.assertEqual((names(self.pool.lease(ANY, 0)), names(*self.granted)), ("-", "a"))

    def test_deep(self) -> None:
        """A thousand who end at once are served one after another, not one within another."""
        pool = pool_of(node_config("a", max_in_flight=1), max_waiting=2000)
        first = pool.lease(ANY, 0)
        served = []

        def serve(lease: Lease) -> None:
            served.append(end(lease))

        for _ in range(2000):
            pool.wait(ANY, 0, serve)
        end(first)
        self.assertEqual((len(served), pool.nodes["a"].in_flight), (2000, 0))


class ReplaceTests(SynchronousTestCase):
    """A new configuration, while requests are under way."""

    def setUp(self) -> None:
        self.pool = pool_of(node_config("a"), node_config("b"))

    def replace(self, *nodes: NodeConfig, **said: str | int) -> None:
        """Take over a configuration whose new nodes pass their first check at once."""
        self.pool.replace(config(*nodes, **said), 0)  # type: ignore[arg-type]
        for name, node in self.pool.nodes.items():
            if node.health.starting:
                self.pool.checked(name, 0, True)

    def test_kept(self) -> None:
        """A node that stays keeps what was seen of it and what it works on."""
        before = self.pool.nodes["a"]
        lease = self.pool.lease(ANY, 0)
        self.replace(node_config("a", max_in_flight=1), node_config("c"))
        self.assertEqual(list(self.pool.nodes), ["a", "c"])
        self.assertIs(self.pool.nodes["a"], before)
        self.assertEqual(names(lease, self.pool.lease(ANY, 0), self.pool.lease(ANY, 0)), "acc")

    def test_removed(self) -> None:
        """A node that is gone gets nothing new, and what it works on ends as it ends."""
        lease = self.pool.lease(ANY, 0)
        assert lease is not None
        self.replace(node_config("b"))
        self.assertEqual((lease.node.draining, lease.node.in_flight), (True, 1))
        self.assertEqual(names(*(self.pool.lease(ANY, 0) for _ in range(2))), "bb")
        end(lease)
        self.assertEqual((lease.node.in_flight, self.pool.leaving), (0, {}))

    def test_comes_back(self) -> None:
        """A node that comes back while it still works is as busy as it was."""
        lease = self.pool.lease(ANY, 0)
        self.replace(node_config("b"))
        self.replace(node_config("b"))
        self.replace(node_config("a", max_in_flight=1))
        self.assertEqual(names(self.pool.lease(ANY, 0)), "-")
        end(lease)
        self.assertEqual(names(self.pool.lease(ANY, 0)), "a")

    def test_shrunk(self) -> None:
        """A limit below what a node works on is kept from then on."""
        leases = [self.pool.lease(ANY, 0, B) for _ in range(3)]
        self.replace(node_config("a", max_in_flight=2))
        got = []
        for lease in leases:
            got.append(names(self.pool.lease(ANY, 0)))
            end(lease)
        self.assertEqual(got, ["-", "-", "a"])

    def test_waiters(self) -> None:
        """Those who wait are given what the new configuration has for them, in their order."""
        self.replace(node_config("a", max_in_flight=1))
        self.pool.lease(ANY, 0)
        granted: list[str] = []
        for number in range(4):
            self.pool.wait(Want(f"m{number}"), 0, lambda lease, n=number: granted.append(f"{n}"))
        self.replace(node_config("a", max_in_flight=2), node_config("c", max_in_flight=2))
        self.assertEqual((granted, len(self.pool.line)), (["0", "1", "2"], 1))

    def test_line(self) -> None:
        """A shorter line sends nobody away, and lets nobody in before it is short enough."""
        self.replace(node_config("a", max_in_flight=1))
        self.pool.lease(ANY, 0)
        waiters = [self.pool.wait(ANY, 0, lambda lease: None) for _ in range(3)]
        self.replace(node_config("a", max_in_flight=1), max_waiting=2)
        self.assertEqual(len(self.pool.line), 3)
        for waiter in waiters[:2]:
            self.assertRaises(LineFull, self.pool.wait, ANY, 0, lambda lease: None)
            self.pool.leave(waiter)
        self.pool.wait(ANY, 0, lambda lease: None)
        self.assertEqual(len(self.pool.line), 2)

    def test_unchecked(self) -> None:
        """A node that is new, or somewhere else now, is chosen once it was checked."""
        for host in ("", "elsewhere.test"):
            other = node_config("c", host, health=AT_ONCE)
            self.pool.replace(config(node_config("a"), other), 0)
            self.assertEqual(names(*(self.pool.lease(ANY, 0) for _ in range(3))), "aaa")
            self.pool.checked("c", 0, True)
            self.assertIn("c", names(*(self.pool.lease(ANY, 0) for _ in range(3))))

    def test_drained(self) -> None:
        """A node that was drained stays so while it stays."""
        self.pool.drain("a", True, 0)
        self.replace(node_config("a", weight=2.0), node_config("b"))
        self.assertEqual(names(*(self.pool.lease(ANY, 0) for _ in range(2))), "bb")
        self.replace(node_config("b"))
        self.replace(node_config("a"))
        self.assertEqual(names(self.pool.lease(ANY, 0)), "a")

    def test_strategy_stays(self) -> None:
        """A strategy that stays remembers what it has learnt."""
        before = self.pool._strategy
        self.replace(node_config("a"))
        self.assertIs(self.pool._strategy, before)
        self.replace(node_config("a"), strategy="least_connections")
        self.assertIsNot(self.pool._strategy, before)

    def test_round(self) -> None:
        """The round begins anew, and stays fair, when the configuration changes."""
        nodes = [node_config(name, health=AT_ONCE) for name in "abc"]
        for strategy in ("round_robin", "weighted_round_robin"):
            self.replace(*nodes, strategy=strategy)
            for _ in range(5):
                self.pool.lease(ANY, 0)
            self.replace(*nodes, strategy=strategy)
            self.assertEqual(names(*(self.pool.lease(ANY, 0) for _ in range(6))), "abcabc")

    def test_rules(self) -> None:
        """New rules hold at once, also for models that were asked for before."""
        small = (SizeRange(0, 10),)
        seen = names(self.pool.lease(Want("m:70b"), 0))
        self.replace(
            node_config("a", ranges=small), node_config("b"), node_config("c", enabled=False)
        )
        seen += names(self.pool.lease(Want("m:70b"), 0), self.pool.lease(Want("m:70b"), 0))
        self.assertEqual(seen, "abb")


class ExplainTests(SynchronousTestCase):
    """Why a node is not chosen, for people."""

    def test_reasons(self) -> None:
        """What holds for the moment is told beside what holds for the request."""
        pool = pool_of(
            fragile("a"), node_config("b", max_in_flight=1), node_config("c", enabled=False)
        )
        end(pool.lease(ANY, 0, B), Outcome.RESET)
        pool.lease(ANY, 0)
        told = {
            node.name: refusal.reason if refusal is not None else None
            for node, refusal in pool.explain(ANY, 1)
        }
        self.assertEqual(told, {"a": Reason.EJECTED, "b": Reason.FULL, "c": Reason.DISABLED})

    def test_no_choice(self) -> None:
        """Ejected nodes may be chosen when there are no others."""
        pool = pool_of(fragile("a"), node_config("b", enabled=False))
        end(pool.lease(ANY, 0), Outcome.RESET)
        self.assertEqual([each is None for _, each in pool.explain(ANY, 1)], [True, False])

    def test_none(self) -> None:
        """A node that may be chosen has no reason against it."""
        self.assertEqual([each for _, each in pool_of(node_config()).explain(ANY, 0)], [None])
