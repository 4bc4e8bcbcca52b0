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
    if done.exit_code:
        assert done.stderr.startswith(("error: ", "Usage: ")), done.stderr[:300]
        assert done.stderr.count("\n") == 1 or done.stderr.startswith("Usage: "), done.stderr
    return done
