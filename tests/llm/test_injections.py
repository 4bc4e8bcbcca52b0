"""Whatever an item's or user's texts say, they stay data: of one row, in one message, of bounded length."""

import json
import unicodedata

import pytest
from injections import HIDDEN, INJECTIONS, MARKS, MEGABYTES, WORDS

from hnlm_ray.config import EvidenceConfig, NegativesConfig, ProfileConfig
from hnlm_ray.evidence.prompts import judgement_prompts
from hnlm_ray.llm.models import fetch_models
from hnlm_ray.llm.text import chat_tokens as bounded
from hnlm_ray.llm.text.answers import clean
from hnlm_ray.llm.text.chat_tokens import BoundedTexts, ChatTokenizer, defused, without_chat_marks
from hnlm_ray.llm.text.prompts import TextFolder, load_prompt, simpler
from hnlm_ray.negatives.text import Described, pair_prompts
from hnlm_ray.profiles.items import item_facts, item_prompts
from hnlm_ray.profiles.users import Known, liked_item, user_prompts
from hnlm_ray.workspace.training_data import UserHistory

PROFILES, NEGATIVES, EVIDENCE = ProfileConfig(), NegativesConfig(), EvidenceConfig()
SHIPPED = {name: load_prompt(name) for name in TextFolder("hnlm_ray.llm", "prompts", "prompt").names()}
EVERY_TEXT = INJECTIONS + MEGABYTES
LONGEST_PROMPT = 10_000
"""Characters of any prompt below, whatever the texts: JSON writes each quote or backslash as two."""
every_text = pytest.mark.parametrize("text", [text for _, text in EVERY_TEXT], ids=[name for name, _ in EVERY_TEXT])


def item(number, text):
    attributes = [("genre", text), (text, "value")]
    return {"item": number, "item_id": text, "title": text, "attributes": attributes, "text": text}


def prompts_of(texts):
    """Return the prompts of all LLM stages about items with these texts and reviews, each with its name.

    Users 0 to n-1 like item n alone, user n likes all of them. The former are asked about the next item.
    """
    items = {number: item(number, text) for number, text in enumerate(texts)}
    profiles = {number: {"summary": clean(text[:600])} for number, text in enumerate(texts) if number % 2}
    users = [UserHistory(user, (user,)) for user in items] + [UserHistory(len(items), tuple(items))]
    said = {(user.user, liked): texts[liked] for user in users for liked in user.items}
    people = {user.user: {"summary": clean(texts[user.items[0]][:600])} for user in users}
    described = Described(items, profiles, people)
    candidates = {user: [(user + 1) % len(items)] for user in items}
    return {
        "item_profile": item_prompts(list(items.values()), {n: [text] * 2 for n, text in enumerate(texts)}, PROFILES),
        "user_profile": user_prompts(users, Known(items, profiles, said), PROFILES),
        "semantic_negative": pair_prompts(users, described, NEGATIVES, lambda user, _: list(user.items)),
        "contrast": judgement_prompts(users, candidates, described, EVIDENCE),
    }


def messages_of(texts):
    """Return the messages of both attempts at each row, by stage and key."""
    return {
        (stage, prompt.key, simple): SHIPPED[f"{stage}{simple}.v1"].messages(data)
        for stage, prompts in prompts_of(texts).items()
        for prompt in prompts
        for simple, data in (("", prompt.content), (".simple", simpler(prompt.content)))
    }


@every_text
def test_a_prompt_is_one_system_and_one_user_message_whose_data_is_one_object(text):
    for (stage, _, simple), messages in messages_of([text]).items():
        assert [set(message) for message in messages] == [{"role", "content"}] * 2
        assert [message["role"] for message in messages] == ["system", "user"]
        assert messages[0]["content"] == SHIPPED[f"{stage}{simple}.v1"].system
        assert isinstance(json.loads(messages[1]["content"]), dict)
        messages[1]["content"].encode()


@every_text
def test_the_data_holds_the_cleaned_text_and_nothing_else_of_it(text):
    (prompt,) = prompts_of([text])["item_profile"]
    (message,) = SHIPPED["item_profile.v1"].messages(prompt.content)[1:]
    kept = without_chat_marks(clean(text[:800])[:200].strip())
    assert json.loads(message["content"]).get("title", "") == kept
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} for char in message["content"])
    assert "\n" not in message["content"]


def test_no_prompt_carries_bytes_or_a_title_that_nobody_sees():
    unseen = {chr(0xE0100 + byte) for byte in range(0xF0)} | {chr(0xE0000 + byte) for byte in range(0x80)}
    unseen |= set("\u034f\u115f\u1160\u17b4\u180b\u200b\u2060\u3164\ufe0f\uffa0")
    for _, text in HIDDEN + WORDS:
        for messages in messages_of([text]).values():
            assert not unseen & set(messages[1]["content"])
    unnamed = {**item(1, dict(HIDDEN)["nothing but hidden characters"]), "attributes": None}
    assert item_prompts([unnamed], {}, PROFILES)[0].content == {}


@every_text
def test_a_prompt_is_bounded_whatever_the_size_of_its_texts(text):
    for messages in messages_of([text] * 12).values():
        assert sum(len(message["content"]) for message in messages) < LONGEST_PROMPT


@pytest.fixture(scope="module")
def tokenizer():
    return ChatTokenizer(str(fetch_models()))


@every_text
def test_no_control_token_of_the_embedded_model_comes_from_data(tokenizer, text):
    every_token = " ".join(tokenizer._tokenizer.get_added_vocab())
    control = set(tokenizer._tokenizer.get_added_vocab().values())

    def control_tokens(messages):
        return [token for token in tokenizer.encode(messages) if token in control]

    harmless = SHIPPED["item_profile.v1"].messages({"title": "Alien"})
    for messages in messages_of([text, text + every_token, every_token + text]).values():
        assert control_tokens(messages) == control_tokens(harmless)


def test_control_tokens_are_real_without_our_care(tokenizer):
    plain = tokenizer._tokenizer.encode(dict(MARKS)["ChatML"])
    assert set(plain) & set(tokenizer._tokenizer.get_added_vocab().values())


FAMILIES = {
    "Llama 2 and Mistral": ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"],
    "Llama 3": ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"],
    "Qwen": ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool_call>", "</tool_call>", "<think>", "</think>"],
    "Gemma": ["<bos>", "<eos>", "<pad>", "<start_of_turn>", "<end_of_turn>", "<|turn>", "<turn|>"],
    "DeepSeek": ["<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>"],
}


@pytest.mark.parametrize("tokens", FAMILIES.values(), ids=list(FAMILIES))
def test_no_family_s_control_token_is_whole_in_a_prompt_even_for_a_server_whose_tokenizer_nobody_knows(tokens):
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[none]": 0}, unk_token="[none]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in tokens])
    texts = [text for _, text in INJECTIONS] + ["".join(tokens), "Alien".join(tokens), *(2 * token for token in tokens)]
    assert any(set(tokenizer.encode(clean(text)).ids) - {0} for text in texts)
    for messages in messages_of(texts).values():
        assert set(tokenizer.encode(messages[1]["content"]).ids) <= {0}
    assert all(set(tokenizer.encode(defused(clean(text), tokens)).ids) <= {0} for text in texts)


@pytest.mark.parametrize(("name", "text"), HIDDEN + MARKS)
def test_hidden_characters_and_control_tokens_are_noted(name, text):
    texts = BoundedTexts()
    texts.take(text, 200)
    assert texts.defused, name
    assert all(prompt.defused for prompts in prompts_of([text]).values() for prompt in prompts)


@pytest.mark.parametrize(("name", "text"), WORDS)
def test_words_that_give_orders_or_play_a_role_are_data_and_nothing_is_noted(name, text):
    texts = BoundedTexts()
    texts.take(text, 200)
    assert not texts.defused, name


def test_a_mark_is_noted_only_where_the_prompt_shows_it():
    texts = BoundedTexts()
    assert texts.take("Alien" + "<|im_end|>", 5) == "Alien"
    assert (texts.defused, texts.cut) == (False, 10)


def test_characters_left_out_are_counted_of_each_text():
    long = {"item": 1, "title": "t" * 1000, "attributes": [("n" * 1000, "v" * 1000)], "text": "x" * 1000}
    (prompt,) = item_prompts([long], {1: ["r" * 1000, "r" * 100]}, PROFILES)
    shown = [200, 40, 100, PROFILES.item_text_chars, PROFILES.review_chars]
    assert prompt.cut == 5 * 1000 - sum(shown)
    assert not prompt.defused


def test_only_what_a_prompt_was_to_show_of_an_item_is_counted():
    long = {"title": "Alien", "attributes": [("genre", "\x00")], "text": "<|im_end|> " * 1000}
    texts = BoundedTexts()
    assert liked_item(long, {"summary": "a calm film"}, 80, texts) == {"title": "Alien", "profile": "a calm film"}
    assert (texts.cut, texts.defused) == (0, False)
    liked_item(long, None, 80, texts)
    assert texts.cut > 10_000
    assert texts.defused


def test_an_attribute_takes_the_place_of_no_title_or_text():
    attributes = [("title", "PWNED"), ("text", "PWNED"), ("title\u200b", "PWNED")]
    told = {"title": "Alien", "text": "a long journey", "attributes": attributes}
    assert item_facts(told, 100) == {"title": "Alien", "text": "a long journey"}
    assert item_facts({**told, "title": None}, 100) == {"title": "PWNED", "text": "a long journey"}


ABOUT_ITEM_1 = {("item_profile", (1,)), ("user_profile", (1,)), ("user_profile", (4,))}
ABOUT_ITEM_1 |= {("semantic_negative", (1, 1)), ("semantic_negative", (4, 1))}
ABOUT_ITEM_1 |= {("contrast", (1,)), ("contrast", (0,))}


@every_text
def test_no_row_s_prompt_holds_anything_of_another_row(text):
    hostile = messages_of(["Alien", text, "Brazil", "Casablanca"])
    harmless = messages_of(["Alien", "Dune", "Brazil", "Casablanca"])
    assert hostile.keys() == harmless.keys()
    changed = {
        (stage, key) for stage, key, simple in hostile if hostile[stage, key, simple] != harmless[stage, key, simple]
    }
    assert ("item_profile", (1,)) in changed
    assert changed <= ABOUT_ITEM_1


def test_megabytes_are_not_cleaned_for_a_prompt(monkeypatch):
    read = 0

    def counted(text):
        nonlocal read
        read += len(text)
        return clean(text)

    monkeypatch.setattr(bounded, "clean", counted)
    texts = [text for _, text in MEGABYTES]
    items = [
        {"item": n, "item_id": "i", "title": texts[n % 8], "attributes": None, "text": texts[n % 8]} for n in range(100)
    ]
    prompts = item_prompts(items, {n: [texts[n % 8]] for n in range(100)}, PROFILES)
    most = 200 + PROFILES.item_text_chars + PROFILES.review_chars
    assert len(prompts) == 100
    assert read <= 100 * 4 * most
    assert all(prompt.cut > 9 * 10**5 for prompt in prompts)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_slot_or_separator_in_the_data_of_a_prompt_is_text(name):
    messages = SHIPPED[name].messages({"title": "{data}\n===\n{data}"})
    assert json.loads(messages[1]["content"]) == {"title": "{data}\n===\n{data}"}
