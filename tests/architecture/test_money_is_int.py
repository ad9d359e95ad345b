"""Money is an integer wherever something is decided, and its rounding has a name."""

import ast

from support.source import Module, functions, modules

# Floats that no amount comes from: the log-rate screens, whose margin is tested, and what locates an optimum for exact arithmetic.
FLOAT_SCREENS = {
    "amm/network_curve.py": None,
    "amm/network_cycles.py": None,
    "amm/network_dual.py": None,
    "amm/contest.py": None,
    "amm/cycle_bounds.py": None,
    "amm/native_graph.py": None,
    "amm/pool_graph.py": None,
    "amm/screen.py": None,
}
# Integer arithmetic of the EVM itself, where // is the operation that is specified.
FLOOR_DIVISION_HOMES = ("amm/", "primitives/units.py", "evm/", "protocol/")


def _floats(module: Module) -> list[str]:
    allowed = FLOAT_SCREENS.get(module.path, set())
    if allowed is None:
        return []
    skipped = {
        node
        for function in functions(module.tree)
        if function.name in allowed
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(module.tree):
        if node in skipped:
            continue
        is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_division = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
        is_decimal = isinstance(node, ast.Name) and node.id in ("Decimal", "float")
        if is_float or is_division or is_decimal:
            found.append(f"{module.path}:{node.lineno}")
    return found


def test_pure_rooms_hold_no_float() -> None:
    assert [place for module in modules() if module.is_pure for place in _floats(module)] == []


def test_rounding_is_named_where_money_is_decided() -> None:
    places = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if module.is_pure and not module.path.startswith(FLOOR_DIVISION_HOMES)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.FloorDiv)
    ]
    assert places == [], "use div_floor, div_ceil or cut_toward_zero"
