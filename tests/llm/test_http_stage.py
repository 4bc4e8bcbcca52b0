"""A whole LLM stage on a real local Ray against a server on loopback."""

import io
import json
import re
import threading
from collections import Counter

import one_ray
import pytest
from hostile_server import HostileServer, chat, error, reply
from rich.console import Console
from small_run import ITEMS, run_pipeline, small_config, write_split

from hnlm_ray.base.errors import InputError, StageError
from hnlm_ray.commands.stages.stage_rows import show_status, stage_row
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.pipeline.status import statuses


def answer(asked):
    """Answer with a text for each field of the schema that is asked for; embed what is to be embedded."""
    if asked.path.endswith("/embeddings"):
        data = [{"index": n, "embedding": [1.0 + len(text), n]} for n, text in enumerate(asked.body["input"])]
        return reply(body={"data": data})
    fields = asked.body["response_format"]["json_schema"]["schema"]["properties"]
    title = re.search(r"Unique Title \d+", json.dumps(asked.body["messages"]))
    return chat(json.dumps(dict.fromkeys(fields, f"{title[0] if title else 'Something'} is calm")))


def server_config(tmp_path, url, **changes):
    source = write_split(tmp_path / "data", test_seed=1)
    server = {"base_url": url, "model": "some-model", "concurrency": 4, "retries": 1, "max_wait_s": 0.2}
    changes = {"llm__engine": "http", "llm__http": server, **changes}
    return small_config(source, tmp_path / "ws", **changes)


def run(config, last="item_profiles"):
    """Run all stages up to one; return the workspace and the names of those that ran."""
    (stage,) = (stage for stage in STAGES if stage.name == last)
    return run_pipeline(config, Console(file=io.StringIO()), only=stage)


def profiles(workspace):
    return workspace.table("item_profiles").read().to_pylist()


@pytest.mark.real
def test_a_pipeline_asks_a_server_for_profiles_negatives_and_vectors(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALL_RUN_KEY", "sk-small-run-0123")
    one_ray.stop()  # the next one's engines have the variable
    with HostileServer(answer) as server:
        config = server_config(tmp_path, server.url, llm__http__api_key_env="SMALL_RUN_KEY", llm__encoder="http:e")
        workspace, _ = run(config, "negative_pool")
        rows = profiles(workspace)
        assert len(rows) == ITEMS
        assert {row["status"] for row in rows} == {"ok"}
        assert {row["model"] for row in rows} == {"http:some-model"}
        assert {(row["tokens_in"], row["tokens_out"]) for row in rows} == {(21, 9)}
        assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer sk-small-run-0123"}
        assert {asked.path for asked in server.asked} == {"/v1/chat/completions", "/v1/embeddings"}
        assert server.most_at_once <= 4
        asked = len(server.asked)
        elsewhere = config.llm.http.model_copy(update={"base_url": "http://127.0.0.1:9", "concurrency": 2})
        moved = config.model_copy(update={"llm": config.llm.model_copy(update={"http": elsewhere})})
        assert run(moved)[1] == []
        assert len(server.asked) == asked
    for path in (tmp_path / "ws").rglob("*"):
        assert path.is_dir() or b"sk-small-run" not in path.read_bytes(), path


@pytest.mark.real
def test_a_server_that_goes_away_stops_the_stage_which_goes_on_with_what_was_left(tmp_path):
    gone = threading.Event()
    bought = []

    def dies(asked):
        if len(bought) >= 12:
            gone.set()
        if gone.is_set():
            return error(401, "revoked")
        bought.append(asked)
        return answer(asked)

    with HostileServer(dies) as server:
        config = server_config(tmp_path, server.url, llm__batch_rows=4)
        with pytest.raises(InputError, match="answers HTTP 401"):
            run(config)
        before = len(bought)
        gone = threading.Event()
        bought.clear()
        server.script = lambda asked: bought.append(asked) or answer(asked)
        workspace, _ = run(config)
    assert before == 12
    assert len(bought) == ITEMS - before
    assert {row["status"] for row in profiles(workspace)} == {"ok"}


@pytest.mark.real
def test_answers_of_models_that_nobody_guides_are_read_as_they_are(tmp_path):
    forms = ["```json\n%s\n```", "<think>{short}?</think>%s", "Here you are: %s\nMore?", '[{"answer": %s}]']

    def unguided(asked):
        """Wrap the answers in what chats put around them; thoughts stand in a field of their own besides."""
        title = re.search(r"Unique Title (\d+)", json.dumps(asked.body["messages"]))
        text = json.dumps({"Summarization": f"{title[0]} is calm", "reasoning": "genre"})
        return chat(forms[int(title[1]) % len(forms)] % text, reasoning_content="hm")

    with HostileServer(unguided) as server:
        config = server_config(tmp_path, server.url, llm__http__structured="none")
        rows = profiles(run(config)[0])
    assert {(row["status"], row["error"], row["attempts"]) for row in rows} == {("ok", None, 1)}
    assert all(re.fullmatch(r"Unique Title \d+ is calm", row["summary"]) for row in rows)
    assert len(server.asked) == ITEMS


@pytest.mark.real
def test_a_stage_whose_first_50_rows_all_fail_alike_asks_no_more_and_goes_on_later(tmp_path):
    def chatty(asked):
        """Talk where a negative is asked for; what else is asked is answered."""
        return chat("Let me \x1b[2J think.") if "hard_negative" in json.dumps(asked.body) else answer(asked)

    with HostileServer(chatty) as server:
        config = server_config(tmp_path, server.url, llm__max_failed_share=0.7)
        run(config, "user_profiles")
        before = len(server.asked)
        with pytest.raises(StageError, match="the first 50 rows all ended as 'invalid'") as caught:
            run(config, "semantic_negatives")
        for told in ("one answer was 'Let me [2J think.'", "llm.http.structured", "--retry failed:invalid"):
            assert told in str(caught.value)
        assert len(server.asked) - before == 3 * 50
        server.script = answer
        rows = run(config, "semantic_negatives")[0].table("semantic_negatives").read().to_pylist()
        assert len(server.asked) - before == 3 * 50 + 30
    assert Counter(row["status"] for row in rows) == {"invalid": 50, "ok": 30}


@pytest.mark.real
def test_answers_that_had_to_be_mended_are_marked_in_their_rows_and_counted_apart(tmp_path):
    def quoted(asked):
        """Put the answers about every third item into single quotes."""
        title = re.search(r"Unique Title (\d+)", json.dumps(asked.body["messages"]))
        value = dict.fromkeys(("summarization", "reasoning"), f"{title[0]} is calm")
        return chat(str(value) if int(title[1]) % 3 == 0 else json.dumps(value))

    with HostileServer(quoted) as server:
        config = server_config(tmp_path, server.url, llm__repair_json=True)
        workspace, _ = run(config)
    rows = profiles(workspace)
    assert {row["status"] for row in rows} == {"ok"}
    assert all(re.fullmatch(r"Unique Title \d+ is calm", row["summary"]) for row in rows)
    mended = [row for row in rows if row["error"] == "repaired JSON"]
    assert len(mended) == ITEMS // 3
    assert all(row["error"] is None for row in rows if row not in mended)
    status = next(one for one in statuses(config, workspace) if one.stage.name == "item_profiles")
    assert status.manifest.counts["answers_repaired"] == stage_row(status, workspace)["repaired"] == len(mended)
    shown = Console(file=io.StringIO(), width=200)
    show_status(shown, "ws", [stage_row(status, workspace)])
    assert f"{ITEMS} ok ({len(mended)} repaired)" in shown.file.getvalue()


@pytest.mark.real
def test_a_missing_key_and_a_missing_server_are_one_sentence(tmp_path):
    config = server_config(tmp_path, "http://127.0.0.1:9/v1", llm__http__api_key_env="NO_SUCH_KEY_HERE")
    with pytest.raises(InputError, match="NO_SUCH_KEY_HERE"):
        run(config)
    config = server_config(tmp_path, "http://127.0.0.1:9/v1")
    with pytest.raises(StageError, match=r"no server answers at http://127.0.0.1:9/v1"):
        run(config)
    chunks = tmp_path / "ws/tables/item_profiles"
    assert not [*chunks.glob("*/*.parquet"), *chunks.glob("*/*.asked.json")], "a part, or a mark of suspicion"
