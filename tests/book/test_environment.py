"""One set of versions for everybody, and nothing in the tree that should not be there."""

import json
import re
import stat
import tomllib
from pathlib import Path

import conda_env
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from tree import ROOT, tracked

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ("3.11", "3.12", "3.13")

# Put together here, so that this file does not name what it looks for.
INDEX_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("python" + "hosted", "org"),
        ("download", "pytorch", "org"),
        ("pypi", "nvidia", "com"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("npmjs", "org"),
        ("pypi", "tuna"),
        ("aliyun", "com"),
    )
]
# Folders that exist on somebody's machine and not in the project.
MACHINES = ["/" + folder + "/" for folder in ("root", "home", "Users", "work")]
MEGABYTE = 2**20


def blocks() -> list[str]:
    """Each requirement of the lock with its hashes and comments, as one string."""
    return re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip())


def locked() -> list[Requirement]:
    return [Requirement(pin) for pin in conda_env.pins(LOCK)]


def direct() -> list[Requirement]:
    """What pyproject.toml asks for: the package, the book, the tools."""
    extras = PROJECT["optional-dependencies"]
    return [Requirement(r) for r in PROJECT["dependencies"] + extras["book"] + extras["dev"]]


# --- the lock -------------------------------------------------------------------------------


def test_every_requirement_is_pinned_and_hashed():
    for block in blocks():
        pin = block.splitlines()[0]
        assert re.match(r"[\w.\-]+==[\w.+!]+( ;.*)? \\$", pin), f"not pinned: {pin}"
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), f"no hash: {pin}"
    assert len(blocks()) == len(locked()) > 100


def test_the_lock_names_no_place_to_fetch_from():
    assert not re.search(r"://|--(?:extra-)?index-url|--find-links| @ ", LOCK)


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_gives_every_direct_dependency_a_version_that_was_asked_for(python):
    marks = {"python_version": python, "python_full_version": f"{python}.9"}
    here = [r for r in locked() if r.marker is None or r.marker.evaluate(marks)]
    versions = {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in here}
    for wanted in direct():
        name = canonicalize_name(wanted.name)
        assert name in versions, f"{wanted} is not in requirements.lock: run `make lock`"
        assert wanted.specifier.contains(versions[name], prereleases=True), (
            f"pyproject.toml wants {wanted}, requirements.lock has {versions[name]}"
        )


# --- the same versions everywhere -----------------------------------------------------------


def test_environment_yml_has_the_versions_of_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *_, pip = environment["dependencies"]
    by_pip = [line for line in pip["pip"] if not line.startswith("-e")]
    assert [Requirement(line) for line in by_pip] == locked(), (
        "environment.yml differs from requirements.lock: run `python tools/conda_env.py`"
    )
    assert pip["pip"][-1] == "-e ."
    assert (ROOT / "environment.yml").read_text() == conda_env.render(LOCK)


def test_a_changed_pin_is_noticed():
    changed = re.sub(r"^(ruff==)\S+", r"\g<1>0.0.1", LOCK, flags=re.MULTILINE)
    assert conda_env.render(changed) != (ROOT / "environment.yml").read_text()


def test_all_places_name_a_supported_python():
    supported = SpecifierSet(PROJECT["requires-python"])
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text())
    devcontainer = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]["python-version"]
    assert tuple(matrix) == PYTHONS
    named = {
        "environment.yml": conda_env.PYTHON,
        "binder/runtime.txt": (ROOT / "binder" / "runtime.txt").read_text().strip()[7:],
        "devcontainer": devcontainer["image"].rpartition(":")[2],
        **{f"matrix {version}": version for version in matrix},
    }
    for place, version in named.items():
        assert supported.contains(f"{version}.0"), f"{place} names Python {version}"


def test_binder_and_devcontainer_install_from_the_lock():
    build = ROOT / "binder" / "postBuild"
    assert build.stat().st_mode & stat.S_IXUSR, "binder/postBuild has to be executable"
    assert "--require-hashes -r requirements.lock" in build.read_text()
    devcontainer = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert devcontainer["postCreateCommand"] == "make env"


def test_the_workflow_asks_for_no_more_than_it_needs():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert jobs["deploy"].pop("permissions") == {"pages": "write", "id-token": "write"}
    assert not any("permissions" in job for job in jobs.values())
    assert set(jobs["deploy"]["needs"]) == set(jobs) - {"deploy"}
    for name, job in jobs.items():
        assert job["timeout-minutes"] <= 60, name
        for step in job["steps"]:
            uses = step.get("uses", "actions/none@v1")
            assert re.fullmatch(r"actions/[\w/-]+@v\d+", uses), f"{name}: {uses}"


def test_hooks_need_no_network_and_ci_runs_them():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    for repository in hooks["repos"]:
        assert repository["repo"] == "local"
        assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    lint = re.search(r"^lint:.*\n\t(.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "pre-commit run --all-files" in lint[1]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text())
    assert {"run": "make lint"} in workflow["jobs"]["lint"]["steps"]
    assert "\nmake lint\n" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize(("package", "version"), [("ipython", "7.34.0"), ("ipywidgets", "7.7.1")])
def test_installing_on_colab_leaves_the_running_kernel_alone(package, version):
    """These are loaded when a notebook's first cell installs vaelib; Colab has old ones."""
    (wanted,) = [r for r in direct() if r.name == package]
    assert wanted.specifier.contains(version)


def test_the_page_on_running_names_the_release_that_notebooks_install():
    line = "%pip install git+https://github.com/OWNER/REPO@v" + PROJECT["version"]
    assert line in (ROOT / "book" / "running.md").read_text()


# --- the tree -------------------------------------------------------------------------------


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        try:
            found.append((path.relative_to(ROOT), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def mentions(words: list[str]) -> list[str]:
    return [
        f"{path}:{number}: {word}"
        for path, text in texts()
        for word in words
        if word in text
        for number, line in enumerate(text.splitlines(), start=1)
        if word in line
    ]


def test_no_file_names_an_index_host():
    assert not mentions(INDEX_HOSTS)


def test_no_file_names_a_folder_of_somebodys_machine():
    assert not mentions(MACHINES)


def test_notebooks_are_committed_without_outputs():
    for path in tracked():
        if path.suffix != ".ipynb":
            continue
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "code":
                ran = cell["outputs"] or cell["execution_count"]
                assert not ran, f"{path.relative_to(ROOT)}: outputs; `python tools/strip.py` it"


def test_no_large_file():
    # weights have limits of their own: test_shipped_weights_stay_small
    others = [p for p in tracked() if p.suffix != ".safetensors"]
    large = {p.name: p.stat().st_size for p in others if p.stat().st_size > 5 * MEGABYTE}
    assert not large


def test_there_is_a_license():
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert PROJECT["license"] == "MIT"
