"""Pure rooms take time as an argument, end every loop and swallow no error."""

import ast

from support.source import modules

FORBIDDEN = {
    "asyncio",
    "socket",
    "ssl",
    "threading",
    "time",
    "random",
    "secrets",
    "uuid",
    "os",
    "logging",
}


def _imports(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_pure_rooms_do_no_io() -> None:
    found = {m.path: sorted(_imports(m.tree) & FORBIDDEN) for m in modules() if m.is_pure}
    assert {path: names for path, names in found.items() if names} == {}


def test_pure_rooms_have_no_endless_loop() -> None:
    endless = [
        f"{m.path}:{node.lineno}"
        for m in modules()
        if m.is_pure
        for node in ast.walk(m.tree)
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value
    ]
    assert endless == []


def test_broad_excepts_do_not_exist() -> None:
    broad = [
        f"{m.path}:{node.lineno}"
        for m in modules()
        for node in ast.walk(m.tree)
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
        )
    ]
    assert broad == []
