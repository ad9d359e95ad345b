"""A reader holds a function and a module in the head."""

from support.source import functions, modules

FUNCTION_LINES = 70
MODULE_LINES = 500


def test_functions_and_modules_are_small() -> None:
    long_modules = [m.path for m in modules() if m.text.count("\n") > MODULE_LINES]
    long_functions = [
        f"{m.path}:{f.lineno} {f.name}"
        for m in modules()
        for f in functions(m.tree)
        if (f.end_lineno or f.lineno) - f.lineno >= FUNCTION_LINES
    ]
    assert long_modules == []
    assert long_functions == []
