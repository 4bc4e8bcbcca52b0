"""Valid files damaged in a few places: what is drawn is small, so that cases are quick and shrink well."""

from hypothesis import strategies as st

PIECES = (
    *(
        b"\0",
        b'"',
        b'""',
        b"'",
        b"\\",
        b"\r",
        b"\r\n",
        b"\n",
        b"\n\n",
        b"\t",
        b",",
        b"|",
        b"::",
        b";",
        b" ",
        b":",
        b"#",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\xc0\x80",
        b"\x85",
        b"\x1a",
    ),
    *(
        b"1e999",
        b"-1e999",
        b"nan",
        b"-inf",
        b"1e-999",
        b"9" * 30,
        b"9" * 5000,
        b"-1",
        b"0x1F",
        b"1_0",
        b"1.",
        b".5",
        b"+1",
    ),
    *(b"0001-01-01", b"9999-12-31T23:59:59-23:59", b"2020-02-30", b"253402300800", b"-99999999999999", b"1582-10-10"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"[" * 300,
        b"{'a':" * 300,
        b'{"a":' * 300,
        b"[]",
        b"{}",
        b"null",
        b"None",
        b"true",
        b"True",
    ),
    *(
        b"\\ud800",
        b"\\u0000",
        b"\\u202e",
        b"\\x00",
        b"\\",
        b"'''",
        b"b'x'",
        b"1j",
        b"__import__('os')",
        b"-" * 300,
        b"~1",
    ),
    *(b"=1+1", b"@SUM(1)", b"\x1b[2J", b"\x9b2J", "\u202e".encode(), "\u2028".encode(), "\U0001f600".encode(), b"\x7f"),
    *(b"../../etc/passwd", b"/etc/passwd", b"C:\\x", b"<script>", b"&#27;", b"&#x110000;", b"&" * 300, b"x" * 3000),
    *(
        b"user_id",
        b"item_id",
        b"&a",
        b"*a",
        b"<<: *a",
        b"!!python/object:os.system",
        b"!!int ",
        b"? ",
        b"- ",
        b"%TAG",
        b"---",
    ),
)

_DAMAGE = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 9999), st.sampled_from(PIECES)),
    st.tuples(st.just("replace"), st.integers(0, 9999), st.sampled_from(PIECES)),
    st.tuples(st.just("insert"), st.integers(0, 9999), st.binary(max_size=6)),
    st.tuples(st.just("flip"), st.integers(0, 9999), st.integers(0, 7)),
    st.tuples(st.just("cut"), st.integers(0, 9999), st.integers(1, 200)),
    st.tuples(st.just("repeat"), st.integers(0, 9999), st.integers(1, 60)),
    st.tuples(st.just("end"), st.integers(0, 9999), st.none()),
)
damages = st.lists(_DAMAGE, min_size=1, max_size=4)


def damaged(data, found):
    """Apply damages to bytes; a place is a share of 10,000 of the length."""
    for kind, share, what in found:
        at = len(data) * share // 10_000
        if kind == "insert":
            data = data[:at] + what + data[at:]
        elif kind == "replace":
            data = data[:at] + what + data[at + len(what) :]
        elif kind == "flip" and data:
            data = data[:at] + bytes([data[at] ^ (1 << what)]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at] + data[at + what :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + 40] * what + data[at:]
        elif kind == "end":
            data = data[:at]
    return data
