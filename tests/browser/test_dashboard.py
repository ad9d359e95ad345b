"""The pages in a real browser, over a replica that the test's own messages feed."""

import asyncio
import shutil
import tempfile
import time

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from alphapulse.dashboard.api import create_app, serve_dashboard
from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.fake_stream import CHAIN_ID, FakeStream
from alphapulse.dashboard.replica import Replica
from alphapulse.protocol.message import Message

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
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.filterwarnings("ignore"),  # what browser driver and page toolkit say of themselves
]


class Site:
    """A served replica, and what the browser asked for and complained about."""

    def __init__(self) -> None:
        self.replica = Replica()
        self.stream = FakeStream(time.time_ns())
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def tell(self, *messages: Message) -> None:
        for message in messages:
            self.replica.on_message(message, message.header.timestamp_ns)

    async def page(self, browser: BrowserContext, url: str, width: int = 1400) -> Page:
        page = await browser.new_page()
        await page.set_viewport_size({"width": width, "height": 1000})
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type == "error" else None,
        )
        await page.goto(url)
        return page


async def visit(site: Site) -> None:
    facts = Facts(chain_id=CHAIN_ID, chain_name="devnet", is_live=True)
    app = create_app(site.replica, facts)
    with tempfile.TemporaryDirectory() as profile:
        async with async_playwright() as driver, serve_dashboard(app, "127.0.0.1", 0) as url:
            context = await driver.chromium.launch_persistent_context(
                profile, executable_path=CHROMIUM, args=FLAGS, headless=True
            )
            try:
                await look(site, context, url)
            finally:
                await context.close()


async def look(site: Site, browser: BrowserContext, url: str) -> None:
    stream = site.stream
    page = await site.page(browser, url)
    body = page.locator("body")
    await expect(body).to_contain_text("no data")  # nothing was said yet, so nothing is invented

    site.tell(
        *stream.begin(), stream.signal(0xABCDEF0123456789), stream.started(0xABCDEF0123456789)
    )
    await expect(body).to_contain_text("pending")  # without a reload
    site.tell(stream.result(0xABCDEF0123456789), stream.close())
    await expect(body).to_contain_text("+$11,990.00")
    await expect(body).to_contain_text("succeeded")

    await page.locator("a[href*='abcdef0123456789']").first.click()
    await expect(page.locator("body")).to_contain_text("1,234,567,890,123,456,789")
    await expect(page.locator("body")).to_contain_text("4,999,382,716,054,938,272")

    narrow = await site.page(browser, url, width=420)
    await expect(narrow.locator("body")).to_contain_text("+$11,990.00")
    overflow = await narrow.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0

    site.tell(stream.stop())
    await expect(narrow.locator("body")).to_contain_text("stopped", ignore_case=True)


def test_pages_show_what_messages_said_and_nothing_else() -> None:
    site = Site()
    asyncio.run(visit(site))
    assert site.complaints == []
    foreign = [
        request
        for request in site.requests
        if not request.startswith(("http://127.0.0.1:", "data:", "blob:"))
    ]
    assert foreign == []
