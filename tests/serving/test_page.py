"""The page in a real browser, over a real `crossbit serve` of the glyphs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving_process import Process, program

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = [
    f"--{name}"
    for name in (
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
    )
]
playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'crossbit[dev]'")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the glyphs, fitted within seconds."""
    run = tmp_path_factory.mktemp("runs") / "glyphs"
    fitted = program("fit", "glyphs", "--method", "cmfh", "--out", str(run))
    assert fitted.communicate(timeout=200)
    assert fitted.returncode == 0
    served = Process(run)
    yield served.url
    served.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tool:
        found = tool.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield found
        found.close()


@dataclass
class Tab:
    """A page with what its console said, and the addresses it asked."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def first(self) -> str:
        """Return the caption of the first result."""
        return str(self.page.locator(".hit .words").first.inner_text())

    def search(self, text: str) -> None:
        self.page.get_by_label("Search with words").fill(text)
        with self.page.expect_response("**/v1/search"):
            self.page.keyboard.press("Enter")
        self.shows("body:not(.waiting)")

    def shows(self, selector: str, count: int | None = None) -> None:
        """Wait until the page shows that; the policy of the page allows no waiting for code."""
        if count is None:
            self.page.locator(selector).first.wait_for()
        else:
            playwright.expect(self.page.locator(selector)).to_have_count(count)


@pytest.fixture
def tab(browser: Any, url: str) -> Iterator[Tab]:
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    found = Tab(page)
    page.on("console", lambda message: found.said.append(message.text))
    page.on("pageerror", lambda error: found.said.append(str(error)))
    page.on("request", lambda request: found.asked.append(request.url))
    page.goto(url)
    page.wait_for_selector("#find input")
    yield found
    page.close()


def test_words_find_the_right_glyph_first(tab: Tab, url: str) -> None:
    for text in ("black chess knight", "Snowman", "cyrillic capital letter ya"):
        tab.search(text)
        assert tab.first() == text.upper()
    picture = tab.page.locator(".hit img").first
    picture.evaluate("image => image.decode()")
    assert picture.evaluate("image => image.naturalWidth") == 32
    assert "24 found in" in tab.page.get_by_role("status").inner_text()
    assert tab.said == []
    assert all(address.startswith((url, "blob:", "data:")) for address in tab.asked)


def test_a_click_searches_from_the_result_in_the_other_direction(tab: Tab) -> None:
    tab.search("black heart suit")
    assert tab.first() == "BLACK HEART SUIT"
    tab.page.get_by_label("texts").check()
    tab.page.get_by_label("images").uncheck()
    tab.shows(".hit[aria-label*='by text']", 24)
    tab.page.locator(".hit").first.click()
    tab.shows("#query:has-text('near to “BLACK HEART SUIT”')")
    tab.shows(".hit", 24)
    assert tab.said == []


def test_an_item_that_both_of_its_views_find_is_shown_once(tab: Tab) -> None:
    tab.page.get_by_label("texts").check()
    tab.search("snowman")
    names = tab.page.locator(".hit .words").all_inner_texts()
    tags = tab.page.locator(".hit .tag").all_inner_texts()
    assert len(set(names)) == len(names) == len(tags)
    assert {"image", "text"} <= {view for tag in tags for view in tag.split(", ")}
    assert len(names) + sum(", " in tag for tag in tags) == 48  # 24 hits of each view
    assert sorted(tags[names.index("SNOWMAN")].split(", ")) == ["image", "text"]
    assert tab.said == []


def test_a_dropped_picture_is_asked_with(tab: Tab, url: str, tmp_path: Path) -> None:
    picture = httpx.get(f"{url}/v1/thumbnails/image/U%2B2603").content  # the snowman
    tab.page.evaluate(
        """async (bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "mine.png", { type: "image/png" }));
            const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true });
            document.body.dispatchEvent(drop);
        }""",
        list(picture),
    )
    tab.page.wait_for_selector(".hit")
    assert tab.first() == "SNOWMAN"
    assert "near to mine.png" in tab.page.locator("#query").inner_text()
    (tmp_path / "other.png").write_bytes(picture)
    tab.page.get_by_label("Search with a picture").set_input_files(tmp_path / "other.png")
    tab.shows("#query:has-text('other.png')")
    assert tab.said == []


def test_the_number_and_the_filter_ask_anew(tab: Tab) -> None:
    tab.search("white chess queen")
    tab.page.get_by_label("Show").select_option("60")
    tab.shows(".hit", 60)
    tab.page.get_by_label("Only where").fill("caption")
    tab.page.get_by_label("is", exact=True).fill("SNOWMAN")
    tab.page.keyboard.press("Tab")
    tab.shows(".hit", 1)
    assert tab.first() == "SNOWMAN"
    assert tab.said == []


def test_errors_can_be_read_and_passed(tab: Tab, tmp_path: Path) -> None:
    tab.search("xyzzy")
    alert = tab.page.get_by_role("alert")
    assert "knows no word of 'xyzzy'" in alert.inner_text()
    assert tab.page.locator(".hit").count() == 0
    (tmp_path / "words.png").write_text("no picture at all")
    tab.page.get_by_label("Search with a picture").set_input_files(tmp_path / "words.png")
    tab.shows("#problem:has-text('picture')")
    tab.search("snowman")
    assert alert.is_hidden()
    assert tab.first() == "SNOWMAN"
    # Chromium itself notes answers that are no success; nothing else may be said.
    assert all("the server responded with a status of 422" in line for line in tab.said)


def test_a_service_that_is_gone_is_said_to_be(tab: Tab) -> None:
    tab.page.route("**/v1/search", lambda route: route.abort())
    tab.page.get_by_label("Search with words").fill("snowman")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#problem:not([hidden])")
    assert "does not answer" in tab.page.get_by_role("alert").inner_text()


def test_the_panel_tells_what_is_here(tab: Tab) -> None:
    tab.page.get_by_text("About this index").click()
    text = tab.page.locator("#facts").inner_text()
    for expected in ("cmfh", "64 bits", "Items", "Bit balance", "Dead bits", "Validation MAP"):
        assert expected in text


def test_everything_is_within_reach_of_the_keyboard(tab: Tab) -> None:
    page = tab.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab.search("snowman")
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.className || document.activeElement.id"))
        if seen[-1] == "hit":
            break
    assert seen[-1] == "hit"
    assert "SNOWMAN" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    with page.expect_response("**/v1/search"):
        page.keyboard.press("Enter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, url: str, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page.goto(url)
    page.wait_for_selector("#find input")
    page.get_by_label("Search with words").fill("snowman")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.evaluate(
        "[...document.querySelectorAll('button, select')]"
        ".filter((part) => part.offsetHeight && part.offsetHeight < 32).length"
    )
    assert small == 0
    page.close()
