"""Which module may import which, and other laws about the shape of the package.

Each law is one test: it collects every offender and lists them, one per line.
"""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import chapters

import vaelib

ROOT = Path(vaelib.__file__).parent
TESTS = Path(__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
OURS = {"vaelib"} | {path.stem for path in (TESTS.parent / "tools").glob("*.py")}

# data -> model -> objective -> train -> evaluate: a room may use those to its left.
MAY_IMPORT = {
    "__init__": set(),
    "runtime": set(),
    "estimate": set(),
    "ledger": {"estimate"},
    "records": {"estimate", "runtime", "schema"},
    "renderings": {"runtime"},
    "figures": {"estimate", "renderings"},
    "sigmoids": set(),
    "dsep": set(),
    "banana": set(),
    "views": {"banana", "dsep", "faces", "model", "sigmoids"},
    "mixture": set(),
    "evidence": {"estimate", "mixture"},
    "gaussian": set(),
    "model": {"gaussian"},
    "files": set(),
    "schema": set(),
    "data": {"files", "runtime"},
    "drawn": {"data"},
    "likelihood": {"gaussian"},
    "estimators": {"estimate", "gaussian"},
    "densities": {"gaussian"},
    "rosenblatt": {"densities", "gaussian"},
    "objective": {"gaussian", "likelihood", "model"},
    "train": {
        "data",
        "drawn",
        "files",
        "likelihood",
        "model",
        "objective",
        "pretrained",
        "runtime",
        "schema",
    },
    "pretrained": {"files", "model", "schema"},
    "detection": {"estimate"},
    "directions": {"data"},
    "faces": {"data", "directions", "gaussian", "pretrained"},
    "evaluate": {"data", "gaussian", "likelihood", "model", "objective"},
    "anomaly": {"data", "evaluate", "likelihood", "model", "objective"},
    "plane": {"data", "evaluate", "gaussian", "likelihood", "model", "objective"},
    "imputation": {"gaussian", "likelihood", "model"},
}
DRAWING = {"matplotlib", "matplotlib_inline", "seaborn"}
SLOW = {"torchvision", "sklearn", "seaborn", "pandas"}
WITHOUT_TORCH = (
    "runtime",
    "estimate",
    "ledger",
    "records",
    "figures",
    "mixture",
    "sigmoids",
    "dsep",
    "banana",
    "views",
)
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}


def room(path):
    """The first part of a module's name inside vaelib: `data` for data/mnist.py."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def place(path, node=None):
    """`data/mnist.py:12`, the line that an offender is listed under."""
    line = f":{node.lineno}" if node is not None else ""
    return path.relative_to(ROOT).as_posix() + line


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(nodes):
    """(node, dotted name) of each import; `from a import b` gives `a.b`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            yield from ((node, f"{name}.{alias.name}") for alias in node.names)


def top(name):
    return name.split(".")[0]


def offenders(law):
    """What a law, a generator of complaints about one file, finds in all files."""
    return [complaint for path in FILES for complaint in law(path)]


def listed(found):
    """The message of a failed law."""
    return "\n".join(["", *sorted(found)])


def test_every_room_is_in_the_table():
    missing = {room(path) for path in FILES} - MAY_IMPORT.keys()
    assert not missing, listed(missing)


def test_the_table_has_no_cycle():
    settled = set()
    while fresh := {r for r, needs in MAY_IMPORT.items() if needs <= settled} - settled:
        settled |= fresh
    assert settled == MAY_IMPORT.keys()


def test_no_two_modules_need_each_other():
    def dotted(path):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        return ".".join(parts).removesuffix(".__init__")

    modules = {dotted(path) for path in FILES}
    needs = {
        dotted(path): {
            name if name in modules else name.rpartition(".")[0]
            for _, name in imports(ast.walk(tree(path)))
        }
        & modules
        for path in FILES
    }
    while fresh := {m for m, others in needs.items() if not others & needs.keys()}:
        needs = {m: others for m, others in needs.items() if m not in fresh}
    assert not needs, listed(
        f"{m} <-> {', '.join(others & needs.keys())}" for m, others in needs.items()
    )


def test_a_room_imports_only_what_the_table_allows():
    def law(path):
        allowed = MAY_IMPORT.get(room(path), set()) | {room(path)}
        for node, name in imports(ast.walk(tree(path))):
            if name.startswith("."):
                yield f"{place(path, node)} imports {name}: write the full name"
            elif name == "vaelib" or (top(name) == "vaelib" and name.split(".")[1] not in allowed):
                yield f"{place(path, node)} imports {name}"

    found = offenders(law)
    assert not found, listed(found)


def test_only_figures_and_their_renderings_import_a_drawing_library():
    def law(path):
        for node, name in imports(ast.walk(tree(path))):
            if top(name) in DRAWING and room(path) not in ("figures", "renderings"):
                yield f"{place(path, node)} imports {name}"

    found = offenders(law)
    assert not found, listed(found)


def test_slow_libraries_are_imported_inside_the_functions_that_use_them():
    def law(path):
        module = tree(path)
        functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
        inside = {id(node) for function in functions for node in ast.walk(function)}
        for node in type_checking_blocks(module):
            inside |= {id(child) for child in ast.walk(node)}
        for node, name in imports(n for n in ast.walk(module) if id(n) not in inside):
            if top(name) in SLOW:
                yield f"{place(path, node)} imports {name}"

    found = offenders(law)
    assert not found, listed(found)


def type_checking_blocks(module):
    """`if TYPE_CHECKING:` is never run, so it may import anything."""
    for node in module.body:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            yield node


def test_only_runtime_reads_the_environment():
    def law(path):
        if room(path) == "runtime":
            return
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT:
                yield f"{place(path, node)} reads os.{node.attr}"
        for node, name in imports(ast.walk(tree(path))):
            if top(name) == "os" and name.split(".")[-1] in ENVIRONMENT:
                yield f"{place(path, node)} imports {name}"

    found = offenders(law)
    assert not found, listed(found)


def test_the_mixture_needs_no_more_than_numpy_and_scipy():
    names = {top(name) for _, name in imports(ast.walk(tree(ROOT / "mixture.py")))}
    assert names - set(sys.stdlib_module_names) <= {"numpy", "scipy"}


def test_modules_are_small_and_say_what_they_are_for():
    def law(path):
        if (n_lines := len(path.read_text(encoding="utf-8").splitlines())) >= 300:
            yield f"{place(path)} has {n_lines} lines, expected fewer than 300"
        if not ast.get_docstring(tree(path)):
            yield f"{place(path)} has no docstring"

    found = offenders(law)
    assert not found, listed(found)


def test_public_functions_are_typed():
    """That they have a docstring is checked by ruff (rules D)."""

    def law(path):
        for function, is_method in public_functions(tree(path)):
            arguments = function.args
            named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            extra = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
            untyped = [a.arg for a in named[is_method:] + extra if a.annotation is None]
            if function.returns is None:
                untyped.append("what it returns")
            if untyped:
                yield f"{place(path, function)} {function.name}: no type of {', '.join(untyped)}"

    found = offenders(law)
    assert not found, listed(found)


def public_functions(module):
    """(function, has it a `self`?) for every public one, at the top level or in a class."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, False
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                    decorators = {getattr(d, "id", "") for d in item.decorator_list}
                    yield item, "staticmethod" not in decorators


# Names with an underscore that Python, IPython or torch document for use.
PROTOCOLS = {"_repr_mimebundle_", "_asdict", "_fields", "_replace", "_subclasses", "_cdata"}
# Test files that stand for no module of vaelib, and what they are for.
NOT_MIRRORED = {
    "test_architecture.py": "laws about all modules",
    "test_bench_gpu.py": "benchmarks/bench_gpu.py",
    "test_devices.py": "all measures, on a device that refuses what a GPU refuses",
    "views/test_lab.py": "the views in JupyterLab",
}
OTHER_FOLDERS = {"book": "pages and tools", "browser": "pages in a browser"}


def sources():
    """(name, tree) of each test and of each chapter, its code cells as one module."""
    for path in sorted(TESTS.rglob("*.py")):
        yield path.relative_to(TESTS.parent).as_posix(), tree(path)
    for name in chapters.names():
        cells = [c.source for c in chapters.source(name).cells if c.cell_type == "code"]
        yield f"notebooks/{name}.md", ast.parse("\n".join(cells))


def private(name):
    return name.startswith("_") and not name.startswith("__") and name not in PROTOCOLS


def root_of(node):
    """The first name of `a.b().c`: a."""
    while not isinstance(node, ast.Name):
        below = [getattr(node, part, None) for part in ("value", "func")]
        if not (node := next((n for n in below if isinstance(n, ast.AST)), None)):
            return ""
    return node.id


def test_no_test_or_chapter_uses_a_private_name():
    """Of our own code; `os._exit` is the operating system's."""
    found = []
    for source, module in sources():
        foreign = {
            name.split(".")[-1] for node, name in imports(ast.walk(module)) if top(name) not in OURS
        } | {"self"}
        for node in ast.walk(module):
            names = []
            if isinstance(node, ast.Attribute) and root_of(node) not in foreign:
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr":
                names = [a.value.split(".")[-1] for a in node.args if is_text(a)]
            found += [f"{source}:{node.lineno} uses {n}" for n in names if private(n)]
    assert not found, listed(found)


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_each_test_file_mirrors_a_module():
    """tests/data/test_cache.py for vaelib/data/cache.py, test_init.py for its __init__.py."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        place = path.relative_to(TESTS)
        folder, name = ROOT / place.parent, place.stem.removeprefix("test_")
        if place.as_posix() in NOT_MIRRORED or place.parts[0] in OTHER_FOLDERS:
            continue
        modules = [folder / f"{name}.py", folder / f"{name}.js", folder / f"__{name}__.py"]
        modules.append(folder / name / "__init__.py")
        if not any(module.exists() for module in modules):
            found.append(f"tests/{place} mirrors no module")
    assert not found, listed(found)


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


def test_importing_the_mixture_loads_nothing_but_numpy():
    """SciPy would make of a tenth of a second one of half a second."""
    loaded = fresh_python(
        "import sys; before = set(sys.modules); import vaelib.mixture\n"
        "print(*{name.partition('.')[0] for name in sys.modules.keys() - before})"
    )
    assert set(loaded) - sys.stdlib_module_names <= {"vaelib", "numpy"}


def test_rooms_without_networks_import_no_torch():
    """In one interpreter, room by room: the first to import torch is named."""
    loaded = fresh_python(
        "import importlib, sys\n"
        f"for name in {WITHOUT_TORCH}:\n"
        "    importlib.import_module('vaelib.' + name)\n"
        "    if 'torch' in sys.modules: print(name); break"
    )
    assert not loaded
