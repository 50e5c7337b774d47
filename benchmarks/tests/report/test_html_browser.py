"""The report in a real browser: Chromium without a window, spoken to over a pipe."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.runs.store import Store

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip


class Page:
    """One page of a browser, by Chromium's DevTools protocol: JSON messages that end with a zero byte."""

    def __init__(self, chromium: str, profile: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Chromium reads its file 3 and writes its file 4.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        command = [
            "bash",
            "-c",
            script,
            "bash",
            chromium,
            *FLAGS,
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            command, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._unread = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []
        (target,) = [one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    _session: str | None = None

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            read = os.read(self._in, 1 << 16)
            assert read, "the browser has gone"
            self._unread += read
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result; events that come meanwhile are kept."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, path: Path, *, width: int, dark: bool, touch: bool = False) -> None:
        """Show a file, as wide and as dark as asked for."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=touch,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=path.as_uri())
        self.until(lambda: self.evaluate("document.readyState") == "complete")

    def until(self, happened: Callable[[], Any]) -> None:
        """Wait for something to become true."""
        end = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < end, "nothing happened for 20 s"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press and release a key."""
        codes = {"Enter": 13, "Tab": 9, "ArrowRight": 39, "Escape": 27}
        common: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def middle(self, script: str) -> tuple[float, float]:
        """Return the middle of an element, scrolled into view."""
        self.evaluate(f"({script}).scrollIntoView({{block: 'center'}})")
        box = f"(({script}).getBoundingClientRect())"
        return self.evaluate(f"{box}.x + {box}.width / 2"), self.evaluate(f"{box}.y + {box}.height / 2")

    def screenshot(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1}
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(image["data"]))

    def complaints(self) -> list[str]:
        """Return what the page wrote to its console as an error, and every exception."""
        found: list[str] = []
        for event in self.events:
            parameters = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(parameters["exceptionDetails"]))
            if event["method"] == "Runtime.consoleAPICalled" and parameters["type"] in {"error", "warning"}:
                found.append(str(parameters["args"]))
            if event["method"] == "Log.entryAdded" and parameters["entry"]["level"] in {"error", "warning"}:
                found.append(str(parameters["entry"]))
        return found

    def requests(self) -> list[str]:
        """Return the addresses that the page asked for, pictures in itself left out."""
        asked = [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith("data:")]

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self.call("Browser.close")
        self._process.wait(timeout=20)
        os.close(self._in)
        os.close(self._out)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium here")
    shown = Page(chromium, tmp_path_factory.mktemp("profile"))
    yield shown
    shown.close()


@pytest.fixture(scope="module")
def report(finished: tuple[Plan, Store, Path]) -> Path:
    """The report of made-up results; or any that stands at ``MTNEURO_REPORT``."""
    return Path(os.environ.get("MTNEURO_REPORT", finished[2]))


FIRST = "document.querySelector('table.sortable')"
COLUMN = f"[...{FIRST}.tBodies[0].rows].map((row) => row.cells[1].dataset.value).filter(Boolean).map(Number)"
LABELS = f"[...{FIRST}.tBodies[0].rows].map((row) => row.cells[0].textContent)"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_fits_and_complains_of_nothing_and_asks_for_nothing(page, report, width, dark, tmp_path):
    page.open(report, width=width, dark=dark, touch=width < 500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(21, 27, 33)" if dark else "rgb(255, 255, 255)")
    images = "[...document.images]"
    page.evaluate(f"{images}.forEach((image) => image.loading = 'eager')")
    page.until(lambda: page.evaluate(f"{images}.every((image) => image.complete)"))
    assert page.evaluate(f"{images}.every((image) => image.naturalWidth > 0)")
    page.screenshot(tmp_path / f"{width}.png")
    assert page.complaints() == []
    assert page.requests() == [report.as_uri()]


def test_a_heading_sorts_its_table_by_mouse(page, report):
    page.open(report, width=1200, dark=False)
    before = page.evaluate(LABELS)
    x, y = page.middle(f"{FIRST}.tHead.rows[0].cells[1].querySelector('button')")
    heard = f"{FIRST}.tHead.rows[0].cells[1].getAttribute('aria-sort')"
    seen: list[str | None] = []
    for _ in range(3):
        for kind in ("mousePressed", "mouseReleased"):
            page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        seen.append(page.evaluate(heard))
        values = page.evaluate(COLUMN)
        if seen[-1]:
            assert values == sorted(values, reverse=seen[-1] == "descending")
            assert len(set(values)) > 1
    assert seen == ["descending", "ascending", None]
    assert page.evaluate(LABELS) == before


def test_a_heading_sorts_its_table_by_keyboard(page, report):
    page.open(report, width=1200, dark=False)
    page.evaluate(f"{FIRST}.tHead.rows[0].cells[0].querySelector('button').focus()")
    page.press("Enter")
    assert page.evaluate(f"{FIRST}.tHead.rows[0].cells[0].getAttribute('aria-sort')") == "ascending"
    labels = page.evaluate(LABELS)
    assert labels == sorted(labels, key=str.lower)
    page.press("Tab")
    page.press("Enter")
    assert page.evaluate("document.querySelectorAll('[aria-sort]').length") == 1
    assert page.evaluate(f"{FIRST}.tHead.rows[0].cells[1].getAttribute('aria-sort')") == "descending"


PLOT = "document.querySelector('.umap svg')"
NAME = "document.querySelector('.umap .name').textContent"
# How many of the card's pixels are not the first one's: a picture has many, an empty card none.
INKED = """(() => {
  const copy = new OffscreenCanvas(256, 256).getContext('2d', { willReadFrequently: true });
  copy.drawImage(document.querySelector('.umap .card canvas'), 0, 0);
  const pixels = new Uint32Array(copy.getImageData(0, 0, 256, 256).data.buffer);
  return pixels.filter((pixel) => pixel !== pixels[0]).length;
})()"""
SAMPLES = "JSON.parse(document.querySelector('.umap-data').textContent).samples"


def test_hovering_a_point_shows_its_image(page, report):
    page.open(report, width=1200, dark=True)
    assert page.evaluate(INKED) == 0
    samples = page.evaluate(SAMPLES)
    names: set[str] = set()
    page.evaluate(f"window.circles = [...{PLOT}.children]")
    for sample in (0, len(samples) - 1):
        x, y = page.middle(f"circles[{sample}]")
        page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        page.until(lambda sample=sample: page.evaluate(NAME) == samples[sample])
        names.add(page.evaluate(NAME))
        assert page.evaluate(INKED) > 10_000
    assert len(names) == 2
    assert page.complaints() == []
    assert page.requests() == [report.as_uri()]


def test_touching_a_point_shows_its_image(page, report):
    page.open(report, width=390, dark=False, touch=True)
    x, y = page.middle(f"{PLOT}.children[3]")
    expected = page.evaluate(f"{SAMPLES}[3]")
    page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
    page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    page.until(lambda: page.evaluate(NAME) == expected)
    assert page.evaluate(INKED) > 10_000


def test_arrow_keys_go_from_sample_to_sample(page, report):
    page.open(report, width=1200, dark=False)
    page.evaluate(f"{PLOT}.focus()")
    first = page.evaluate(NAME)
    page.press("ArrowRight")
    assert [first, page.evaluate(NAME)] == page.evaluate(f"{SAMPLES}.slice(0, 2)")


def test_a_small_plot_is_shown_large_and_keeps_the_chosen_sample(page, report):
    page.open(report, width=1200, dark=False)
    fills = f"[...{PLOT}.children].map((circle) => circle.getAttribute('fill')).sort()"
    by_region = page.evaluate(fills)
    page.evaluate(f"{PLOT}.focus()")
    name = page.evaluate(NAME)
    page.evaluate("document.querySelectorAll('.panels button')[1].click()")
    assert page.evaluate(fills) != by_region
    assert page.evaluate(f"{PLOT}.querySelectorAll('.chosen').length") == 1
    assert page.evaluate(NAME) == name
    pressed = "[...document.querySelectorAll('.panels button')].map((b) => b.ariaPressed)"
    assert page.evaluate(pressed).index("true") == 1
    assert page.evaluate(pressed).count("true") == 1


def test_a_confusion_matrix_is_enlarged_and_put_away(page, report):
    page.open(report, width=1200, dark=False)
    matrix = "document.querySelector('table.confusion')"
    small = page.evaluate(f"{matrix}.offsetWidth")
    page.evaluate("document.querySelector('button.zoom:has(table.confusion)').focus()")
    page.press("Enter")
    assert page.evaluate("document.querySelector('dialog').open")
    assert page.evaluate("document.querySelector('dialog table.confusion').offsetWidth") > 1.5 * small
    page.press("Escape")
    page.until(lambda: not page.evaluate("document.querySelector('dialog').open"))
    assert page.complaints() == []
