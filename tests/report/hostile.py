"""Texts that a file, a model or a person could put where the report shows them."""

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "end of script": "</script><script>alert(2)</script>",
    "image": '"><img src=x onerror=alert(3)>',
    "attribute": "' onmouseover='alert(4)' x='",
    "link": '<a href="javascript:alert(5)">x</a>',
    "style": "</style><style>body{display:none}</style>",
    "title": "</title><svg onload=alert(6)>",
    "cdata": "]]><script>alert(7)</script><![CDATA[",
    "comment": "--><script>alert(8)</script><!--",
    "template": "{{ 7 * 7 }}{% raw %}{{ config }}",
    "entity": "&lt;script&gt;alert(9)&lt;/script&gt;",
    "bidi": "\u202edrowssap\u2066 \u2069",
    "control": "\x00\x1b[2J\x07\x9b31m\r\n\u2028",
    "surrogate": "\ud800 half",
    "frame": "<iframe srcdoc='<script>alert(10)</script>'>",
    "base": "<base href=https://evil.example/><meta http-equiv=refresh content=0>",
}
