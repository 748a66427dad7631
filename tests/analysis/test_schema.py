"""The published schema of findings.json: up to date, and what findings of a study hold to."""

import json
from pathlib import Path

import jsonschema
import pytest

from support.fakes import FakeExecutor, dataset, outcome_of, run
from support.findings_fixture import course_rows
from support.synthetic import DATA, World, analysed, study
from transfergain.analysis import gain
from transfergain.analysis.entries import StudyRequest
from transfergain.analysis.findings import Findings, ahead, load
from transfergain.analysis.schema import schema
from transfergain.types import StudyWarning, WarningKind

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "findings.schema.json"
REQUEST = {"model": "m", "arms": ["scratch", "full"], "tasks": [], "seeds": 3, "epochs": 2, "min_steps": 9, "tune": 0,
           "margin": 0.01, "keep_models": "none"}  # fmt: skip


def test_the_published_schema_is_up_to_date():
    """`python -m transfergain.analysis.schema > docs/reference/findings.schema.json` makes it so."""
    assert json.loads(PUBLISHED.read_text("utf-8")) == schema()
    jsonschema.Draft202012Validator.check_schema(schema())


def every_table():
    """Findings with rows in every table: two data sets, shifts, perturbations and adaptation."""
    arms = ("scratch", "full", "self")
    usual = {"seeds": 6, "perturbations": ("keyboard",), "adapted": (16, 64), "arms": arms}
    worlds = [World(dataset=name, **usual) for name in ("reviews", "news")]
    rows = [row for world in worlds for row in study(world)]
    tables = analysed(rows)
    tables["predictions"] = tables["gains"][:1]
    tables["courses"] = course_rows("reviews", 1024, 6)
    warnings = [StudyWarning(WarningKind.CONTAMINATION, "a leak")]
    data = {"reviews": DATA, "news": DATA}
    asked = StudyRequest.of(REQUEST)
    more = ahead(gain.cells(rows, {"scratch": False, "full": True}, {}), data, asked)
    return Findings(study=asked, environment={}, warnings=warnings, trials={"done": 1}, data=data, **tables, **more)


def test_rows_of_every_table_hold_to_it():
    content = json.loads(every_table().to_json())
    assert all(content[name] for name, part in schema()["properties"].items() if part.get("type") == "array"
               and name != "recipes")  # fmt: skip
    jsonschema.validate(content, schema())


@pytest.mark.parametrize("failing", [False, True])
def test_findings_of_a_study_hold_to_it(tmp_path, failing):
    def behave(spec, data):
        if failing and spec.arm == "full":
            raise RuntimeError("no luck")
        return outcome_of(spec, data)

    run(tmp_path, {"reviews": dataset(shift=True)}, FakeExecutor(behave=behave))
    jsonschema.validate(json.loads(load(tmp_path).to_json()), schema())


@pytest.mark.parametrize("change", [{"verdict": "maybe"}, {"estimate": "0.1"}, {"unheard": 1}])
def test_it_refuses_what_no_row_holds(change):
    content = json.loads(every_table().to_json())
    content["gains"][0] |= change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema())
