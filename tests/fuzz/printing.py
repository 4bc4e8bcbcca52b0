"""What a command may print: no control or direction-changing characters, and of an error one sentence."""

import unicodedata

_JOINER = "\u200d"


def check_printed(done):
    """Check a finished command line: an answer, or one sentence and an exit code."""
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code in {0, 1, 2}, done.exit_code
    for text in (done.stdout, done.stderr):
        odd = {char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - {"\n", _JOINER}
        assert not odd, ascii(sorted(odd))
    assert "unexpected" not in done.stderr
    assert "Traceback" not in done.output
    if done.exit_code and not done.stderr.startswith("Usage: "):
        notes = done.stderr.splitlines()
        first = next(place for place, line in enumerate(notes) if line.startswith("error: "))
        assert all(" is damaged: " in note for note in notes[:first]), done.stderr
        wrong = notes[first + 1 :]  # a configuration has a line for each value
        assert not wrong or ("wrong; mend it" in notes[first] and all(line.startswith("  ") for line in wrong)), (
            done.stderr
        )
    return done
