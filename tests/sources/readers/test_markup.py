import time

import pytest

from hnlm_ray.sources.readers.markup import plain_markup


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
        ("<!-- <b>remark</b> > --> y", "y"),
        ("wow <!!! good, what<? I do", "wow <!!! good, what<? I do"),
        ("if a<b and c, <b>bold", "if a<b and c, bold"),
        ("<p>one<p>two <ul><li>1<li>2</ul> <b>un<i>nested</b></i>", "one two 1 2 un nested"),
        ("<iframe><b>x</b></iframe><noembed><b>x</b></noembed><script/>x</script>y", "y"),
        ("&amp;lt;b&amp;gt; &amp;amp;lt;", "<"),
        ("<b>&amp;amp;</b> AT&T", "& AT&T"),
        ("<a href='x>y' title=\"2 > 1\">z</a>", "z"),
        ("<o:p>made by <x-y>hand</x-y></o:p>\U0001f600", "made by hand \U0001f600"),
    ],
)
def test_markup_reads_as_a_page_shows_it(markup, plain):
    assert plain_markup(markup, 1000) == plain


@pytest.mark.parametrize("odd", ["\0", "\ud800"])
def test_what_is_no_text_is_left_to_be_refused(odd):
    assert odd in plain_markup(f"<b>x</b>{odd} y", 1000)


BOMBS = [
    "<!--",
    "<",
    "<a ",
    "<a b='",
    "<![",
    "<script>",
    "</",
    "&#x",
    "<a ' \">",
    "&",
    "<b>",
    "<table>",
    "<li>",
    "<div>",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_markup_is_expensive(bomb):
    started = time.monotonic()
    assert len(plain_markup(bomb * 300_000, 5000)) <= 5000
    assert time.monotonic() - started < 5


def test_open_tags_that_each_paragraph_repeats_are_not_expensive():
    started = time.monotonic()
    opened = "".join(f"<b id={number}>" for number in range(900))
    assert plain_markup(f"{opened}{'<p>x' * 2500}", 5000).startswith("x x x")
    assert time.monotonic() - started < 5
