"""The protocol's page and schema say what the registry says, and every name and link in them leads somewhere."""

import ast
import importlib.util
import re

import msgspec

from alphapulse.protocol.layout import parse_layout
from alphapulse.protocol.meanings import MEANINGS, OPEN
from alphapulse.protocol.registry import REGISTRY
from alphapulse.protocol.schema import CHECKS
from support.source import ROOT, modules


def _tool():
    place = ROOT / "tools" / "protocol_reference.py"
    spec = importlib.util.spec_from_file_location("protocol_reference", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_files_are_current() -> None:
    stale = [
        str(file.relative_to(ROOT))
        for file, text in _tool().generated().items()
        if not file.is_file() or file.read_text("utf-8") != text
    ]
    assert stale == [], "run tools/protocol_reference.py"


def test_every_type_is_on_the_page_and_every_link_leads_somewhere() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    anchors = [heading.lower().replace(" ", "-") for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert {row.tlv.__name__ for row in REGISTRY} <= set(headings)
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= set(anchors)


def test_every_meaning_belongs_to_a_field() -> None:
    fields = set()
    for row in REGISTRY:
        for field in parse_layout(row.layout):
            fields |= {field.name, f"{row.tlv.__name__}.{field.name}"}
            record = row.records.get(field.name)
            for inner in field.fields:
                owner = record.__name__ if record else row.tlv.__name__
                fields |= {inner.name, f"{owner}.{inner.name}"}
    assert (set(MEANINGS) | set(OPEN)) - fields == set()


def test_the_checks_are_those_that_the_decoder_makes() -> None:
    raised = {
        node.args[0].value
        for module in modules()
        if module.path.startswith("protocol/")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "DecodeError"
        and isinstance(node.args[0], ast.Constant)
    }
    assert {kind for _, kind, _, _ in CHECKS} == raised


def test_the_schema_is_json_and_has_every_type() -> None:
    held = msgspec.json.decode((ROOT / "docs" / "protocol.schema.json").read_bytes())
    assert [tlv["number"] for tlv in held["tlvs"]] == sorted(row.number for row in REGISTRY)
    assert sum(field["size"] for field in held["header"]) == held["header_size"] == 32
