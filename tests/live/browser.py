"""
A real browser without a window, which tests lead from page to page.

Selenium waits within its calls and so holds up the reactor: the servers whose pages
are looked at are processes of their own (`tests.live.child`).  One browser serves
everybody; how a page is shown (how wide, in which colours, with scripts or without) is
said when it is opened.  It asks nobody but this machine.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import parts
from tests.live.child import PATIENCE

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

#: What is in the way of a test that has nothing to do with it.
_QUIET = (
    "--headless=new",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)

#: A picture of WebGL is painted by the processor, as these machines have nothing else.
_WEBGL = "--enable-unsafe-swiftshader"
_NO_WEBGL = "--disable-3d-apis"

#: Without these faults everybody can use a page.
_GRAVE = ("serious", "critical")


@cache
def browser(webgl: bool = True) -> Browser:
    """
    The browser, or one that cannot paint in three dimensions.

    The calling test is skipped, or in CI fails, where there is none.
    """
    started = Browser(_WEBGL if webgl else _NO_WEBGL)
    atexit.register(started.quit)
    return started


class Browser:
    """Chromium, led by its driver."""

    def __init__(self, *options: str) -> None:
        parts.module("selenium")
        chromium, driver = parts.executable("chromium"), parts.executable("chromedriver")
        from selenium.webdriver import Chrome, ChromeOptions
        from selenium.webdriver.chrome.service import Service

        self._folder = tempfile.mkdtemp(prefix="ollama-browser-test-")
        chosen = ChromeOptions()
        chosen.binary_location = chromium
        for each in (*_QUIET, *options, f"--user-data-dir={self._folder}"):
            chosen.add_argument(each)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            chosen.add_argument("--no-sandbox")
        chosen.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = Chrome(options=chosen, service=Service(driver))
        self.driver.set_page_load_timeout(PATIENCE)
        self.driver.set_script_timeout(PATIENCE)

    def quit(self) -> None:
        """End it, and what it kept."""
        self.driver.quit()
        shutil.rmtree(self._folder, ignore_errors=True)

    def open(
        self,
        url: str,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        still: bool = False,
        scripts: bool = True,
    ) -> Browser:
        """
        Load a page, and forget what the last one said.

        ``still`` is for people who want nothing to move.
        """
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        # From an empty page: one that is left may have its last words in the log.
        self.driver.get("about:blank")
        self._command("Emulation.setEmulatedMedia", features=features)
        self._command("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.resize(width, height)
        self.complaints()
        self.driver.get(url)
        return self

    def resize(self, width: int, height: int) -> None:
        """Make the window so large; a headless one would not become as narrow as a telephone."""
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def _command(self, name: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script of the test's own, which may ``return``, says in the page."""
        return self.driver.execute_script(script, *arguments)

    def module(self, name: str, expression: str) -> Any:
        """What an expression over ``it``, one of the page's own modules, comes to there."""
        return self.driver.execute_async_script(
            "const [name, done] = arguments;"
            f"import(name).then((it) => done({expression}), (error) => done(String(error)));",
            f"/static/{name}",
        )

    def find(self, selector: str) -> WebElement:
        """The first element that a selector names."""
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str = "body") -> str:
        """What can be read there, noscript included."""
        said: str = self.run("return document.querySelector(arguments[0]).innerText", selector)
        return said

    def press(self, *keys: str) -> None:
        """Press keys, one after another, wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def focus(self) -> str:
        """What the focus is on, as it is read out: its label, or its text."""
        said: str = self.run(
            "const on = document.activeElement;"
            "return on.getAttribute('aria-label') ?? on.textContent.trim();"
        )
        return said

    def until(self, what: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """
        Wait for what somebody asks for to be true; what it was then.

        An element that a page has just exchanged for another is asked for again.
        """
        from selenium.common.exceptions import JavascriptException as Empty
        from selenium.common.exceptions import NoSuchElementException as Missing
        from selenium.common.exceptions import StaleElementReferenceException as Exchanged

        until = time.monotonic() + patience
        while True:
            try:
                if found := what():
                    return found
            except (Empty, Exchanged, Missing):
                pass
            if time.monotonic() > until:
                raise AssertionError(f"in vain; the page says: {self.text()}")
            time.sleep(0.02)

    def until_live(self) -> Browser:
        """Wait until the page is told what changes."""
        self.until(lambda: self.find("#live").get_attribute("data-state") == "live")
        return self

    def complaints(self) -> list[str]:
        """The errors in the console since the last look: of scripts, policies, loading."""
        return [
            each["message"] for each in self.driver.get_log("browser") if each["level"] == "SEVERE"
        ]

    def width(self) -> int:
        """How wide the page is; wider than its window, it would have to be pushed about."""
        width: int = self.run("return document.documentElement.scrollWidth")
        return width

    def faults(self) -> list[str]:
        """What axe finds that keeps people from using the page."""
        script = parts.ROOT / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
        self.run(parts.file(script, "axe-core").read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']})"
            ".then((all) => done(all.violations), (error) => done(String(error)));"
        )
        if isinstance(found, str):
            raise AssertionError(found)
        return [
            f"{each['id']} ({each['impact']}): {each['help']}: {node['html']}"
            for each in found
            for node in each["nodes"]
            if each["impact"] in _GRAVE
        ]

    def picture(self, path: Path) -> None:
        """Keep what is seen now as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))
