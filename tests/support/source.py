"""What the tidy rules read: every module of the package, parsed once."""

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "alphapulse"

PURE_ROOMS = ("primitives", "protocol", "amm", "market", "strategies", "risk")
PURE_MODULES = (
    "evm/abi.py",
    "evm/hashing.py",
    "evm/logs.py",
    "evm/multicall.py",
    "evm/rlp.py",
    "evm/transaction.py",
    "execution/gas.py",
    "execution/gas_units.py",
    "execution/l1_fee.py",
    "execution/plan.py",
    "execution/receipts.py",
    "execution/tip.py",
    "execution/transaction_builder.py",
    "portfolio/ledger.py",
    "portfolio/pnl.py",
)


@dataclass(frozen=True)
class Module:
    """One parsed file."""

    path: str
    text: str
    tree: ast.Module

    @property
    def is_pure(self) -> bool:
        return self.path.split("/")[0] in PURE_ROOMS or self.path in PURE_MODULES


def modules() -> list[Module]:
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text()
        found.append(Module(str(file.relative_to(PACKAGE)), text, ast.parse(text)))
    return found


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
