"""Other tools accept the OpenAPI document: a validator, JavaScript's regular expressions, openapi-typescript."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from contracts.settings import ServiceSettings, Settings
from contracts.topics import LEGAL_TOPIC
from devtools.openapi_typescript import OpenApiTypescript
from devtools.servers import ROOT, ServerMissing
from service.app import create_app
from service.routes.openapi_fields import FIELDS

Need = Any

DOCUMENTS = {auth: create_app(Settings(service=ServiceSettings(auth=auth))).openapi() for auth in ("off", "keys")}
DOCUMENT = DOCUMENTS["off"]
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


@pytest.mark.parametrize("auth", DOCUMENTS)
def test_the_document_passes_the_openapi_validator(auth: str) -> None:
    validate(DOCUMENTS[auth])


def test_each_field_has_a_description_and_an_example() -> None:
    fields = {model: set(schema["properties"]) for model, schema in SCHEMAS.items() if "properties" in schema}
    assert fields == {model: set(known) for model, known in FIELDS.items()}, "see service/routes/openapi_fields.py"
    for model, names in fields.items():
        for name in names:
            field = SCHEMAS[model]["properties"][name]
            assert field["description"].endswith("."), (model, name)
            assert len(field["examples"]) == 1, (model, name)


def test_each_parameter_has_a_description_and_an_example() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            for parameter in operation.get("parameters", ()):
                assert parameter["description"], (path, parameter["name"])
                assert "example" in parameter or parameter["schema"].get("examples"), (path, parameter["name"])


@pytest.mark.parametrize("model", FIELDS)
def test_examples_match_the_schema(model: str) -> None:
    import jsonschema

    components = {"components": DOCUMENT["components"]}
    for name, field in SCHEMAS[model]["properties"].items():
        for example in field["examples"]:
            jsonschema.validate(example, {**components, **field}, format_checker=jsonschema.FormatChecker()), name


def patterns(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        for inner in value.values():
            yield from patterns(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from patterns(inner)


def test_every_pattern_is_one_of_ecma_262() -> None:
    r"""Held by JavaScript itself, where there is one. \A, \Z, (?P…), (?i) and the like are Python's own."""
    schemas = [json.loads(path.read_text()) for path in (ROOT / "docs/schemas").glob("*.json")]
    found = sorted({*patterns(DOCUMENT), *patterns(schemas)})
    assert len(found) >= 2
    assert not [one for one in found if re.search(r"\\[AZz]|\(\?[^:=!<]|\(\?<[^=!]", one)]
    if node := shutil.which("node"):
        program = "for (const p of JSON.parse(process.argv[1])) new RegExp(p, 'u')"
        subprocess.run([node, "-e", program, json.dumps(found)], check=True)


def _node() -> str:
    found = shutil.which("node")
    if found is None:
        raise ServerMissing("node", "not on PATH; install Node.js")
    return found


@pytest.mark.parametrize("topic", ["a.b-c_D9", ".", "..", "...", "", "a b", "a\n", "é", "x" * 249, "x" * 250])
def test_the_pattern_of_callback_topic_allows_the_same_topics_as_the_api(
    topic: str, need_tool: Callable[[Callable[[], str]], str]
) -> None:
    node = need_tool(_node)
    pattern = SCHEMAS["LLMComparisonRequest"]["properties"]["callback_topic"]["pattern"]
    program = "console.log(new RegExp(process.argv[1], 'u').test(process.argv[2]))"
    printed = subprocess.run([node, "-e", program, pattern, topic], check=True, capture_output=True, text=True).stdout
    assert (printed.strip() == "true") is (LEGAL_TOPIC.match(topic) is not None)


@pytest.mark.parametrize("auth", DOCUMENTS)
def test_openapi_typescript_makes_types_of_it(auth: str, tmp_path: Path, need_tool: Need) -> None:
    tool: OpenApiTypescript = need_tool(OpenApiTypescript)
    source = tmp_path / "openapi.json"
    source.write_text(json.dumps(DOCUMENTS[auth]))
    types = tool.types(source)
    assert "LLMComparisonRequest: {" in types
    assert "callback_topic: string;" in types
