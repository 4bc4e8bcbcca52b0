"""The benchmark of loading and preparing measures what it says."""

import importlib.util
import json
import subprocess
import sys

import pytest
from pyarrow import csv


@pytest.fixture(scope="module")
def benchmark(request):
    path = request.config.rootpath / "benchmarks" / "load_prepare.py"
    spec = importlib.util.spec_from_file_location("load_prepare", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHILD = """
import time
data, end = bytearray(b'x' * {size}), time.process_time() + {cpu}
while time.process_time() < end:
    pass
"""


def test_memory_and_cpu_of_children_count(benchmark):
    child = CHILD.format(size=200 * 2**20, cpu=1)
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}], check=True)"
    used = benchmark.measured([sys.executable, "-c", code], memory=True)
    assert 200 / 1024 < used["peak_gib"] < 0.5
    assert 0.5 < used["cpu_s"] < 3
    assert used["wall_s"] >= 1
    assert benchmark.measured([sys.executable, "-c", ""], memory=False)["peak_gib"] == 0


def test_the_data_has_the_promised_shape(benchmark, tmp_path):
    benchmark.write_interactions(tmp_path / "r.csv", 4000)
    table = csv.read_csv(tmp_path / "r.csv")
    assert table.column_names == ["user", "item", "rating", "timestamp"]
    assert table.num_rows == 4000
    assert table["user"].to_pylist()[0].startswith("u")


def test_the_peer_prepares_the_same_rows(benchmark, tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating,timestamp\n" + "".join(f"u{n % 5},i{n // 5},3,{n}\n" for n in range(25)) * 2)
    done = subprocess.run([sys.executable, "-c", benchmark.PEER, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["25", "5", "5"]


def test_figures_become_a_table_and_json(benchmark):
    ours = [{"wall_s": 20.0, "cpu_s": 30.0, "peak_gib": 0.0}, {"wall_s": 40.0, "cpu_s": 20.0, "peak_gib": 0.0}]
    ours.append({"wall_s": 10.0, "cpu_s": 10.0, "peak_gib": 2.0})
    peer = [{"wall_s": 40.0, "cpu_s": 40.0, "peak_gib": 0.0}, {"wall_s": 10.0, "cpu_s": 10.0, "peak_gib": 1.0}]
    rows = benchmark.rows_of(10_000_000, ours, peer)
    assert [(row["ours"], row["ratio"]) for row in rows] == [(500_000.0, 2.0), (20.0, 2.0), (2.0, 0.5)]
    assert "| rows/s of wall time | 500,000 | 250,000 | 2.00 | >= 200,000 |" in benchmark.markdown(rows)
    assert json.loads(json.dumps(rows)) == rows
