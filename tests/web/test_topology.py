"""The topology page: what it may load, and that all it loads is shipped."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from ollama_twisted.resources import shipped
from ollama_twisted.web.cors import Cors
from ollama_twisted.web.hosts import AllowedHosts
from ollama_twisted.web.pages import StaticResource
from ollama_twisted.web.shell import Frame, Link
from ollama_twisted.web.site import PageSite
from ollama_twisted.web.topology import STYLES, policy, topology_page
from tests.web.harness import Answer, Visitor

LIBRARY = "vendor/3d-force-graph.min.js"
FRAME = Frame("a server", (Link("/topology", "Topology"),), ())


class TopologyTests(SynchronousTestCase):
    """``GET /topology`` and its files."""

    def setUp(self) -> None:
        root = Resource()
        root.putChild(b"topology", topology_page(FRAME))
        root.putChild(b"static", StaticResource())
        self.site = PageSite(root, AllowedHosts([]), Cors(), shared=lambda path: False)

    def get(self, path: str) -> Answer:
        return Visitor(self.site).get(path.encode())

    def test_page(self) -> None:
        """
        It stands in the frame of its server, and brings no script and no style in its text.
        """
        page = self.get("/topology").body.decode()
        self.assertIn('aria-current="page"', page)
        self.assertIn('<script type="module" src="/static/topology/main.js">', page)
        self.assertEqual(re.findall(r"<script>|<style|\sstyle=|\son\w+=", page), [])

    def test_policy(self) -> None:
        """
        It loads nothing from elsewhere; of styles that are no files, the library's alone.
        """
        policy = (self.get("/topology").field(b"content-security-policy") or b"").decode()
        self.assertIn("default-src 'self';", policy)
        self.assertNotIn("unsafe", policy)
        source = shipped("static", LIBRARY).read_text(encoding="utf-8")
        added = re.findall(r'createTextNode\(e\)\)\}\}\(("(?:[^"\\]|\\.)*")', source)
        self.assertEqual(source.count('createElement("style")'), len(added))
        hashes = {b64encode(sha256(json.loads(each).encode()).digest()) for each in added}
        nothing = b64encode(sha256(b"").digest())
        self.assertEqual(set(STYLES), hashes | {nothing})

    def test_framed(self) -> None:
        """
        Nobody else shows it in a frame, unless the operator names who may.
        """
        for listed, told in (
            ((), "'self';"),
            (("https://a.example",), "'self' https://a.example;"),
        ):
            self.assertIn(f"frame-ancestors {told}", policy(listed).decode())
            self.assertEqual(policy(listed).count(b"frame-ancestors"), 1)

    def test_files(self) -> None:
        """
        All that its modules name is served, those in folders as well.
        """
        wanted, known = ["/topology/main.js", "/topology/topology.css", f"/{LIBRARY}"], set()
        while wanted:
            path = wanted.pop()
            if path in known:
                continue
            known.add(path)
            answer = self.get("/static" + path)
            self.assertEqual((path, answer.status), (path, 200))
            if path == f"/{LIBRARY}" or path.endswith(".css"):
                continue
            imported = re.findall(r'(?:from|import) ?\(?"([./][^"]+)"', answer.body.decode())
            for name in imported:
                folder = path.rpartition("/")[0]
                if name.startswith("/static/"):
                    wanted.append(name.removeprefix("/static"))
                elif name.startswith("../"):
                    wanted.append(folder.rpartition("/")[0] + name[2:])
                else:
                    wanted.append(folder + name[1:])
        self.assertIn("/topology/view3d.js", known)
        self.assertIn("/live.js", known)

    def test_vendored(self) -> None:
        """
        The library is the file whose sum stands beside it, with its licence and its version.
        """
        note = shipped("static", "vendor/VENDOR.txt").read_text(encoding="utf-8")
        content = shipped("static", LIBRARY).read_bytes()
        self.assertIn(f"sha256 {sha256(content).hexdigest()}, {len(content)} bytes", note)
        version = re.search(rb"Version (\S+) 3d-force-graph", content)
        assert version is not None
        self.assertIn(f"version     {version[1].decode()},", note)
        licences = shipped("static", "vendor/LICENSES.txt").read_text(encoding="utf-8")
        self.assertIn("three.js authors", licences)
        self.assertIn("Vasco Asturiano", licences)

    def test_no_folder(self) -> None:
        """
        Folders themselves are no pages, nor is what else lies in them.
        """
        for path in (
            "/static/topology",
            "/static/vendor/",
            "/static/vendor/VENDOR.txt",
            "/static/topology/../topology-3d.html",
            "/static/topology-3d.html",
            "/static/vendor/../../setup.cfg",
        ):
            self.assertEqual((path, self.get(path).status), (path, 404))
