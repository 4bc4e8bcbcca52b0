"""Folders depend on each other along the flow of data, never back, at each level; and each stays small enough to read.

All is taken from the package as it lies on disk: a new folder is held to the same rules without a word here.
"""

import ast
from graphlib import TopologicalSorter

import pytest

PACKAGE = "hnlm_ray"
MOST_FILES, MOST_LINES, MOST_DIRECT = 455, 400, 15
# As rows travel: what stands later may read what stands earlier, never the other way round.
FLOW = ("base", "config", "workspace", "sources", "prepare", "llm", "profiles", "teacher", "finetune", "negatives")
FLOW += ("evidence", "tune", "recommend", "report", "commands", "cli")


@pytest.fixture(scope="module")
def modules(repository):
    """Each module's name (a package's with ``__init__``) and its file."""
    files = sorted((repository / PACKAGE).rglob("*.py"))
    return {".".join(path.relative_to(repository).with_suffix("").parts): path for path in files}


@pytest.fixture(scope="module")
def graph(modules):
    """What each module imports of this package, also inside functions and for types alone."""
    return {name: needs(path, modules) for name, path in modules.items()}


def needs(path, modules):
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            found |= {module_of(modules, node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {module_of(modules, alias.name) for alias in node.names if alias.name.split(".")[0] == PACKAGE}
    return found


def module_of(modules, module, name=None):
    """Return the module that an import reads: a submodule called ``name``, else the module or package itself."""
    candidates = [f"{module}.{name}", f"{module}.{name}.__init__"] if name else []
    return next(known for known in [*candidates, module, f"{module}.__init__"] if known in modules)


def folders(modules):
    return sorted({name.rsplit(".", depth)[0] for name in modules for depth in range(1, name.count(".") + 1)})


def rooms(graph, folder):
    """Return what the files and subfolders of one folder need of each other."""
    depth = folder.count(".") + 1
    inside = {name: {other for other in needed if other.startswith(f"{folder}.")} for name, needed in graph.items()}
    found = {}
    for name, needed in inside.items():
        if name.startswith(f"{folder}."):
            room = name.split(".")[depth]
            found.setdefault(room, set()).update({other.split(".")[depth] for other in needed} - {room})
    return found


def reached(needed, start):
    """Return all rooms that ``start`` needs, directly or through others."""
    found, ahead = set(), [start]
    while ahead:
        new = needed[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def test_no_folder_at_any_level_has_a_circle(graph, modules):
    assert len(folders(modules)) > 40
    for folder in folders(modules):
        list(TopologicalSorter(rooms(graph, folder)).static_order())  # raises CycleError


def test_a_circle_is_found_below_the_top_level():
    circle = {"hnlm_ray.a.b.c": {"hnlm_ray.a.d"}, "hnlm_ray.a.d": {"hnlm_ray.a.b.e"}, "hnlm_ray.a.b.e": set()}
    assert rooms(circle, "hnlm_ray.a") == {"b": {"d"}, "d": {"b"}}
    assert rooms(circle, "hnlm_ray.a.b") == {"c": set(), "e": set()}


def test_what_stands_early_in_the_flow_reads_nothing_of_what_comes_later(graph):
    needed = rooms(graph, PACKAGE)
    back = {early: reached(needed, early) & set(FLOW[place + 1 :]) for place, early in enumerate(FLOW)}
    assert not {early: late for early, late in back.items() if late}


def test_the_ground_floor_and_the_roof(graph):
    needed = rooms(graph, PACKAGE)
    assert needed["base"] == set()
    assert needed["config"] == {"base"}
    assert {room for room, below in needed.items() if "cli" in below} == set()
    assert {room for room, below in needed.items() if "commands" in below} == {"cli"}
    assert {room for room, below in needed.items() if "recommend" in below} == {"commands"}


def test_the_cf_engine_needs_errors_groups_and_the_configuration_alone(graph):
    used = {other for name, needed in graph.items() if name.startswith("hnlm_ray.cf.") for other in needed}
    outside = {other for other in used if not other.startswith("hnlm_ray.cf.")}
    # samples: numpy alone; what compares groups without training needs it too, and no torch
    assert {other.split(".")[1] for other in outside} == {"base", "config"}
    assert {other for other in outside if ".base." in other} <= {
        f"hnlm_ray.base.{name}" for name in ("errors", "samples", "outside")
    }


def test_files_and_folders_stay_small(modules, repository):
    assert len(modules) <= MOST_FILES
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules.items()}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}
    holds = [folder for folder in (repository / PACKAGE).rglob("*") if folder.is_dir() and folder.name != "__pycache__"]
    direct = {folder: sum(path.is_file() for path in folder.iterdir()) for folder in holds}
    assert not {str(folder): count for folder, count in direct.items() if count > MOST_DIRECT}


def test_the_package_has_one_loose_module(repository):
    assert [path.name for path in (repository / PACKAGE).glob("*.py")] == ["__init__.py"]


def test_each_folder_says_what_it_is(modules):
    silent = {
        name
        for name, path in modules.items()
        if name.endswith(".__init__") and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not silent
