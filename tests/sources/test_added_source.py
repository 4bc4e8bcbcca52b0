"""A publisher's format is added in four files, as docs/extending.md says, its valid example among them."""

import json
from typing import get_args

from hnlm_ray.config import SOURCE_FORMATS
from hnlm_ray.config.sources import AnySource
from hnlm_ray.sources import FORMATS

USE = """
import json, pathlib, sys
sys.path.insert(0, "tests/fuzz")
from hnlm_ray.config import Config
from hnlm_ray.sources import FORMATS, Rejects, read_interactions, read_items, source_files
from valid_files import VALID

options, files = VALID["goodreads"]
folder = pathlib.Path("books")
folder.mkdir()
for name, content in files.items():
    (folder / name).write_bytes(content)
options = {**options, "path": str(folder)}
source = Config.model_validate({"name": "books", "workspace": "runs/books", "source": options}).source
rejects = Rejects()
rows = [row for read in (read_interactions, read_items) for table in read(source, rejects) for row in table.to_pylist()]
assert {tree["format"] for tree, _ in VALID.values()} == set(FORMATS)
print(json.dumps([rows, len(source_files(source)), rejects.bad]))
"""


def test_a_source_is_added_in_four_files(recipe):
    added = recipe("A source").follow()
    assert len(added.blocks) == 4
    (review, book), files, bad = json.loads(added.python("-c", USE))
    assert (files, bad) == (2, 0)
    assert (review["user_id"], review["item_id"], review["rating"], review["review"]) == ("u", "7", 4.0, "Good.")
    assert review["timestamp"] == 1503694502
    assert (book["item_id"], book["title"], book["attributes"]) == ("7", "Maus", [["publication_year", "1991"]])
    assert book["text"] == "A father and his son."


def test_every_format_of_the_configuration_has_a_reader():
    assert set(SOURCE_FORMATS) == set(FORMATS)
    assert all(source.__name__.endswith("Source") for source in get_args(AnySource))
