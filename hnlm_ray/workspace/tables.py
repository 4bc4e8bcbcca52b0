"""Every table's Arrow schema and column names: the one place where a table is described.

Ids: ``user_id`` and ``item_id`` are the source's own text; ``user`` and ``item`` are dense indices
(int32, 0..n-1) in the order of the vocabulary.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

SPLITS: Final = ("train", "validation", "test")
STATUSES: Final = ("ok", "none", "truncated", "invalid", "refused", "too_long", "engine_error", "no_vector")
"""Outcomes of an LLM row. ``none``: the model said that it can't tell; only ``ok`` carries text or a vector;
``no_vector``: the teacher has none for its user or item."""
LOST: Final = "lost"
"""Status of a CF training whose process was lost, which says nothing of what was trained."""

_USER: Final = pa.field("user", pa.int32(), nullable=False)
_ITEM: Final = pa.field("item", pa.int32(), nullable=False)
_PAIR: Final = (_USER, _ITEM)
_LLM_OUTCOME: Final = [
    pa.field("status", pa.string(), nullable=False),
    pa.field("error", pa.string()),
    pa.field("attempts", pa.int32(), nullable=False),
    pa.field("tokens_in", pa.int32(), nullable=False),
    pa.field("tokens_out", pa.int32(), nullable=False),
    pa.field("prompt_version", pa.string(), nullable=False),  # of the prompt that the outcome came from
    pa.field("model", pa.string(), nullable=False),
    # Characters of the row's own data that its prompt left out to keep its limits; whether it held control
    # characters or a chat's control tokens, which were taken out.
    pa.field("prompt_cut", pa.int32(), nullable=False),
    pa.field("prompt_defused", pa.bool_(), nullable=False),
]
_REASONING: Final = pa.field("reasoning", pa.string())
_PROFILE: Final = [pa.field("summary", pa.string()), _REASONING, *_LLM_OUTCOME]


def _curve(*more: pa.Field) -> pa.Field:
    """Return the learning curve: an epoch each, its mean loss, and the compared metric where validation was evaluated.

    A training that diverged or was ended early has one too.
    """
    point = [pa.field("epoch", pa.int32()), pa.field("loss", pa.float64()), pa.field("validation", pa.float64())]
    return pa.field("curve", pa.list_(pa.struct([*point, *more])))


def _interval(name: str, *more: str) -> list[pa.Field]:
    """Return a figure with the ends of its 95% interval, over users, and what more is told of it."""
    return [pa.field(name, pa.float64()), *(pa.field(f"{name}_{end}", pa.float64()) for end in ("low", "high", *more))]


# Of a CF training. config: JSON of the `cf` section. status: ok, pruned (ended early; its figures count), diverged,
# failed, or lost with its process (tune.lost: leave_out); error: why, of all but ok.
_TRAINING: Final = [
    pa.field("config", pa.string(), nullable=False),
    pa.field("status", pa.string(), nullable=False),
    pa.field("error", pa.string()),
    pa.field("epochs", pa.int32(), nullable=False),
    pa.field("best_epoch", pa.int32(), nullable=False),
    pa.field("validation", pa.map_(pa.string(), pa.float64())),
]
# Of one that ended well. skipped_pairs: of users who have a positive with every item. With pair vectors
# alone: the share of training pairs that have one, and how far the adapter moved from its start (relative, L2).
_TRAINED: Final = [
    pa.field("skipped_pairs", pa.int64()),
    pa.field("vector_coverage", pa.float64()),
    pa.field("adapter_shift", pa.float64()),
]

TABLES: Final[dict[str, pa.Schema]] = {
    # What a source gave, before any choice. source_split: 'train', 'validation' or 'test' where it came split.
    "raw_interactions": pa.schema(
        [
            pa.field("user_id", pa.string(), nullable=False),
            pa.field("item_id", pa.string(), nullable=False),
            pa.field("rating", pa.float32()),
            pa.field("timestamp", pa.int64()),  # seconds since 1970, UTC
            pa.field("source_split", pa.string()),
            pa.field("review", pa.string()),  # what the user wrote of the item, cut to source.review_chars
        ]
    ),
    "raw_items": pa.schema(
        [
            pa.field("item_id", pa.string(), nullable=False),
            pa.field("title", pa.string()),
            pa.field("attributes", pa.map_(pa.string(), pa.string())),
            pa.field("text", pa.string()),
        ]
    ),
    "rejected_lines": pa.schema(
        [
            pa.field("file", pa.string(), nullable=False),
            pa.field("line", pa.int64(), nullable=False),  # 1 is the file's first line (Parquet: row)
            pa.field("reason", pa.string(), nullable=False),
        ]
    ),
    "interactions": pa.schema(
        [
            *_PAIR,
            pa.field("rating", pa.float32()),
            pa.field("timestamp", pa.int64()),
            pa.field("split", pa.string(), nullable=False),
        ]
    ),
    "users": pa.schema([_USER, pa.field("user_id", pa.string(), nullable=False)]),
    "items": pa.schema(
        [
            _ITEM,
            pa.field("item_id", pa.string(), nullable=False),
            pa.field("title", pa.string()),
            pa.field("attributes", pa.map_(pa.string(), pa.string())),
            pa.field("text", pa.string()),
        ]
    ),
    # What users wrote of items: training rows that have a review, and no others. The files are those of
    # interactions (one a bucket of users).
    "reviews": pa.schema([*_PAIR, pa.field("text", pa.string(), nullable=False)]),
    "item_profiles": pa.schema([_ITEM, *_PROFILE]),
    "user_profiles": pa.schema([_USER, *_PROFILE]),
    "semantic_negatives": pa.schema([*_PAIR, pa.field("negative", pa.string()), _REASONING, *_LLM_OUTCOME]),
    # What the LLM is to judge: items that a sampler of hard negatives meets for the user, in the order of their numbers
    # in the prompt. logits: of the false-negative model, 0 is its decision point. mass: the sum of 4 p (1 - p), by
    # which users are chosen. tokens: what the prompt and its longest answer take, as estimated.
    "candidates": pa.schema(
        [
            _USER,
            pa.field("items", pa.list_(pa.int32()), nullable=False),
            pa.field("logits", pa.list_(pa.float32()), nullable=False),
            pa.field("mass", pa.float64(), nullable=False),
            pa.field("tokens", pa.int64(), nullable=False),
        ]
    ),
    # candidates: as they were listed. verdicts: on each of them, 1 wanted, 0 unsure, -1 not wanted, null: none; where
    # the answer is to the simpler prompt, on the first ones that it lists alone. Then how many candidates have no
    # entry in the answer, an entry that is no verdict, or two; and how many entries are for a number not listed.
    "judgements": pa.schema(
        [
            _USER,
            pa.field("candidates", pa.list_(pa.int32()), nullable=False),
            pa.field("verdicts", pa.list_(pa.float32())),
            pa.field("reasons", pa.list_(pa.string())),
            pa.field("missing", pa.int32()),
            pa.field("malformed", pa.int32()),
            pa.field("repeated", pa.int32()),
            pa.field("unknown", pa.int32()),
            *_LLM_OUTCOME,
        ]
    ),
    # The teacher's space: null where your own embeddings lack a user or item.
    "teacher_users": pa.schema([_USER, pa.field("vector", pa.list_(pa.float32()))]),
    "teacher_items": pa.schema([_ITEM, pa.field("vector", pa.list_(pa.float32()))]),
    # Hard negatives of a training pair in the teacher's ranking of the user: the most similar to the
    # pair's item first. ranks: 1 is the user's best item that is no training item. leads: the positive's
    # score minus the negative's, in standard deviations of the user's scores. guarded: items of the
    # window that were refused as likely false negatives.
    "mined_negatives": pa.schema(
        [
            *_PAIR,
            pa.field("negatives", pa.list_(pa.int32()), nullable=False),
            pa.field("ranks", pa.list_(pa.int32()), nullable=False),
            pa.field("leads", pa.list_(pa.float32()), nullable=False),
            pa.field("guarded", pa.int32(), nullable=False),
        ]
    ),
    # What the LLM learns from: the query's parts (vectors of user and item are the teacher's), the target
    # that it should come near to, and the items that it should stay away from (the positive first).
    "supervision_records": pa.schema(
        [
            *_PAIR,
            pa.field("split", pa.string(), nullable=False),  # 'train' or 'held_out', by user
            pa.field("user_text", pa.string(), nullable=False),
            pa.field("item_text", pa.string(), nullable=False),
            pa.field("target", pa.int32(), nullable=False),
            pa.field("negatives", pa.list_(pa.int32()), nullable=False),
            pa.field("weight", pa.float32(), nullable=False),
            pa.field("provenance", pa.string(), nullable=False),  # how the target was found
        ]
    ),
    # One row an optimiser step; held_out_loss where it was measured. Steps -1 and 0 are measurements alone:
    # of the model as it came, and once the head has its start.
    "finetune_log": pa.schema(
        [
            pa.field("step", pa.int32(), nullable=False),
            pa.field("epoch", pa.float32(), nullable=False),
            pa.field("loss", pa.float64()),
            pa.field("held_out_loss", pa.float64()),
            pa.field("lr", pa.float64(), nullable=False),
            pa.field("tokens", pa.int64(), nullable=False),
            pa.field("seconds", pa.float64(), nullable=False),
        ]
    ),
    # The exported checkpoint: its files below the run's folder.
    "finetuned_model": pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("bytes", pa.int64(), nullable=False),
            pa.field("sha256", pa.string(), nullable=False),
        ]
    ),
    # metrics: by name; a figure that does not exist is absent. Beside those that `hnlm finetune eval` shows:
    # difference, the mrr of the fine-tuned LLM minus the row's, and the ends of the 95% intervals of mrr and
    # difference by user, mrr_low, mrr_high, difference_low, difference_high.
    "finetune_eval": pa.schema(
        [
            pa.field("method", pa.string(), nullable=False),
            pa.field("pairs", pa.int32(), nullable=False),
            pa.field("metrics", pa.map_(pa.string(), pa.float64()), nullable=False),
        ]
    ),
    # vector: in the teacher's space, unit length; only an 'ok' row has one.
    "negative_embeddings": pa.schema(
        [
            *_PAIR,
            pa.field("vector", pa.list_(pa.float16())),
            pa.field("tokens_cut", pa.int32(), nullable=False),  # of the texts, to fit finetune.max_tokens
            *_LLM_OUTCOME,
        ]
    ),
    # One row a training pair. origin: 'own' (its own text was grounded), 'borrowed' (it has the
    # negatives of the user's pair with item `lender`), 'fallback' (none: the base sampler alone).
    # negatives: catalogue items, best first; sources: how each was found, 'exact' or 'fuzzy' (named by its
    # title) or 'nearest' (by the text's vector) for the first, 'neighbour' (next nearest) for the others, and
    # 'embedding' (nearest to the vector in the teacher's space); weights: 1 of a title, negatives.nearest_weight
    # times the cosine of what the text's vector found, the cosine of 'embedding'. vector: the negative in
    # embedding form, of the pair itself or of the user's pair with item `vector_lender`; null: none. verdict:
    # what became of the pair's own text: how its first item was found, 'ungrounded', or 'training_positive' (it
    # names one, and nothing else is near); null: it has no text.
    "negative_pool": pa.schema(
        [
            *_PAIR,
            pa.field("origin", pa.string(), nullable=False),
            pa.field("lender", pa.int32()),
            pa.field("negatives", pa.list_(pa.int32()), nullable=False),
            pa.field("weights", pa.list_(pa.float32()), nullable=False),
            pa.field("sources", pa.list_(pa.string()), nullable=False),
            pa.field("vector", pa.list_(pa.float16())),
            pa.field("vector_lender", pa.int32()),
            pa.field("verdict", pa.string()),
        ]
    ),
    "trials": pa.schema(
        [
            pa.field("method", pa.string(), nullable=False),
            pa.field("search", pa.int32(), nullable=False),  # 0 .. tune.searches - 1
            pa.field("trial", pa.int32(), nullable=False),
            *_TRAINING,
            pa.field("seconds", pa.float64(), nullable=False),
            pa.field("cpu_seconds", pa.float64(), nullable=False),  # of all processes that worked on it
            # The epoch that its last process went on from: 0, unless it was interrupted.
            pa.field("started_epoch", pa.int32(), nullable=False),
            _curve(pa.field("cpu_seconds", pa.float64())),  # since the start
            *_TRAINED,
        ]
    ),
    # Refits of the winners. per_user: the compared metric for each row of users_test (same order
    # in every row of the table), for paired tests.
    "results": pa.schema(
        [
            pa.field("method", pa.string(), nullable=False),
            pa.field("search", pa.int32(), nullable=False),  # whose winner it is; no two searches share a seed
            pa.field("seed", pa.int64(), nullable=False),
            *_TRAINING,
            pa.field("test", pa.map_(pa.string(), pa.float64())),
            pa.field("per_user", pa.list_(pa.float32())),
            # Whether each test row, by user and then item, is among its user's first max(tune.cutoffs) items.
            pa.field("found", pa.list_(pa.bool_())),
            # The compared metric of test users, or the share of test rows found, by group (cf.evaluate.slices).
            pa.field("slices", pa.map_(pa.string(), pa.float64())),
            # What its lists of all test users show together (hnlm_ray.cf.evaluate.evaluation).
            pa.field("catalogue", pa.map_(pa.string(), pa.float64())),
            # Of the negatives that its sampler draws at the end: the share that rank above their positive, and the
            # share that are held-out positives of their user. Counted after everything else; nothing is chosen by them.
            pa.field("hardness", pa.float64()),
            pa.field("false_negative_share", pa.float64()),
            pa.field("seconds", pa.float64(), nullable=False),
            # After the first epoch and each fifth: the same two of the negatives that the sampler draws then.
            _curve(pa.field("hardness", pa.float64()), pa.field("false_negative_share", pa.float64())),
            *_TRAINED,
        ]
    ),
    # How good the guard's false-negative model is on training positives held out from it, by the features that it has:
    # 'all', 'without text', 'text alone', ... No row where no method of the run has a guard.
    "false_negative_model": pa.schema(
        [
            pa.field("features", pa.string(), nullable=False),
            pa.field("auc", pa.float64(), nullable=False),
            pa.field("log_loss", pa.float64(), nullable=False),
            # Tenths of the pairs by predicted probability: its mean, the share of positives, how many.
            pa.field(
                "bins",
                pa.list_(
                    pa.struct(
                        [
                            pa.field("predicted", pa.float64(), nullable=False),
                            pa.field("observed", pa.float64(), nullable=False),
                            pa.field("questions", pa.int64(), nullable=False),
                        ]
                    )
                ),
                nullable=False,
            ),
        ]
    ),
    # What each sampler draws on one model that stays as it is, for the same training pairs; counted after everything
    # else, and nothing is chosen by it. role: 'reference' (DNS along its M), 'own' (a method with the settings of its
    # winner), 'grid' (other settings of it), 'control' (the settings of the winner of `controls`, but for what the
    # control takes away). reason: why figures or a comparison are not there.
    "frontier": pa.schema(
        [
            pa.field("method", pa.string(), nullable=False),
            pa.field("role", pa.string(), nullable=False),
            pa.field("setting", pa.string(), nullable=False),
            pa.field("controls", pa.string()),
            pa.field("pairs", pa.int64(), nullable=False),
            pa.field("users", pa.int64(), nullable=False),
            *_interval("hardness"),
            *_interval("false_negative_share"),
            # The lowest share that DNS, or two of it by turns, has at that hardness, and how far the own one is below.
            pa.field("reference_share", pa.float64()),
            *_interval("saved", "error", "p"),
            # Of a control: how much more its method saves.
            *_interval("gain", "error", "p"),
            pa.field("reason", pa.string()),
        ]
    ),
    # The model that recommends: the method that is best on validation, trained as recommend.train_on says.
    # positives: how many it was trained on. Users lie by bucket, as in interactions.
    "model_users": pa.schema(
        [
            _USER,
            pa.field("vector", pa.list_(pa.float32()), nullable=False),
            pa.field("positives", pa.int32(), nullable=False),
        ]
    ),
    "model_items": pa.schema(
        [
            _ITEM,
            pa.field("vector", pa.list_(pa.float32()), nullable=False),
            pa.field("positives", pa.int32(), nullable=False),  # 0: a cold item, whose vector no positive shaped
        ]
    ),
    # rank: 1 is the best; score: the dot product of the model's vectors.
    "recommendations": pa.schema(
        [
            _USER,
            pa.field("rank", pa.int32(), nullable=False),
            _ITEM,
            pa.field("score", pa.float32(), nullable=False),
        ]
    ),
}

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "raw_items": ("item_id",),
    "interactions": ("user", "item"),
    "users": ("user",),
    "items": ("item",),
    "reviews": ("user", "item"),
    "item_profiles": ("item",),
    "user_profiles": ("user",),
    "semantic_negatives": ("user", "item"),
    "candidates": ("user",),
    "judgements": ("user",),
    "teacher_users": ("user",),
    "teacher_items": ("item",),
    "mined_negatives": ("user", "item"),
    "supervision_records": ("user", "item"),
    "finetune_log": ("step",),
    "finetuned_model": ("path",),
    "finetune_eval": ("method",),
    "negative_embeddings": ("user", "item"),
    "negative_pool": ("user", "item"),
    "trials": ("method", "search", "trial"),
    "results": ("method", "search", "seed"),
    "false_negative_model": ("features",),
    "frontier": ("method", "role", "controls", "setting"),
    "model_users": ("user",),
    "model_items": ("item",),
    "recommendations": ("user", "rank"),
}
"""The columns that name a row: no two rows of a table agree on them."""

MORE: Final[dict[str, pa.Schema]] = {
    # repeats: how often the pair came, with prepare.repeats weight.
    "interactions": pa.schema([pa.field("repeats", pa.int32(), nullable=False)]),
}
"""Columns that a table has only where a setting asks for them; they are read by name alone."""
