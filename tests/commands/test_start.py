"""What a command imports before it does anything: that is most of the time until it answers."""

import subprocess
import sys

HEAVY = ("pydantic", "yaml", "numpy", "pyarrow", "torch", "ray")
UNREAD = ("pandas", "pyarrow.dataset", "scipy", "sklearn", "statsmodels", "torch", "ray")
"""What looking at a run does without."""


def imported(names, *arguments):
    """Return which of the modules a command has imported when it ends."""
    code = "import sys; from hnlm_ray.cli import main\ntry: main(sys.argv[2:])\nfinally:\n"
    code += "  print(*(name for name in sys.argv[1].split() if name in sys.modules), file=sys.stderr)"
    command = [sys.executable, "-c", code, " ".join(names), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout
    return done.stderr.split()


def test_the_list_of_commands_reads_no_configuration_and_no_table():
    assert imported(HEAVY, "--help") == []


def test_the_status_imports_what_it_reads_alone(config_file):
    told = imported([*UNREAD, "pydantic"], "status", "--config", str(config_file))
    assert told == ["pydantic"]


def test_a_table_is_read_without_the_readers_of_data_sets(hnlm):
    assert hnlm("run").returncode == 0
    read = "Workspace.open(sys.argv[1]).table('items').read().num_rows"
    code = f"import sys; from hnlm_ray.workspace import Workspace; print({read}, *(set({UNREAD}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, str(hnlm.workspace)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3"]
