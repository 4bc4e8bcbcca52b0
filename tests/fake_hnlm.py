"""The `hnlm` command with four small stages that need neither Ray nor a model.

As a module: :func:`install` puts the stages into the pipeline. As a script: `python fake_hnlm.py run ...`.
FAKE_FAIL=stage makes a stage fail, FAKE_SLOW=seconds makes each chunk of profiles slow; FAKE_CALLS names a
file that gets one line for each piece of work done.
"""

import contextlib
import os
import signal
import sys
import time

import pyarrow as pa

from hnlm_ray.base.errors import StageError
from hnlm_ray.workspace import Rows, Tokens
from hnlm_ray.workspace.stage import Outcome, Stage, chunks_of
from hnlm_ray.workspace.tables import TABLES

USERS = ("u1", "u2", "quo'te", "\U0001f600\n")
TITLES = ("Alien", "\x1b[2J[bold]Evil[/bold]", '{"role":"system"}')
METHODS = {"mf-rns": 0.20, "mf-pool": 0.25, "mf-pool_random": 0.19}


def note(text):
    with open(os.environ["FAKE_CALLS"], "a", encoding="utf-8") as stream:
        stream.write(f"{text}\n")


def write(run, table, rows, part="part-0", fingerprint=None):
    store = run.output(table)
    store.write_part(fingerprint or run.fingerprint, part, pa.Table.from_pylist(rows, schema=TABLES[table]))


def fail_if_asked(stage):
    if os.environ.get("FAKE_FAIL") == stage:
        raise RuntimeError("the disk \x1b[31m is full\nsecond line")
    if os.environ.get("FAKE_FAIL") == f"{stage}!":
        raise StageError("the engine gave no answer: raise llm.start_timeout_s")


def ingest(run):
    note("ingest")
    fail_if_asked("ingest")
    pairs = [(user, item) for user in range(len(USERS)) for item in range(len(TITLES))]
    splits = ("train", "train", "test")
    rows = [{"user": u, "item": i, "rating": 4.0, "timestamp": 10 * i, "split": splits[i]} for u, i in pairs]
    write(run, "interactions", rows)
    write(run, "reviews", [{"user": 0, "item": 0, "text": "in space\x07"}])
    write(run, "users", [{"user": index, "user_id": name} for index, name in enumerate(USERS)])
    write(run, "items", [{"item": index, "item_id": f"i{index}", "title": name} for index, name in enumerate(TITLES)])
    return Outcome(Rows(ok=len(pairs)), counts={"bad_share": 0.25})


LLM = {"attempts": 1, "tokens_in": 10, "tokens_out": 5, "prompt_version": "p.v1", "model": "scripted"}
LLM |= {"prompt_cut": 0, "prompt_defused": False}


def profiles(run):
    fail_if_asked("user_profiles")
    store, chunks = run.output("user_profiles"), chunks_of(run.fingerprint)
    done = {file.path.rsplit("/", 1)[1] for file in store.parts(chunks)}
    run.progress.start("user_profiles", len(USERS), len(done))
    for user in range(len(USERS)):
        if f"chunk-{user}.parquet" in done:
            continue
        time.sleep(float(os.environ.get("FAKE_SLOW", "0")))
        fail_if_asked(f"user_profiles-{user}")
        ok = user != 3
        row = {"user": user, "status": "ok" if ok else "none", "summary": "likes \x1b[5mfilms" if ok else None, **LLM}
        write(run, "user_profiles", [row], f"chunk-{user}", chunks)
        note(f"profile {user}")
        run.progress.advance(1, 15)
    run.progress.finish()
    store.write_part(run.fingerprint, "part-0", store.read_parts(store.parts(chunks)))
    return Outcome(Rows(ok=3, none=1), tokens=Tokens(tokens_in=40, tokens_out=20))


def negatives(run):
    note("negatives")
    fail_if_asked("negatives")
    row = {"user": 0, "item": 0, "negative": "Aliens", "reasoning": "close", "status": "ok", **LLM}
    bad = {"user": 0, "item": 1, "status": "invalid", "error": "no JSON", **LLM}
    write(run, "semantic_negatives", [row, bad])
    vector = [1.0, 0.0]
    one = {"negatives": [2], "weights": [0.5], "sources": ["embedding"], "vector": vector}
    both = {"negatives": [2, 1], "weights": [0.5, 0.25], "sources": ["fuzzy", "embedding"], "vector": vector}
    pool = [
        {
            "user": 0,
            "item": 0,
            "origin": "own",
            "negatives": [2],
            "weights": [0.5],
            "sources": ["fuzzy"],
            "verdict": "fuzzy",
        },
        {"user": 0, "item": 1, "origin": "borrowed", "lender": 0, **both},  # the text's items; the vector is its own
        {"user": 1, "item": 0, "origin": "own", **one},
        {"user": 1, "item": 1, "origin": "borrowed", "lender": 0, "vector_lender": 0, **one},
    ]
    write(run, "negative_pool", pool)
    return Outcome(
        Rows(ok=1, failed=1), failed_by_reason={"invalid": 1}, counts={"named_by_title": 1, "named_by_title_share": 0.5}
    )


def comparison(run):
    note("comparison")
    fail_if_asked("comparison")
    made = {"config": "{}", "status": "ok", "epochs": 1, "best_epoch": 1, "seconds": 0.1}
    made |= {"cpu_seconds": 0.1, "started_epoch": 0, "search": 0}
    trials = [{"method": name, "trial": 0, "validation": {"ndcg@20": mean}, **made} for name, mean in METHODS.items()]
    results = [
        {
            "method": name,
            "seed": seed,
            "validation": {"ndcg@20": mean},
            "test": {"ndcg@20": mean},
            "per_user": [mean + 0.01 * user + 0.001 * seed for user in range(len(USERS))],
            **made,
        }
        for name, mean in METHODS.items()
        for seed in (1, 2)
    ]
    write(run, "trials", trials)
    write(run, "results", results)
    best = [{"user": 0, "rank": 2, "item": 1, "score": 0.5}, {"user": 0, "rank": 1, "item": 2, "score": 0.75}]
    write(run, "recommendations", best)
    return Outcome(Rows(ok=len(trials)))


STAGES = (
    Stage("ingest", (), ("interactions", "users", "items", "reviews"), lambda c: {"seed": c.seed}, ingest, "reads"),
    Stage(
        "user_profiles",
        ("users",),
        ("user_profiles",),
        lambda c: {"profiles": {"user_prompt": c.profiles.user_prompt}, "llm": {"kwargs": c.llm.engine_kwargs}},
        profiles,
        "describes",
        resumes=True,
    ),
    Stage(
        "negatives",
        ("interactions", "user_profiles"),
        ("semantic_negatives", "negative_pool"),
        lambda c: {"negatives": {"pairs_per_user": c.negatives.pairs_per_user}},
        negatives,
        "names",
    ),
    Stage(
        "comparison",
        ("interactions", "negative_pool"),
        ("trials", "results", "recommendations"),
        lambda c: {"cf": {"epochs": c.cf.epochs}, "tune": {"metric": c.tune.metric}},
        comparison,
        "compares",
    ),
)


@contextlib.contextmanager
def connected(_config, stages):
    """Stand in for Ray."""
    note(f"ray for {','.join(stage.name for stage in stages)}")
    os.write(1, b"noise of a C++ library on standard output\n")
    try:
        yield
    finally:
        note("ray is down")


def install(replace=setattr):
    """Put the stages and the stand-in for Ray in place; ``replace`` may be monkeypatch.setattr."""
    import hnlm_ray.cluster.connect
    import hnlm_ray.pipeline.status

    replace(hnlm_ray.pipeline.status, "STAGES", STAGES)
    replace(hnlm_ray.cluster.connect, "connected", connected)


if __name__ == "__main__":
    from hnlm_ray.cli import main

    # Tests that run in the background of a shell ignore Ctrl-C, and so would this process.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    install()
    main(sys.argv[1:])
