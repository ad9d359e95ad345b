"""One public name, one home: `__all__` says what a module offers, and importing it is enough to see that."""

import ast

from support.source import Module, modules


def _exported(module: Module) -> list[str] | None:
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
        ):
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


def test_every_module_says_what_it_offers() -> None:
    silent = [
        m.path
        for m in modules()
        if not m.path.endswith(("__init__.py", "__main__.py")) and _exported(m) is None
    ]
    assert silent == []


def test_nobody_imports_a_private_name_of_another_module() -> None:
    found = [
        f"{m.path}:{node.lineno} {alias.name}"
        for m in modules()
        for node in ast.walk(m.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("alphapulse")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert found == []


def test_only_the_door_may_import_the_kernel() -> None:
    found = [
        m.path
        for m in modules()
        for node in ast.walk(m.tree)
        if (isinstance(node, ast.ImportFrom) and node.module == "alphapulse_kernel")
        or (isinstance(node, ast.Import) and any(a.name == "alphapulse_kernel" for a in node.names))
    ]
    assert set(found) <= {"amm/kernel.py"}
