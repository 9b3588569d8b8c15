"""Keep the tables of a chapter's run at the thesis's scale, to be shown beside quick runs.

    make record CHAPTER=NN_name      run the chapter in the thesis profile, then this
    python tools/record.py NN_name   copy the tables of the run in _build/executed

Refuses a run of another profile, of other code than there is now, or without tables. Tables
that the chapter no longer shows are removed.
"""

from __future__ import annotations

import sys

import chapters
from msgspec.structs import replace

from vaelib import files, records, schema


def main(name: str) -> None:
    """Write vaelib/records/ID.json for each table of this chapter's run."""
    run = chapters.load_run(name)
    if run is None or chapters.facts(run).code != chapters.code_digest(name):
        sys.exit(f"{name} has no run of the present code: make record CHAPTER={name}")
    if (profile := chapters.facts(run).environment.profile) != "thesis":
        sys.exit(f"{name} was run in the profile {profile}: make record CHAPTER={name}")
    tables = records.tables(run)
    if not tables:
        sys.exit(f"{name} shows no table by records.show: there is nothing to keep")
    command = f"make record CHAPTER={name}"
    for path in records.FOLDER.glob("*.json"):
        if records.recorded(path.stem).facts.get("command") == command:
            path.unlink()
    for table in tables:
        table = replace(table, facts={**table.facts, "command": command})
        files.write_whole(records.FOLDER / f"{table.id}.json", schema.encode(table))
        print(f"kept {table.id}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
