"""Each peer has an environment of its own, with the pins that it needs; made once, then reused."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent.parent
DRIVERS: Final = HERE / "peers"
ENVIRONMENTS: Final = HERE.parent / "build" / "bench"


class PeerMissingError(RuntimeError):
    """A peer can't be installed or started; it is reported and the others go on."""


@dataclass(frozen=True)
class Peer:
    """A library that we are measured against.

    ``pins`` are installed with what they require; ``alone`` after them, without what it requires.
    """

    name: str
    alone: str = ""

    @property
    def pins(self) -> Path:
        """The file of pinned requirements."""
        return DRIVERS / f"{self.name.lower()}.txt"

    @property
    def driver(self) -> Path:
        """The script that this library's own Python runs."""
        return DRIVERS / f"{self.name.lower()}_driver.py"


PEERS: Final = {
    peer.name: peer for peer in (Peer("RecBole", alone="recbole==1.2.1"), Peer("implicit"), Peer("LensKit"))
}


def python_of(peer: Peer, root: Path = ENVIRONMENTS) -> Path:
    """Return the Python of a peer's environment; make it where it isn't there or was made from other pins.

    pip's own configuration counts: no index is named here. PeerMissingError with pip's last words where that fails.
    """
    folder = root / peer.name.lower()
    python, made = folder / "bin" / "python", folder / "made-from"
    wanted = hashlib.sha256(peer.pins.read_bytes() + peer.alone.encode()).hexdigest()
    if made.exists() and made.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing {peer.name} into {folder} (minutes, once)", file=sys.stderr)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], peer)
    _run([*pip, "-r", str(peer.pins)], peer)
    if peer.alone:
        _run([*pip, "--no-deps", peer.alone], peer)
    made.write_text(wanted, encoding="utf-8")
    return python


def _run(command: list[str], peer: Peer) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - commands of this file
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PeerMissingError(f"{peer.name} can't be installed: {said[-1] if said else 'pip said nothing'}")
