"""The library's page: each example on it prints what it says, and each name that it offers exists."""

import doctest
from pathlib import Path

import pytest

import alphapulse.amm
from alphapulse.amm import kernel

PAGE = Path(__file__).parents[3] / "docs" / "library.md"


@pytest.fixture
def restored_twin():
    before = kernel.name
    yield
    kernel.require(before)


@pytest.mark.parametrize("twin", [twin.name for twin in kernel.twins()])
def test_every_example_prints_what_the_page_says(twin, restored_twin):
    kernel.require(twin)
    failed, attempted = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert (failed, attempted > 25) == (0, True)


def test_every_offered_name_is_on_the_page():
    page = PAGE.read_text("utf-8")
    missing = [name for name in alphapulse.amm.__all__ if name not in page]
    assert missing == []
