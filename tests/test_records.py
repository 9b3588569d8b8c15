"""Tables of this run and of the thesis's scale: what they say, what they refuse, how they last."""

import json
import re

import msgspec
import pytest
from tree import ROOT

from vaelib import records
from vaelib.estimate import Estimate

COLUMNS, ROWS = ["0.1", "0.8"], {"VAE": [(20.0, 0.5), 11.0], "nothing": [19.0, "never"]}


def show(**changes):
    arguments = {"columns": COLUMNS, "rows": ROWS, "data": "digits", **changes}
    return records.show("some-table", "Some table", **arguments)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("VAELIB_PROFILE", "quick")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    return tmp_path


def test_a_standard_error_becomes_a_95_percent_interval(folder):
    bundle = show()._repr_mimebundle_()
    for text in (bundle["text/html"], bundle["text/plain"]):
        assert "20.00 ± 0.98" in text
        assert "11.00" in text
        assert "never" in text
        assert "Measured in this run" in text
        assert "data digits" in text
        assert "Recorded" not in text


def test_an_estimate_is_shown_as_the_pair_of_its_numbers(folder):
    rows = {"pair": [(20.0, 0.5)], "estimate": [Estimate(20.0, 0.5, 10)]}
    (_, pair), (_, estimate) = show(rows=rows, columns=["0.1"]).here.rows
    assert pair == estimate == ((20.0, 0.5),)


def test_an_interval_is_never_printed_as_zero(folder):
    rows = {"narrow": [(26.0, 0.0004), (26.0, 0.0)]}
    assert "26.0 ± 0.0008  26.0" in show(rows=rows, digits=1)._repr_mimebundle_()["text/plain"]


def test_the_best_of_a_column_is_bold_also_where_words_stand(folder):
    bold = re.findall(r"record-best>([^<]*)<", show(best="max")._repr_mimebundle_()["text/html"])
    assert bold == ["20.00 ± 0.98", "11.00"]
    bold = re.findall(r"record-best>([^<]*)<", show(best="min")._repr_mimebundle_()["text/html"])
    assert bold == ["11.00", "19.00"]


def test_numbers_that_print_alike_are_both_best(folder):
    rows = {"a": [1.001, 2], "b": [1.002, 1], "c": [0.5, 0]}
    html = show(rows=rows, best="max")._repr_mimebundle_()["text/html"]
    assert re.findall(r"record-best>([^<]*)<", html) == ["1.00", "2.00", "1.00"]


def test_text_is_escaped(folder):
    rows = {"<b>bold</b>": ["a < b", 1.0]}
    html = show(rows=rows)._repr_mimebundle_()["text/html"]
    assert "<b>" not in html
    assert "a &lt; b" in html


def keep(folder, **changes):
    here = msgspec.to_builtins(show().here)
    facts = {**here["facts"], "profile": "thesis", "command": "make record CHAPTER=1"}
    table = {**here, "facts": facts, **changes}
    (folder / "some-table.json").write_text(json.dumps(table))


def test_a_recorded_table_is_shown_below_and_says_so(folder):
    keep(folder, rows=[["VAE", [21.5, 12.0]]])
    shown = show()
    html = shown._repr_mimebundle_()["text/html"]
    here, kept = html.split("Recorded at the thesis&#x27;s scale")
    assert "20.00" in here
    assert "21.50" in kept
    assert "command make record CHAPTER=1" in kept
    assert shown.recorded.rows == (("VAE", (21.5, 12.0)),)


def test_the_thesis_profile_shows_its_own_run_alone(folder, monkeypatch):
    keep(folder)
    monkeypatch.setenv("VAELIB_PROFILE", "thesis")
    assert show().recorded is None


def test_a_table_survives_the_notebook(folder):
    shown = show(rows={**ROWS, "best": [1.0, 2.0]}, best="max", unit="dB", digits=1)
    # as Jupyter keeps it: with sorted keys
    output = {"data": json.loads(json.dumps(shown._repr_mimebundle_(), sort_keys=True))}
    notebook = {"cells": [{"outputs": [output]}, {"source": "no outputs"}]}
    (found,) = records.tables(notebook)
    assert found == shown.here
    assert [name for name, _ in found.rows] == ["VAE", "nothing", "best"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rows": {"VAE": [1.0]}}, "row 'VAE' has 1 cells, expected 2"),
        ({"rows": {"VAE": [1.0, float("nan")]}}, "not finite"),
        ({"rows": {"VAE": [1.0, (2.0, float("inf"))]}}, "not finite"),
        ({"best": "largest"}, "Invalid enum value 'largest'"),
    ],
)
def test_bad_tables_are_refused(folder, changes, says):
    with pytest.raises(records.RecordError, match=re.escape(says)):
        show(**changes)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"id": "a"}', b"\xff"])
def test_a_broken_record_is_named(folder, content):
    (folder / "some-table.json").write_bytes(content)
    with pytest.raises(
        records.RecordError, match=r"some-table\.json is not valid: .*Record it again"
    ):
        show()


def test_each_record_is_shown_by_its_chapter_and_says_how_it_was_made():
    for path in records.FOLDER.glob("*.json"):
        table = records.recorded(path.stem)
        assert table.id == path.stem
        assert table.facts["profile"] == "thesis"
        assert table.facts.keys() >= {"data", "device", "date", "command"}
        chapter = table.facts["command"].split("CHAPTER=")[1]
        source = (ROOT / "notebooks" / f"{chapter}.md").read_text()
        assert f'"{path.stem}"' in source, f"{path.name}: {chapter} does not show it"
