"""Sources: which files, and which column holds what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hnlm_ray.config.base import Probability, Section


class FileFormat(Section):
    """How one delimited, JSON-lines or Parquet file is written."""

    path: str = Field(description="File, or a glob of files, local or s3:// gs://.")
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet"] = Field(
        "auto", description="Taken from the file's name when 'auto'."
    )
    separator: str | None = Field(None, min_length=1, max_length=4, description="CSV only; one or more characters.")
    encoding: str = Field("utf-8", description="Text encoding, as Python names it.")
    compression: Literal["auto", "none", "gzip", "bz2", "xz", "zip"] = Field("auto")
    member: str | None = Field(None, description="Zip only: the file inside, where the archive holds several.")
    header: bool = Field(default=True, description="False: columns are called as in names, or '0', '1', ...")
    names: tuple[str, ...] = Field((), description="Names of all columns of a file without a header.")
    quoting: bool = Field(default=True, description='CSV only; False: a " is an ordinary character.')


class InteractionColumns(Section):
    """Which column of the file holds what; rating and timestamp are optional (event logs)."""

    user: str = "user_id"
    item: str = "item_id"
    rating: str | None = None
    timestamp: str | None = Field(None, description="Seconds or milliseconds since 1970, or a date text.")


class ItemColumns(Section):
    """Which columns of the item file describe an item."""

    item: str = "item_id"
    title: str | None = "title"
    attributes: tuple[str, ...] = Field((), description="Short facts (genre, brand, year, ...), shown as JSON.")
    text: tuple[str, ...] = Field((), description="Longer texts (description, synopsis), joined and cut.")


class InteractionFile(FileFormat):
    """The file of interactions."""

    columns: InteractionColumns = InteractionColumns()
    time_format: str | None = Field(None, description="strptime format of a textual timestamp; ISO 8601 when absent.")


class ItemFile(FileFormat):
    """The file of items."""

    columns: ItemColumns = ItemColumns()


class SourceBase(Section):
    """What every source has."""

    max_bad_share: Probability = Field(0.01, description="Share of unreadable lines above which the stage stops.")


class MovieLensSource(SourceBase):
    """MovieLens 100K: the publisher's files (u.data, u.item) or RecBole's atomic files (.inter, .item)."""

    format: Literal["movielens_100k"]
    path: str = Field("embedded", description="Folder with the files; 'embedded' takes the recbole wheel's copy.")


class SplitFilesSource(SourceBase):
    """NGCF / LightGCN split files: 'user item item ...' a line, given train and test."""

    format: Literal["ngcf"]
    path: str = Field(description="Folder with train.txt and test.txt.")
    items: ItemFile | None = Field(None, description="Titles and attributes of the items, by the ids of the split.")


class TableSource(SourceBase):
    """Any CSV, TSV, JSON-lines or Parquet file, through a column mapping."""

    format: Literal["table"]
    interactions: InteractionFile
    items: ItemFile | None = None


Source = Annotated[MovieLensSource | SplitFilesSource | TableSource, Field(discriminator="format")]
