"""Sources: which files, and which column holds what."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from hnlm_ray.config.base import Probability, Section

_NULLS: Final = ("NULL", "null", "Null")


def _as_words(given: object) -> object:
    """Take what YAML reads of a list of words: an unquoted NULL (in all its spellings), and numbers."""
    if not isinstance(given, list | tuple):
        return given
    spelt = [_NULLS if word is None else (word,) for word in given]
    return [str(word) if type(word) in {int, float} else word for words in spelt for word in words]


Words = Annotated[tuple[str, ...], BeforeValidator(_as_words)]


class FileFormat(Section):
    """How one delimited, JSON-lines or Parquet file is written."""

    path: str = Field(description="File, or a glob of files, local or s3:// gs://.")
    format: Literal["auto", "csv", "tsv", "jsonl", "literals", "parquet"] = Field(
        "auto", description="Taken from the file's name when 'auto'; literals: a Python dict a line."
    )
    separator: str | None = Field(None, min_length=1, max_length=4, description="CSV only; one or more characters.")
    encoding: str = Field("utf-8", description="Text encoding, as Python names it.")
    compression: Literal["auto", "none", "gzip", "bz2", "xz", "zip"] = Field("auto")
    member: str | None = Field(None, description="Zip only: the file inside, where the archive holds several.")
    header: bool = Field(default=True, description="False: columns are called as in names, or '0', '1', ...")
    names: tuple[str, ...] = Field((), description="Names of all columns of a file without a header.")
    quoting: bool = Field(default=True, description='CSV only; False: a " is an ordinary character.')
    skip_lines: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0, description="Text: lines above the names (or the first row) that are no part of the table; not comments."
    )
    comment: str | None = Field(
        None, min_length=1, max_length=4, description="Text: lines that start with this are no rows, such as '#'."
    )
    missing: Words = Field(
        (), description="Words for a missing value in any column, by exact text, such as [NULL, nan, NA]."
    )


class InteractionColumns(Section):
    """Which column of the file holds what; rating, timestamp and review are optional (event logs)."""

    user: str = "user_id"
    item: str = "item_id"
    rating: str | None = None
    timestamp: str | None = Field(None, description="Seconds (or ms, us, ns) since 1970, or a date text.")
    event: str | None = Field(None, description="What happened (view, cart, purchase); `events` says which rows count.")
    quantity: str | None = Field(None, description="How many; rows with 0 or less (returns) are left out and counted.")
    review: tuple[str, ...] = Field(
        (), description="What the user wrote (summary, text), joined. Only those of training rows reach a prompt."
    )


class ItemColumns(Section):
    """Which columns of the item file describe an item."""

    item: str = "item_id"
    title: str | None = "title"
    attributes: tuple[str, ...] = Field((), description="Short facts (genre, brand, year, ...), shown as JSON.")
    text: tuple[str, ...] = Field((), description="Longer texts (description, synopsis), joined and cut.")


class InteractionFile(FileFormat):
    """The file of interactions, or those of a split: ``path`` then holds the rows to train on."""

    validation_path: str | None = Field(
        None, description="File or glob, written as `path`, whose rows are the validation split (split.method given)."
    )
    test_path: str | None = Field(
        None, description="File or glob, written as `path`, whose rows are the test split (split.method given)."
    )
    columns: InteractionColumns = InteractionColumns()
    time_format: str | None = Field(None, description="strptime format of a textual timestamp; ISO 8601 when absent.")
    rating_values: dict[str, float] = Field(
        {}, description="Numbers of ratings that are words, such as {fresh: 1, rotten: 0}; other words are bad lines."
    )
    rating_range: tuple[float, float] | None = Field(
        None, description="Least and greatest rating; others (99 for 'not rated') are missing and counted."
    )
    decimal: Literal[".", ","] = Field(".", description="Text: the decimal mark of ratings and quantities.")
    time_range: tuple[date, date] | None = Field(
        None,
        description="First and last day (UTC, both inclusive); other times (0, 9999-12-31) are missing and counted.",
    )
    unreadable: Literal["reject", "missing"] = Field(
        "reject",
        description="A rating or time that can't be read: its row is a bad line, or the value is missing and counted.",
    )
    events: Words = Field((), description="Kinds of `columns.event` that count; others are left out, counted.")

    @model_validator(mode="after")
    def _has_the_columns(self) -> InteractionFile:
        if self.rating_values and self.columns.rating is None:
            raise ValueError("rating_values needs columns.rating: the column that holds these words")
        if bool(self.events) != (self.columns.event is not None):
            raise ValueError("events and columns.event go together: which kinds count, and the column that names them")
        for setting, column in (("rating_range", self.columns.rating), ("time_range", self.columns.timestamp)):
            limits = getattr(self, setting)
            if limits is not None and column is None:
                named = "rating" if setting == "rating_range" else "timestamp"
                raise ValueError(f"{setting} needs columns.{named}: the column that it judges")
            if limits is not None and limits[0] > limits[1]:
                raise ValueError(f"{setting} begins behind its end; write the lesser value first")
        return self

    @model_validator(mode="after")
    def _tests_what_it_selects_by(self) -> InteractionFile:
        if self.validation_path is not None and self.test_path is None:
            raise ValueError("validation_path needs test_path: the files of a split that is given")
        return self


class ItemFile(FileFormat):
    """The file of items."""

    columns: ItemColumns = ItemColumns()


class MoreItemsFile(ItemFile):
    """A further file about the same items: what the first file lacks is added, nothing is replaced."""

    link: str | None = Field(
        None, description="Column of the first item file that holds this file's ids; none: the item's id itself."
    )


def _follow_a_first(more: tuple[MoreItemsFile, ...], info: ValidationInfo) -> tuple[MoreItemsFile, ...]:
    if more and "items" in info.data and info.data["items"] is None:
        raise ValueError("more_items needs items: the first file, whose items the further ones describe")
    return more


MoreItems = Annotated[
    tuple[MoreItemsFile, ...],
    AfterValidator(_follow_a_first),
    Field(description="Further files about the same items."),
]


class SourceBase(Section):
    """What every source has."""

    max_bad_share: Probability = Field(0.01, description="Share of unreadable lines above which the stage stops.")
    review_chars: Annotated[int, Field(ge=0, le=100_000)] = Field(
        1000, description="Characters of a review that are kept; 0: reviews are not read."
    )


class MovieLensSource(SourceBase):
    """MovieLens as GroupLens publishes it (100K, 1M, latest), or 100K as RecBole's atomic files."""

    format: Literal["movielens_100k", "movielens_1m", "movielens_latest"]
    path: str = Field(
        "embedded", description="Folder with the files, or the publisher's zip; 'embedded': the recbole wheel's 100K."
    )

    @model_validator(mode="after")
    def _embeds_the_100k_alone(self) -> MovieLensSource:
        if self.path == "embedded" and self.format != "movielens_100k":
            raise ValueError(f"path 'embedded' holds movielens_100k, not {self.format}: name a folder or the zip")
        return self


class AmazonSource(SourceBase):
    """Amazon reviews as McAuley's group publishes them: reviews or 'ratings only' CSV, and metadata."""

    format: Literal["amazon_2014", "amazon_2018", "amazon_2023"]
    reviews: str = Field(
        description="Reviews (JSON lines, .gz or not; 5-core too) or ratings only (.csv): file or glob."
    )
    metadata: str | None = Field(None, description="Metadata of the items (meta_*.json.gz, meta_*.jsonl.gz).")


class YelpSource(SourceBase):
    """The Yelp Open Dataset."""

    format: Literal["yelp"]
    path: str = Field(description="Folder with yelp_academic_dataset_review.json and ..._business.json (.gz or not).")


class SplitFilesSource(SourceBase):
    """NGCF / LightGCN split files: 'user item item ...' a line, given train and test."""

    format: Literal["ngcf"]
    path: str = Field(description="Folder with train.txt and test.txt.")
    items: ItemFile | None = Field(None, description="Titles and attributes of the items, by the ids of the split.")
    more_items: MoreItems = ()


class TableSource(SourceBase):
    """Any CSV, TSV, JSON-lines or Parquet file, through a column mapping."""

    format: Literal["table"]
    fold_ids: tuple[Literal["blanks", "decimals", "zeros", "case", "unicode"], ...] = Field(
        (),
        description="What ids of all files lose so that they fit: blanks around them, '.0' behind whole numbers, "
        "leading zeros, the difference of case, other forms of one character (Unicode NFKC).",
    )
    interactions: InteractionFile
    items: ItemFile | None = None
    more_items: MoreItems = ()


AnySource = MovieLensSource | AmazonSource | YelpSource | SplitFilesSource | TableSource
Source = Annotated[AnySource, Field(discriminator="format")]
SOURCE_FORMATS: Final = tuple(
    name for source in get_args(AnySource) for name in get_args(source.model_fields["format"].annotation)
)
