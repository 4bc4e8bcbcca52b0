import random

import pyarrow as pa

from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.files.inputs import Place
from hnlm_ray.discover.files.sample import Overrides, Table
from hnlm_ray.discover.roles.interactions import interaction_roles
from hnlm_ray.discover.roles.pairs import Pair

ROWS = 1500
DRAW = random.Random(5)
USERS = [DRAW.randrange(150) for _ in range(ROWS)]
ITEMS = [DRAW.randrange(100) for _ in range(ROWS)]


def never(question):
    raise AssertionError(question)


def roles(ask=never, wanted=None, **columns):
    columns = {"user": [f"u{n}" for n in USERS], "item": [f"i{n}" for n in ITEMS], **columns}
    named = tuple(Column(name, pa.array(map(str, column), pa.string())) for name, column in columns.items())
    table = Table(Place("r.csv"), {}, named, complete=True)
    return interaction_roles(table, Pair("user", "item", 3.0), Overrides(**(wanted or {})), ask)
