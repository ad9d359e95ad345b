"""The pages in a real browser, over a replica that the test's own messages feed. Covers: O4"""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect, sync_playwright

from support.dashboard_site import Site

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH"),
    pytest.mark.filterwarnings("ignore"),  # what the browser's driver says of itself
]

WON, LOST, PENDING = 0xABCDEF0123456789, 0xB, 0xC
RESET, STALE, RESUME = 1, 2, 3
PHONE, TABLET, DESK = 420, 900, 1400


class Visitor:
    """A browser that remembers what pages asked for and complained about."""

    def __init__(self, browser) -> None:
        self._browser = browser
        self.requests = []
        self.complaints = []

    def open(self, url, width=DESK):
        """Return a page, whatever becomes of it."""
        page = self._browser.new_page(viewport={"width": width, "height": 1000})
        page.goto(url)
        return page

    @contextmanager
    def visit(self, url, width=DESK):
        """Give a page of its own; it must end without complaint and without a foreign request."""
        page = self._browser.new_page(viewport={"width": width, "height": 1000})
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)
        try:
            page.goto(url)
            yield page
        finally:
            page.close()
        assert self.complaints == []
        home = re.compile(r"(http|ws)://127\.0\.0\.1:\d+/|data:|blob:http://127\.0\.0\.1:")
        assert [request for request in self.requests if not home.match(request)] == []

    def _listen(self, said) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)


@pytest.fixture(scope="module")
def visitor():
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield Visitor(browser)
        browser.close()


@pytest.fixture(scope="module")
def site():
    """A live site, over a block, three signals and what became of them."""
    site = Site(is_live=True)
    site.tell("begin")
    for signal in (WON, LOST, PENDING):
        site.tell("signal", signal_id=signal)
        site.tell("started", signal_id=signal)
    site.tell("result", signal_id=WON)
    site.tell("result", signal_id=LOST, status=2, reason=1, usd_e8=-3 * 10**8, profit=0)
    site.tell("close")
    yield site
    site.close()


@pytest.fixture
def dry_site():
    site = Site(is_live=False)
    yield site
    site.close()


def card(page, title):
    return page.locator(
        ".q-card", has=page.locator(".uppercase", has_text=re.compile(f"^{re.escape(title)}$"))
    )


def rows(page, title):
    return card(page, title).locator("tbody tr")


def series(page, place):
    """Return the lines of a chart by name, as the browser holds them."""
    return page.evaluate(
        """place => {
            const element = document.querySelectorAll('.nicegui-echart')[place];
            const chart = getElement(element.id.slice(1)).chart;
            return Object.fromEntries((chart.getOption().series || []).map(s => [s.name, s.data]));
        }""",
        place,
    )


def is_wider_than_window(page):
    return page.evaluate("document.documentElement.scrollWidth > window.innerWidth")


def test_figures_are_those_of_the_messages(site, visitor):
    with visitor.visit(site.url) as page:
        expect(card(page, "net P&L")).to_contain_text("+$11,987.00")
        expect(card(page, "executed")).to_contain_text("1of 3 sent")
        expect(card(page, "reverted")).to_contain_text("150.0% of included")
        expect(card(page, "opportunities")).to_contain_text("3newest 1 block ago")
        expect(card(page, "gas used")).to_contain_text("700,0000.0007 native paid")
        assert rows(page, "executions").locator("td:nth-child(2)").all_inner_texts() == [
            "pending",
            "reverted",
            "succeeded",
        ]
        expect(rows(page, "executions").nth(2)).to_contain_text("4.99938 WETH")
        assert (
            rows(page, "live opportunities").locator("td:nth-child(2)").all_inner_texts()
            == ["1 block"] * 3
        )
        expect(card(page, "system")).to_contain_text("heartbeat: no data")
        assert rows(page, "system").all_inner_texts() == [
            "SushiSwap\t1\tlive\t1 block",
            "Uniswap V2\t1\tlive\t1 block",
            "Uniswap V3\t1\tlive\t1 block",
        ]
        expect(page.locator("body")).to_contain_text("watching")
        expect(page.locator("body")).not_to_contain_text("DRY RUN")


def test_a_row_leads_to_the_exact_integers(site, visitor):
    with visitor.visit(site.url) as page:
        rows(page, "executions").nth(2).locator("a").click()
        expect(page).to_have_url(f"{site.url}/execution/{WON:016x}")
        for exact in (
            "1,234,567,890,123,456,789",  # borrowed
            "5,000,000,000,000,000,000",  # gross profit
            "-617,283,945,061,728",  # premium
            "4,998,982,716,054,938,271",  # predicted, net
            "4,999,382,716,054,938,272",  # realised
            "350,000,000,000,000 wei",  # gas
            "succeeded, final",
        ):
            expect(page.get_by_text(exact, exact=True).first).to_be_visible()
        page.get_by_text("← overview").click()
        expect(card(page, "net P&L")).to_be_visible()


def test_a_breakdown_follows_its_execution(site, visitor):
    site.tell("signal", signal_id=0xD)
    with visitor.visit(f"{site.url}/execution/d") as page:
        expect(card(page, "transaction")).to_contain_text("no data")
        site.tell("started", signal_id=0xD)
        expect(page.locator("body")).to_contain_text("pending")
        site.tell("result", signal_id=0xD, status=4, reason=2)
        expect(page.locator("body")).to_contain_text("not submitted")
        expect(page.locator("body")).to_contain_text("stale signal")


@pytest.mark.parametrize("name", ["7777777777777777", "not-a-number", "%3Cscript%3E"])
def test_an_unknown_signal_is_not_invented(site, visitor, name):
    with visitor.visit(f"{site.url}/execution/{name}") as page:
        expect(page.locator("body")).to_contain_text("no message carried this signal")


def test_news_arrive_without_a_reload(site, visitor):
    with visitor.visit(site.url) as page:
        executed = card(page, "executed")
        before = int(re.match(r"executed\s*(\d+)", executed.inner_text().lower())[1])
        height = card(page, "executions").bounding_box()["height"]
        page.evaluate("window.wasHere = true")
        site.tell("signal", signal_id=0xE)
        site.tell("started", signal_id=0xE)
        site.tell("result", signal_id=0xE, usd_e8=10**8)
        expect(executed).to_contain_text(f"{before + 1}of")
        expect(rows(page, "executions").first).to_contain_text("+$1.00")
        assert page.evaluate("window.wasHere")
        assert card(page, "executions").bounding_box()["height"] == height


def test_the_chosen_pair_stays_and_its_lines_grow(site, visitor):
    with visitor.visit(site.url) as page:
        toggle = card(page, "pool prices across venues").locator(".q-btn")
        assert (
            sorted(toggle.all_inner_texts()) == ["USDC/WETH", "WETH/DAI"] or len(toggle.all()) == 2
        )
        first, second = toggle.all()
        page.wait_for_timeout(300)
        shown = series(page, 1)
        second.click()
        page.wait_for_timeout(300)
        chosen = series(page, 1)
        assert set(shown) | set(chosen) == {
            "Uniswap V2 0.3%",
            "Uniswap V3 0.05%",
            "SushiSwap 0.3%",
        }
        assert set(shown) & set(chosen) == set()
        before = {name: points[-1] for name, points in chosen.items()}
        for pool in (0, 1, 2):
            site.tell("move", pool=pool, price=3111)
        site.tell("close")
        page.wait_for_timeout(700)
        after = series(page, 1)
        assert {name: points[-1][1] for name, points in after.items()} == dict.fromkeys(
            chosen, 3111
        )
        assert all(after[name][-1][0] > before[name][0] for name in chosen)
        expect(second).to_have_attribute("aria-pressed", "true")
        expect(first).to_have_attribute("aria-pressed", "false")


def test_no_page_is_wider_than_its_window(site, visitor):
    for path in ("/", f"/execution/{WON:016x}"):
        with visitor.visit(site.url + path) as page:
            expect(page.locator(".q-card").first).to_be_visible()
            for width in (PHONE, TABLET, DESK):
                page.set_viewport_size({"width": width, "height": 1000})
                page.wait_for_timeout(200)
                assert not is_wider_than_window(page), width
                assert page.evaluate(CUT_TABLES) == 0, width


CUT_TABLES = """() => [...document.querySelectorAll('.q-table__middle')]
    .filter(each => each.scrollWidth > each.clientWidth).length"""


def test_stale_state_and_stops_are_told_at_once(site, visitor):
    with visitor.visit(site.url) as page:
        expect(page.locator("body")).to_contain_text("watching")
        site.tell("invalidation", action=STALE)
        expect(page.locator("body")).to_contain_text("state stale3 of 3 pools cannot be used")
        expect(rows(page, "system").first).to_contain_text("stale")
        site.tell("stop")
        strip = page.get_by_text("all strategies paused: daily loss")
        expect(strip).to_be_visible()
        colour = strip.evaluate("each => getComputedStyle(each.parentElement).backgroundColor")
        assert colour == "rgb(127, 29, 29)"
        site.tell("stop", action=2)
        site.tell("invalidation", action=RESUME)
        expect(page.locator("body")).to_contain_text("watching")


def test_a_dry_run_cannot_be_mistaken_and_starts_empty(dry_site, visitor):
    with visitor.visit(dry_site.url) as page:
        for title in ("net P&L", "executions", "live opportunities", "gas used"):
            expect(card(page, title)).to_contain_text("no data")
        expect(page.locator("body")).to_contain_text("no block was closed yet")
        expect(page.get_by_text("DRY RUN", exact=True)).to_be_visible()
        dry_site.tell("begin")
        expect(page.locator("body")).to_contain_text("nothing is sent to the chain")
        dry_site.tell("signal", signal_id=1)
        dry_site.tell("result", signal_id=1, status=4, flags=3)
        expect(rows(page, "executions").first).to_contain_text("dry run")
        expect(card(page, "net P&L")).to_contain_text("no data")
        expect(card(page, "executed")).to_contain_text("0of 0 sent")


def test_a_page_whose_node_is_gone_does_not_look_alive(visitor):
    site = Site(is_live=True)
    try:
        page = visitor.open(site.url)
        expect(page.locator("body")).to_contain_text("starting")
    finally:
        site.close()
    lost = page.locator("#popup")
    expect(lost).to_have_attribute("aria-hidden", "false")
    expect(lost).to_contain_text("Connection lost")
    opacity = "getComputedStyle(document.querySelector('.nicegui-content')).opacity"
    assert page.evaluate(opacity) == "0.3"
    assert lost.bounding_box()["width"] == DESK
    page.close()
