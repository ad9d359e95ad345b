from pathlib import Path

import pytest

from alphapulse.execution.wallet import Wallet
from alphapulse.primitives.secret import Secret
from support.execution_plans import KEY, make_plan


@pytest.fixture
def wallet() -> Wallet:
    return Wallet(Secret(KEY))


@pytest.fixture
def plan_of():
    return make_plan


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "execution.sqlite"
