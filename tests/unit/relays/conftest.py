"""Scenes run on the loop that relays run on."""

import pytest
import uvloop


@pytest.fixture
def run():
    return uvloop.run
