"""
The dashboard, held to the rules of grafana/dashboard-linter, and to our own metrics.

The linter is a program in Go; its rules are written anew here.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.dashboards import dashboard, expressions, filled, metrics, panels, variables
from tests.metrics_document import exporter, gateway, name_of

_SELECTOR = re.compile(r"\w+\{([^}]*)\}")


class VariableTests(SynchronousTestCase):
    """What can be chosen at the top of the dashboard."""

    def test_datasource(self) -> None:
        """
        The data source is chosen by the viewer, and every panel goes by that.
        """
        chosen = variables()["datasource"]
        self.assertEqual(
            (chosen["type"], chosen["query"], chosen["label"]),
            ("datasource", "prometheus", "Data source"),
        )
        for panel in panels():
            for each in (panel, *panel["targets"]):
                self.assertEqual(
                    each["datasource"], {"type": "prometheus", "uid": "${datasource}"}, panel
                )

    def test_job_and_instance(self) -> None:
        """
        Several jobs and instances can be chosen, or all of them.
        """
        for name, label in (("job", "Job"), ("instance", "Instance")):
            each = variables()[name]
            self.assertEqual(
                (each["label"], each["multi"], each["allValue"]), (label, True, ".+"), name
            )

    def test_fresh(self) -> None:
        """
        What can be chosen is asked anew whenever the time range changes.
        """
        for each in variables().values():
            if each["type"] == "query":
                self.assertEqual(each["refresh"], 2, each["name"])
                self.assertEqual(each["datasource"]["uid"], "${datasource}")
                self.assertRegex(each["query"]["query"], r"^label_values\(.+, \w+\)$")


class PanelTests(SynchronousTestCase):
    """What is shown."""

    def test_explained(self) -> None:
        """
        Every panel has a title, says what it shows, in which unit, and asks for something.
        """
        for panel in panels():
            self.assertTrue(panel["title"], panel)
            self.assertTrue(panel["description"].endswith("."), panel["title"])
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], panel["title"])
            self.assertTrue(panel["targets"], panel["title"])

    def test_settled(self) -> None:
        """
        It belongs to nobody's database, has a name of its own, and is not edited in place.
        """
        read = dashboard()
        self.assertEqual(
            (read["id"], read["uid"], read["editable"]), (None, "ollama-twisted", False)
        )
        self.assertGreaterEqual(read["schemaVersion"], 39)

    def test_numbered(self) -> None:
        """
        No two panels have the same number, or lie upon one another.
        """
        every = dashboard()["panels"]
        self.assertEqual(len({each["id"] for each in every}), len(every))
        taken: set[tuple[int, int]] = set()
        for each in every:
            at = each["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24)
            cells = {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
            self.assertEqual(taken & cells, set(), each["title"])
            taken |= cells

    def test_node_graph(self) -> None:
        """
        A node graph panel gets frames by the names it knows, at one moment, as tables.
        """
        graphs = [each for each in panels() if each["type"] == "nodeGraph"]
        self.assertTrue(graphs)
        for panel in graphs:
            for target in panel["targets"]:
                self.assertIn(target["refId"], ("nodes", "edges"))
                self.assertEqual((target["instant"], target["format"]), (True, "table"))


class ExpressionTests(SynchronousTestCase):
    """What is asked for."""

    def test_selected(self) -> None:
        """
        Every selector goes by the chosen jobs and instances.
        """
        for title, each in expressions():
            selectors = _SELECTOR.findall(each)
            self.assertTrue(selectors, title)
            for selector in selectors:
                self.assertIn('job=~"$job"', selector, title)
                self.assertIn('instance=~"$instance"', selector, title)

    def test_intervals(self) -> None:
        """
        Rates are over the interval that Grafana reckons, and of counters alone; counters stand in
        rates alone.
        """
        for title, each in expressions():
            for span in re.findall(r"\[([^]]*)\]", each):
                self.assertEqual(span, "$__rate_interval", title)
            rated = set(re.findall(r"rate\((\w+)", each))
            for name in metrics(each):
                counts = name.endswith(("_total", "_bucket", "_sum", "_count"))
                self.assertEqual(name in rated, counts, (title, name))

    def test_metrics_exist(self) -> None:
        """
        Every metric that is asked for is one of ours.
        """
        ours = set()
        for family in (*exporter(), *gateway()):
            ours.add(name_of(family))
            if family.type == "histogram":
                ours |= {f"{family.name}_{each}" for each in ("bucket", "sum", "count")}
        for _, each in expressions():
            self.assertEqual(metrics(each) - ours, set(), each)

    def test_metrics_shown(self) -> None:
        """
        And nearly every one of ours is shown; those left out are named here.
        """
        left_out = {
            # Shown by others, or of interest only to who looks for it.
            "ollama_connections",
            "ollama_listening",
            "ollama_version_info",
            "ollama_node_info",
            "ollama_model_loaded",
            "ollama_model_size_bytes",
            "ollama_processes",
            "ollama_process_open_files",
            "ollama_exporter_probe_exit_code",
            "ollama_exporter_probe_last_success_timestamp_seconds",
            "ollama_exporter_sees_other_users",
            "ollama_exporter_build_info",
            "ollama_exporter_scrape_duration_seconds",
            "ollama_gateway_bytes_sent_total",
            "ollama_gateway_bytes_received_total",
            "ollama_gateway_request_tokens",
            "ollama_gateway_node_up",
            "ollama_gateway_node_ejected",
            "ollama_gateway_node_weight",
            "ollama_gateway_upstream_idle_connections",
            "ollama_gateway_client_connections",
            "ollama_gateway_access_log_lines_dropped_total",
            "ollama_gateway_build_info",
            "ollama_gateway_config_last_reload_successful",
            "ollama_gateway_config_last_reload_success_timestamp_seconds",
        }
        shown = set().union(*(metrics(each) for _, each in expressions()))
        shown = {each.removesuffix("_bucket") for each in shown}
        ours = {name_of(each) for each in (*exporter(), *gateway())}
        self.assertEqual(ours - shown, left_out)

    def test_parsed(self) -> None:
        """
        promtool can read every one of them.
        """
        rules = [
            f"      - {{record: 'panel:{number}', expr: '{filled(each)}'}}"
            for number, (_, each) in enumerate(expressions())
        ]
        file = Path(self.mktemp())
        file.write_text("groups:\n  - name: dashboard\n    rules:\n" + "\n".join(rules))
        self.check("check", "rules", str(file))

    def check(self, *command: str) -> None:
        done = subprocess.run(
            [parts.executable("promtool"), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stdout)


class PrometheusTests(SynchronousTestCase):
    """``config/prometheus``, judged by promtool."""

    def promtool(self, *command: str) -> None:
        done = subprocess.run(
            [parts.executable("promtool"), *command],
            cwd=parts.ROOT / "config" / "prometheus",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_configuration(self) -> None:
        """
        The scrape configuration is one, with all its rules.
        """
        self.promtool("check", "config", "prometheus.yml")

    def test_rules(self) -> None:
        """
        Each alert fires when it should, and not when it should not.
        """
        self.promtool("test", "rules", "rules.test.yml")

    def test_every_rule(self) -> None:
        """
        Each has a test, and asks for metrics that there are.
        """
        folder = parts.ROOT / "config" / "prometheus"
        tests = (folder / "rules.test.yml").read_text(encoding="utf-8")
        ours = {name_of(each) for each in (*exporter(), *gateway())}
        ours |= {f"{each}_bucket" for each in ours}
        for file in ("recording.rules.yml", "alerting.rules.yml"):
            text = (folder / file).read_text(encoding="utf-8")
            rules = re.findall(r"- (?:alert|record): (\S+)", text)
            self.assertTrue(rules)
            for rule in rules:
                self.assertIn(rule, tests)
            text = re.sub(r"[a-z]+:ollama_\w+:\w+", "", text)
            self.assertEqual(metrics(text) - ours, set())

    def test_explained(self) -> None:
        """
        What to do about each alert is written down.
        """
        text = (parts.ROOT / "docs" / "TROUBLESHOOTING.md").read_text(encoding="utf-8")
        rules = parts.ROOT / "config" / "prometheus" / "alerting.rules.yml"
        for alert in re.findall(r"- alert: (\S+)", rules.read_text(encoding="utf-8")):
            self.assertIn(alert, text)
