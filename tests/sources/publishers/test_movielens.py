import os
import zipfile

import pytest
from pydantic import ValidationError

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import MovieLensSource
from hnlm_ray.sources import Rejects, read_interactions, read_items, source_files
from hnlm_ray.sources.publishers import movielens

FLAGS = "|".join(str(int(genre in {"Crime", "Thriller"})) for genre in movielens.GENRES)
EDITIONS = {
    "movielens_100k": (
        "ml-100k",
        {
            "README": b"SUMMARY\n",
            "u.data": b"1\t50\t5\t978300760\n2\t50\t3\t978302109\n",
            "u.item": f"50|Usual Suspects, The (1995)|14-Aug-1995||http://x|{FLAGS}\n".encode("latin-1"),
        },
    ),
    "movielens_1m": (
        "ml-1m",
        {
            "README": b"SUMMARY\n",
            "ratings.dat": b"1::50::5::978300760\n2::50::3::978302109\n",
            "movies.dat": "50::Usual Suspects, The (1995)::Crime|Thriller\n"
            "73::Misérables, Les (1995)::Drama|Musical\n".encode("latin-1"),
            "users.dat": b"1::F::1::10::48067\n",
        },
    ),
    "movielens_latest": (
        "ml-latest-small",
        {
            "README.txt": b"Summary\n",
            "ratings.csv": b"userId,movieId,rating,timestamp\n1,50,5.0,978300760\n2,50,3.0,978302109\n",
            "movies.csv": 'movieId,title,genres\n50,"Usual Suspects, The (1995) ",Crime|Thriller\n'
            "9,Nocturnal,(no genres listed)\n73,Amélie (2001),Comedy\n".encode(),
            "tags.csv": b"userId,movieId,tag,timestamp\n1,50,funny,1445714994\n",
            "links.csv": b"movieId,imdbId,tmdbId\n50,0114709,862\n",
        },
    ),
}


def write(tmp_path, edition, place):
    folder, files = EDITIONS[edition]
    if place == "folder":
        (tmp_path / folder).mkdir()
        for name, data in files.items():
            (tmp_path / folder / name).write_bytes(data)
        return str(tmp_path / folder)
    with zipfile.ZipFile(tmp_path / f"{folder}.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{folder}/{name}", data)
            archive.writestr(f"__MACOSX/{folder}/{name}", b"clutter")
    return str(tmp_path / f"{folder}.zip")


def rows(reader, source):
    rejects = Rejects()
    found = [row for table in reader(source, rejects) for row in table.to_pylist()]
    assert not rejects.by_reason
    return found


@pytest.mark.parametrize("place", ["folder", "zip"])
@pytest.mark.parametrize("edition", EDITIONS)
def test_every_edition_gives_the_same_from_its_folder_and_its_zip(tmp_path, edition, place):
    source = MovieLensSource(format=edition, path=write(tmp_path, edition, place), max_bad_share=0)
    found = rows(read_interactions, source)
    assert [(row["user_id"], row["item_id"], row["rating"], row["timestamp"]) for row in found] == [
        ("1", "50", 5.0, 978300760),
        ("2", "50", 3.0, 978302109),
    ]
    first, *others = rows(read_items, source)
    assert first == {
        "item_id": "50",
        "title": "The Usual Suspects",
        "attributes": [("genres", "Crime, Thriller"), ("year", "1995")],
        "text": None,
    }
    assert [(row["title"], row["attributes"]) for row in others] == {
        "movielens_100k": [],
        "movielens_1m": [("Les Misérables", [("genres", "Drama, Musical"), ("year", "1995")])],
        "movielens_latest": [("Nocturnal", []), ("Amélie", [("genres", "Comedy"), ("year", "2001")])],
    }[edition]
    assert len(source_files(source)) == (2 if place == "folder" else 1)


@pytest.mark.parametrize("place", ["folder", "zip"])
def test_another_edition_s_files_are_named(tmp_path, place):
    path = write(tmp_path, "movielens_latest", place)
    with pytest.raises(
        SourceError, match=r"has not ratings.dat and movies.dat; its files are those of movielens_latest"
    ):
        source_files(MovieLensSource(format="movielens_1m", path=path))
    with pytest.raises(SourceError, match=r"neither u.data and u.item nor ml-100k.inter .* those of movielens_latest"):
        source_files(MovieLensSource(format="movielens_100k", path=path))


def test_a_zip_that_is_none_or_is_not_there(tmp_path):
    source = MovieLensSource(format="movielens_1m", path=str(tmp_path / "ml-1m.zip"))
    with pytest.raises(SourceError, match="there is no file"):
        source_files(source)
    (tmp_path / "ml-1m.zip").write_bytes(b"PK nonsense")
    with pytest.raises(SourceError, match=r"can't be read as zip .*fetch it again"):
        source_files(source)


def test_only_100k_is_embedded():
    with pytest.raises(ValidationError, match="path 'embedded' holds movielens_100k, not movielens_1m"):
        MovieLensSource(format="movielens_1m")


def test_a_folder_that_is_called_like_a_zip_s_content_needs_no_slash(tmp_path):
    path = write(tmp_path, "movielens_1m", "folder")
    found = source_files(MovieLensSource(format="movielens_1m", path=path + "/"))
    assert [os.path.basename(file.name) for file in found] == ["ratings.dat", "movies.dat"]
