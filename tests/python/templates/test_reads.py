"""Which names a template reads from its caller. Those that it only sets for itself are not among them."""

from pathlib import Path

import pytest

from gesso import synth
from gesso.templates.chat_template import compile_template

GIVEN = {"add_generation_prompt", "bos_token", "enable_thinking", "messages", "revision", "tools"}


@pytest.mark.parametrize(
    "path", [Path(synth.__file__).with_name("chat_template.jinja"), Path("tests/golden/chat/other_shape.jinja")]
)
def test_whole_templates(path):
    path = path if path.is_absolute() else Path(__file__).parents[3] / path
    assert compile_template(path.read_text(encoding="utf-8")).variables == GIVEN


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("{% for x in y %}{{ x }}{{ loop.index }}{% endfor %}", "y"),
        ("{% for x in y if x.a %}{% set z = x %}{{ z }}{% else %}{{ w }}{% endfor %}", "w y"),
        ("{% for x in y %}{% set z = x %}{% endfor %}{{ z }}", "y z"),
        ("{% set x = x | default(1) %}{{ x }}", "x"),
        ("{% set x %}{{ y }}{% endset %}{{ x }}", "y"),
        ("{% if a %}{% set b = 1 %}{{ b }}{% endif %}", "a"),
        ("{% if a %}{% set b = 1 %}{% endif %}{{ b }}", "a b"),
        ("{% if a %}{% set b = 1 %}{% else %}{% set b = 2 %}{% endif %}{{ b }}", "a"),
        ("{% if a %}{% set b = 1 %}{% elif c %}{% set b = 2 %}{% else %}{% set b = 3 %}{% endif %}{{ b }}", "a c"),
        ("{% if a %}{% set b = 1 %}{% elif b %}{% endif %}", "a b"),
        ("{% if a %}{{ b }}{% else %}{% set b = 2 %}{% endif %}", "a b"),
        ("{% if x is defined %}{% set k = x %}{% else %}{% set k = 2 %}{% endif %}{{ k }}", "x"),
        ("{% macro f(n, m=k) %}{{ n }}{{ m }}{{ caller() }}{{ kwargs }}{{ w }}{% endmacro %}{{ f(1) }}", "k w"),
        ("{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}", ""),
        ("{% call(u) f() %}{{ u }}{{ w }}{% endcall %}", "f w"),
        ("{% with a = b %}{{ a }}{% endwith %}", "b"),
        ("{% set n = namespace(x=1) %}{% set n.x = 2 %}{{ n.x }}", ""),
        ("{% if a %}{% set n = namespace(x=1) %}{% set n.x = c %}{{ n.x }}{% endif %}", "a c"),
        ("{% if a %}{% for x in y %}{% set b = x %}{% if b %}{{ b }}{% endif %}{% endfor %}{% endif %}", "a y"),
        ("{% if a %}{% set b, c = a %}{{ b }}{{ c }}{% endif %}", "a"),
        ("{% generation %}{{ q }}{% endgeneration %}{% block b %}{{ r }}{% endblock %}", "q r"),
        ("{% filter upper %}{{ q }}{% endfilter %}{{ 'a' if c else d }}", "c d q"),
    ],
)
def test_names(source, names):
    assert sorted(compile_template(source).variables) == names.split()
