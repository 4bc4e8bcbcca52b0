"""Folders depend on each other along the flow of data, never back; the CF engine on none of them."""

import ast
from graphlib import TopologicalSorter

FOLDERS = ("sources", "prepare", "llm", "profiles", "teacher", "finetune", "negatives", "export", "cf", "tune")
FOLDERS += ("recommend", "report", "discover", "plan", "study", "commands")


def imports(path):
    """Return the modules of this package that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hnlm_ray."):
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.startswith("hnlm_ray.")}
    return found


def folder_graph(repository):
    graph = {}
    for folder in FOLDERS:
        modules = {module for path in (repository / "hnlm_ray" / folder).rglob("*.py") for module in imports(path)}
        graph[folder] = {module.split(".")[1] for module in modules} - {folder}
    return graph


def test_no_two_folders_depend_on_each_other(repository):
    graph = folder_graph(repository)
    assert all(graph.values())
    inside = {folder: needed & set(FOLDERS) for folder, needed in graph.items()}
    order = list(TopologicalSorter(inside).static_order())  # raises CycleError
    assert order.index("teacher") < order.index("finetune") < order.index("negatives") < order.index("tune")
    assert order.index("tune") < order.index("recommend")
    assert {folder for folder, needed in inside.items() if "tune" in needed} == {
        *("recommend", "report", "plan", "study", "commands"),
    }
    assert {folder for folder, needed in inside.items() if "recommend" in needed} == {"commands"}
    assert "commands" not in set().union(*inside.values())


def test_the_cf_engine_needs_the_configuration_errors_and_how_groups_are_cut_alone(repository):
    # quarters: numpy alone; what compares groups without training needs it too, and no torch
    assert folder_graph(repository)["cf"] <= {"config", "errors", "quarters"}
