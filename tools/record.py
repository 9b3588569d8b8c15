"""Keep the tables of a chapter's run at the thesis's scale, to be shown beside quick runs.

    make record CHAPTER=NN_name          run the chapter in the thesis profile, then this
    python tools/record.py NN_name ...   copy the tables of the runs in _build/executed

All runs are looked at before the first table is written, which makes them out of date: name
the chapters of one visit to a GPU together. Refuses a run of another profile, of other code than
there is now, or without tables. Tables that the chapter no longer shows are removed.
"""

from __future__ import annotations

import sys

import chapters
from msgspec.structs import replace

from vaelib import files, records, schema


def main(*names: str) -> None:
    """Write vaelib/records/ID.json for each table of these chapters' runs."""
    for name, tables in [(name, tables_of(name)) for name in names]:
        keep(name, tables)


def tables_of(name: str) -> list[records.Table]:
    """The tables of a chapter's run."""
    run = chapters.load_run(name)
    if run is None or chapters.facts(run).code != chapters.code_digest(name):
        sys.exit(f"{name} has no run of the present code: make record CHAPTER={name}")
    if (profile := chapters.facts(run).environment.profile) != "thesis":
        sys.exit(f"{name} was run in the profile {profile}: make record CHAPTER={name}")
    tables = records.tables(run)
    if not tables:
        sys.exit(f"{name} shows no table by records.show: there is nothing to keep")
    return tables


def keep(name: str, tables: list[records.Table]) -> None:
    """Write these tables; of those that the chapter showed before, remove the others."""
    command = f"make record CHAPTER={name}"
    for path in records.FOLDER.glob("*.json"):
        if records.recorded(path.stem).facts.get("command") == command:
            path.unlink()
    for table in tables:
        table = replace(table, facts={**table.facts, "command": command})
        files.write_whole(records.FOLDER / f"{table.id}.json", schema.encode(table))
        print(f"kept {table.id}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
