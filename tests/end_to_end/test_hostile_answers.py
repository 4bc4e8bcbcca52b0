"""Hostile answers of a server on their way through the LLM stages: each is the outcome of its own row."""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from html.parser import HTMLParser

import pytest
import yaml
from hostile_answers import HOSTILE_ANSWERS
from hostile_run import TASKS, check_tables, prompts_of, run_to_pool
from hostile_server import HostileServer, chat
from small_run import small_config, write_split
from typer.testing import CliRunner

from hnlm_ray.cli import app
from hnlm_ray.llm.text.answers import parse_answer
from hnlm_ray.workspace.tables import KEYS

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def word_of(messages):
    """Return the word that the answer to a prompt holds, and that no other answer holds."""
    return "word" + hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:12]


def hostile_answer(messages, fields):
    word = word_of(messages)
    kinds = list(HOSTILE_ANSWERS.values())
    return kinds[int(word[-6:], 16) % len(kinds)](list(fields), word)


def answered(asked):
    fields = asked.body["response_format"]["json_schema"]["schema"]["properties"]
    return chat(hostile_answer(asked.body["messages"], fields))


@pytest.fixture(scope="module")
def talked_over(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    with HostileServer(answered) as server:
        http = {"base_url": server.url, "model": "talked-over", "retries": 0}
        changes = {"llm__engine": "http", "llm__http": http, "llm__max_failed_share": 1.0}
        config = small_config(write_split(folder / "data", test_seed=1), folder / "ws", **changes)
        return config, run_to_pool(config)[0]


def outcome_of(task, prompt, max_attempts):
    """Return what the answers to a row's prompts, and they alone, come to, and the words that they hold."""
    words = set()
    for simple in (False, True):
        request = task.request(prompt.key, prompt.content, max_attempts, simple=simple)
        words.add(word_of(request.messages))
        text = hostile_answer(request.messages, request.expected.fields)
        parsed = parse_answer(text, request.expected, finished=True)
        if parsed.status in {"ok", "none"}:
            break
    return parsed, words


def test_a_hostile_answer_is_the_outcome_of_its_own_row_and_of_no_other(talked_over):
    config, workspace = talked_over
    check_tables(config, workspace)
    statuses = Counter()
    for name, task_of in TASKS.items():
        task, table = task_of(config, workspace), workspace.table(name).read().to_pylist()
        rows = {tuple(row[key] for key in KEYS[name]): row for row in table}
        for prompt in prompts_of(task):
            parsed, words = outcome_of(task, prompt, config.llm.max_attempts)
            row = rows[prompt.key]
            fields = {column: parsed.fields.get(field) for field, column in task.columns.items()}
            assert (row["status"], row["error"]) == (parsed.status, parsed.error)
            assert {column: row[column] for column in fields} == fields
            assert set(re.findall("word[0-9a-f]{12}", json.dumps(row))) <= words
        statuses.update(row["status"] for row in table)
    assert {"ok", "none", "invalid", "refused"} <= statuses.keys()


def test_what_hostile_answers_leave_in_the_tables_is_bounded_and_visible(talked_over):
    config, workspace = talked_over
    lengths = {"summary": config.profiles.summary_chars, "negative": config.negatives.name_chars}
    texts = [
        (column, row[column])
        for name, task_of in TASKS.items()
        for row in workspace.table(name).read().to_pylist()
        for column in (*task_of(config, workspace).columns.values(), "error")
        if row[column] is not None
    ]
    assert len(texts) > 100
    for column, text in texts:
        assert len(text) <= lengths.get(column, 200)
        assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} for char in text), ascii(text)
        assert column == "error" or not {"stolen", "first"} & set(text.split())


class Elements(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, page):
        super().__init__()
        self.names, self.attributes, self.text = set(), set(), ""
        self.feed(page)

    def handle_starttag(self, name, attributes):
        self.names.add(name)
        self.attributes |= {key for key, _ in attributes}

    def handle_data(self, text):
        self.text += text


def test_shown_and_reported_hostile_answers_are_text(talked_over, tmp_path):
    config, _ = talked_over
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)))
    said = ""
    for kind, index in [("user", n) for n in range(12)] + [("item", n) for n in range(12)]:
        done = CliRunner().invoke(app, ["show", kind, str(index), "--index", "--config", str(path)])
        assert done.exit_code == 0, done.output
        said += done.output
    assert "<script>" in said or "[bold red]" in said
    assert all(char.isprintable() or char == "\n" for char in said)
    page = tmp_path / "report.html"
    done = CliRunner().invoke(app, ["report", "--config", str(path), "--out", str(page)])
    assert done.exit_code == 0, done.output
    found = Elements(page.read_text(encoding="utf-8"))
    assert re.search("word[0-9a-f]{12}", found.text)
    assert not {"img", "iframe", "base"} & found.names
    assert not [name for name in found.attributes if name.startswith("on")]
