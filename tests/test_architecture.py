"""Which room may import which, and other promises about the shape of the package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vaelib

ROOT = Path(vaelib.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# data -> model -> objective -> train -> evaluate: a room may use those to its left.
MAY_IMPORT = {
    "__init__": set(),
    "runtime": set(),
    "ledger": set(),
    "records": {"runtime"},
    "figures": set(),
    "web": set(),
    "mixture": set(),
    "evidence": {"mixture"},
    "gaussian": set(),
    "model": {"gaussian"},
    "files": set(),
    "data": {"files", "runtime"},
    "likelihood": {"gaussian"},
    "estimators": {"gaussian"},
    "rosenblatt": {"gaussian"},
    "objective": {"gaussian", "likelihood", "model"},
    "train": {"data", "files", "likelihood", "model", "objective", "pretrained", "runtime"},
    "pretrained": {"files", "model"},
    "detection": set(),
    "directions": {"data"},
    "faces": {"data", "directions", "gaussian", "pretrained"},
    "evaluate": {"data", "directions", "gaussian", "likelihood", "model", "objective"},
    "anomaly": {"data", "evaluate", "likelihood", "model", "objective"},
    "plane": {"data", "evaluate", "gaussian", "likelihood", "model", "objective"},
    "imputation": {"gaussian", "likelihood", "model"},
}
DRAWING = {"matplotlib", "matplotlib_inline", "seaborn"}
SLOW = {"torchvision", "sklearn", "seaborn", "pandas"}


def room(path):
    """The first part of a module's name inside vaelib: `data` for data/mnist.py."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(nodes):
    """Dotted names imported among these nodes; `from a import b` gives `a.b`."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import vaelib rooms by their full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def tops(names):
    return {name.split(".")[0] for name in names}


def test_every_room_has_its_place_in_the_table():
    assert {room(path) for path in FILES} <= MAY_IMPORT.keys()


def test_the_table_has_no_circle():
    settled = set()
    while fresh := {r for r, needs in MAY_IMPORT.items() if needs <= settled} - settled:
        settled |= fresh
    assert settled == MAY_IMPORT.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_room_imports_only_what_it_may(path):
    names = imports(ast.walk(tree(path)))
    rooms = {name.split(".")[1] for name in names if name.startswith("vaelib.")} - {room(path)}
    assert rooms <= MAY_IMPORT[room(path)]
    assert "vaelib" not in names


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_figures_draws(path):
    if room(path) != "figures":
        assert not tops(imports(ast.walk(tree(path)))) & DRAWING


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_slow_libraries_are_imported_where_they_are_used(path):
    module = tree(path)
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    at_import = [node for node in ast.walk(module) if id(node) not in inside]
    assert not tops(imports(at_import)) & SLOW


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_runtime_reads_the_environment(path):
    if room(path) == "runtime":
        return
    nodes = list(ast.walk(tree(path)))
    attributes = {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    assert not attributes & {"environ", "environb", "getenv", "getenvb"}
    assert not {"os.environ", "os.getenv"} & imports(nodes)


def test_the_mixture_needs_no_more_than_numpy_and_scipy():
    if not (path := ROOT / "mixture.py").exists():
        pytest.skip("no mixture room yet")
    needed = tops(imports(ast.walk(tree(path)))) - set(sys.stdlib_module_names)
    assert needed <= {"numpy", "scipy"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_room_is_small_and_says_what_it_is_for(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 300
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_public_functions_are_typed_and_described(path):
    for function, method in public_functions(tree(path)):
        where = f"{path.name}:{function.lineno} {function.name}"
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        extra = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
        for argument in named[method:] + extra:
            assert argument.annotation is not None, f"{where}: {argument.arg} has no type"
        assert function.returns is not None, f"{where}: no type of what it returns"
        assert method or ast.get_docstring(function), f"{where}: no docstring"


def public_functions(module):
    """(function, is it a method?) for what has no leading underscore, at the top or in a class."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, False
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node) or is_plain_protocol(node), f"{node.name}: no docstring"
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                    static = any(
                        getattr(d, "id", "") == "staticmethod" for d in item.decorator_list
                    )
                    yield item, not static


def is_plain_protocol(node):
    return any(getattr(base, "id", "") == "Protocol" for base in node.bases)


def fresh_python(code):
    """What a new interpreter prints: this one has imported too much already."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_importing_the_package_costs_next_to_nothing():
    seconds, *heavy = fresh_python(
        "import sys, time; start = time.process_time(); import vaelib\n"
        "print(time.process_time() - start)\n"
        "print(*{'torch', 'matplotlib', 'numpy', 'scipy'} & sys.modules.keys())"
    )
    assert float(seconds) < 0.5
    assert not heavy


@pytest.mark.parametrize("name", ["runtime", "ledger", "records", "mixture", "web", "figures"])
def test_rooms_without_networks_import_no_torch(name):
    if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists():
        pytest.skip(f"no room {name} yet")
    loaded = fresh_python(f"import sys, vaelib.{name}\nprint('torch' in sys.modules)")
    assert loaded == ["False"]
