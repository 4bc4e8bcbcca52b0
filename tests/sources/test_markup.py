import time

import pytest

from hnlm_ray.sources.markup import plain_markup


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("<b>Toys &amp;amp; Games</b><br />x", "Toys & Games x"),
        ("I <3 you & 2 < 3 > 1, a<b", "I <3 you & 2 < 3 > 1, a<b"),
        ("<script>var a = '<b>';</script><style>p {}</style>shown", "shown"),
        ("&lt;i&gt;twice&lt;/i&gt;", "twice"),
        ("<!-- remark --> y <?php z ?>", "y"),
        ("a\tb\n\nc &nbsp; d", "a b c d"),
        ("cut off <br", "cut off <br"),
    ],
)
def test_markup_reads_as_a_page_shows_it(markup, plain):
    assert plain_markup(markup, 1000) == plain


@pytest.mark.parametrize("bomb", ["<!--", "<", "<a ", "<a b='", "<![", "<script>", "</", "&#x", "<a ' \">", "&"])
def test_no_markup_is_expensive(bomb):
    started = time.monotonic()
    assert len(plain_markup(bomb * 300_000, 5000)) <= 5000
    assert time.monotonic() - started < 5
