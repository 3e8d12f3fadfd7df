"""A chat template is a program from a stranger: whatever it does ends soon, in little memory, in an error that names
the limit."""

import resource
from pathlib import Path

import pytest

from gesso.calls import reader
from gesso.templates import budget, chat_template
from gesso.templates.budget import MAX_BRANCHING, MAX_DEPTH, MAX_INT_BITS, MAX_SOURCE, MAX_STEPS

MESSAGES = [{"role": "user", "content": "hi"}]


def in_loop(body, rounds=60, start="'ab'"):
    return f"{{% set n = namespace(x={start}) %}}{{% for i in range({rounds}) %}}{body}{{% endfor %}}{{{{ n.x }}}}"


STEPS = {
    "nested loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "loops that run no body": "{% for a in range(99) %}{% for b in range(99999) if false %}{% endfor %}{% endfor %}",
    "a macro that calls itself twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
    "{{ f(60) }}",
    "blocks that call each other": "".join(
        f"{{% block b{i} %}}{{{{ self.b{i + 1}() }}}}{{{{ self.b{i + 1}() }}}}{{% endblock %}}" for i in range(40)
    )
    + "{% block b40 %}{% endblock %}",
    "doubling with ~": in_loop("{% set n.x = n.x ~ n.x %}"),
    "doubling with +": in_loop("{% set n.x = n.x + n.x %}"),
    "doubling with join": in_loop("{% set n.x = [n.x, n.x] | join %}"),
    "doubling with a block": in_loop("{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}"),
    "doubling with format": in_loop("{% set n.x = '{0}{0}'.format(n.x) %}"),
    "doubling with %": in_loop("{% set n.x = '%s%s' % (n.x, n.x) %}"),
    "doubling a list": in_loop("{% set n.x = n.x + n.x %}", start="[1]"),
    "a list in a list": in_loop("{% set n.x = [n.x, n.x] %}"),
    "a tuple in a tuple": in_loop("{% set n.x = (n.x, n.x) %}"),
    "a dict in a dict": in_loop("{% set n.x = dict(a=n.x, b=n.x) %}"),
    "a product of strings": "{{ 'a' * 10**9 }}",
    "a product of lists": "{{ ([0] * 10**9) | length }}",
    "a wide number": "{{ '%1000000000d' | format(1) }}",
    "a wide number with *": "{{ '%*d' % (1000000000, 1) }}",
    "a precise number": "{{ '%.1000000000f' % 1.5 }}",
    "a field used often": "{{ ('%(a)s' * 10000) % {'a': 'x' * 10000} }}",
    "a wide field": "{{ '{:1000000000}'.format(1) }}",
    "a width in a field": "{{ '{:{}}'.format(1, 1000000000) }}",
    "a test that calculates": "{{ '%1000000000d' is odd }}",
    "center": "{{ 'a' | center(10**9) }}",
    "a filter block": "{% filter center(10**9) %}a{% endfilter %}",
    "a constant of autoescape": "{% autoescape 'a' | center(10**9) %}{% endautoescape %}",
    "ljust": "{{ 'a'.ljust(10**9) }}",
    "indent": "{{ 'a' | indent(10**9, true) }}",
    "batch": "{{ [1] | batch(10**9, 'x') | list }}",
    "slice": "{{ [1] | slice(10**9) | list }}",
    "replace": "{{ ('a' * 9999) | replace('a', 'b' * 99999) }}",
    "replace nothing": "{{ ('a' * 9999).replace('', 'b' * 99999) }}",
    "a long separator": "{{ range(99999) | join('b' * 99999) }}",
    "a long separator of JSON": "{{ range(9999) | list | tojson(separators=('x' * 99999, ':')) }}",
    "deep JSON": in_loop("{% set n.x = [n.x] %}", start="range(9999) | list") + "{{ n.x | tojson(indent=99) }}",
    "a sum of lists": "{{ ([[1, 2, 3, 4, 5]] * 90000) | sum(start=[]) | length }}",
    "filters of filters": "{{ range(99999)" + " | map('abs')" * 30 + " | list | length }}",
    "comparisons": "{% set a = 'a' * 999999 %}{% for i in range(9999) %}{{ a ~ 'b' == a ~ 'c' }}{% endfor %}",
    "a search in a range": "{% for i in range(9999) %}{{ 'x' in range(99999) }}{% endfor %}",
    "slices of a list": "{% set a = range(99999) | list %}{% for i in range(99999) %}{{ a[1:] | length }}{% endfor %}",
    "a list of characters": "{{ ('a' * 10**7) | list | length }}",
    "cycler": "{% set c = cycler(1) %}{% for i in range(99999) %}" + "{{ c.next() }}" * 9 + "{% endfor %}",
    "much text": "{% for i in range(99999) %}" + "x" * 60000 + "{% endfor %}",
    "the time": "{{ strftime_now('%c' * 10**6) | length }}",
}
DEPTH = {
    "a macro": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a loop": "{% for x in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}",
}
BITS = {
    "powers": "{{ 10 ** (10 ** 4) ** 4 }}",
    "a power": "{{ 2 ** 100000 }}",
    "products": in_loop("{% set n.x = n.x * n.x %}", start="3"),
    "sums": in_loop("{% set n.x = n.x + n.x %}", rounds=9999, start="3"),
    "hexadecimal digits": "{{ ('f' * 99999) | int(0, 16) }}",
}
REFUSED = {
    "lipsum": "{{ lipsum(n=200000) }}",
    "zfill": "{{ 'a'.zfill(10**9) }}",
    "translate": "{{ 'a'.translate({97: 'b' * 99999}) }}",
    "bytes": "{{ 'a'.encode() }}",
    "to_bytes": "{{ (5).to_bytes(10**9, 'big') }}",
    "fromkeys": "{{ {}.fromkeys(range(99999), 1) }}",
    "round": "{{ 1.5 | round(10**9, 'ceil') }}",
    "an indentation of JSON": "{{ [[[1]]] | tojson(indent=10**9) }}",
    "a range": "{{ range(10**9) | length }}",
}
COMPILED = {
    "a long source": (" " * (MAX_SOURCE + 1), f"at most {MAX_SOURCE} characters"),
    "parentheses": ("{{ " + "(" * 20000 + "1" + ")" * 20000 + " }}", "recursion"),
    "not not": ("{{ " + "not " * 9999 + "1 }}", "recursion"),
    "loops in loops": ("{% for x in y %}" * 30 + "{% endfor %}" * 30, "too many statically nested blocks"),
    "a sum": ("{{ 1" + "+1" * 20000 + " }}", "recursion"),
    "digits": ("{{ " + "9" * 60000 + " }}", "integer string conversion"),
    "names and branches": (
        "".join(f"{{%set a{i}=1%}}" for i in range(1500)) + "{%if x%}{%endif%}" * 1500,
        f"limit of {MAX_BRANCHING}",
    ),
    "a filter that is left out": ("{{ messages | pprint }}", "line 1: No filter named 'pprint'"),
}


def error_of(source):
    with pytest.raises(ValueError, match="^chat template: ") as error:
        chat_template.render(chat_template.compile_template(source), {"messages": MESSAGES}, {})
    return str(error.value)


@pytest.fixture(scope="module", autouse=True)
def no_memory_to_spare():
    """A template that is not stopped fails here with MemoryError, instead of filling the machine's memory."""
    old = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, old)


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(budget, "MAX_STEPS", 20_000)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("name", STEPS)
def test_work_is_bounded(name):
    assert "LimitError: it needs more time or memory than its limit of " in error_of(STEPS[name])


@pytest.mark.parametrize("name", DEPTH)
def test_depth_is_bounded(name):
    assert f"LimitError: its macros call each other more than {MAX_DEPTH} deep" in error_of(DEPTH[name])


def test_three_macros_may_be_called_for_each_list_in_a_tool_call():
    source = (
        "{% macro a(v) %}{{ b(v) }}{% endmacro %}{% macro b(v) %}{{ c(v) }}{% endmacro %}"
        "{% macro c(v) %}[{% for x in v %}{{ a(x) }}{% endfor %}]{% endmacro %}{{ a(messages[0]) }}"
    )
    value = []
    for _ in range(reader.MAX_DEPTH - 1):
        value = [value]
    rendered = chat_template.render(chat_template.compile_template(source), {"messages": [value]}, {})
    assert rendered == "[" * reader.MAX_DEPTH + "]" * reader.MAX_DEPTH


@pytest.mark.parametrize("name", BITS)
def test_numbers_are_bounded(name):
    assert f"LimitError: it makes a number of more than {MAX_INT_BITS} bits" in error_of(BITS[name])


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_template_needs_is_refused(name):
    assert "LimitError" not in error_of(REFUSED[name])


@pytest.mark.parametrize("name", COMPILED)
def test_compiling_is_bounded(name):
    source, message = COMPILED[name]
    assert message in error_of(source)


def test_namespaces_are_not_written_out():
    body = "{% set n.x = namespace(a=n.x, b=n.x) %}"
    compiled = chat_template.compile_template(in_loop(body))
    assert chat_template.render(compiled, {"messages": MESSAGES}, {}) == "<Namespace>"


def test_a_long_conversation_is_no_attack():
    # For each message the template walks over all messages, as published ones do.
    source = (
        "{% for m in messages %}{% set n = namespace(x=0) %}{% for k in messages %}{% if k.role == m.role %}"
        "{% set n.x = n.x + 1 %}{% endif %}{% endfor %}{{ m.content | trim }}{{ n.x }};{% endfor %}"
    )
    messages = [{"role": "user", "content": f" word {i} "} for i in range(150)]
    text = chat_template.render(chat_template.compile_template(source), {"messages": messages}, {})
    assert text == "".join(f"word {i}150;" for i in range(150))


def test_a_long_message_is_no_attack():
    content = "word " * 600_000
    assert len(content) > MAX_STEPS
    source = "{% for m in messages %}{{ m.content | trim }}{{ m.content.split('|') | join('|') | length }}{% endfor %}"
    given = {"messages": [{"role": "user", "content": content}]}
    assert chat_template.render(chat_template.compile_template(source), given, {}) == content.strip() + "3000000"


def test_the_limit_says_what_it_depends_on():
    # Six values: the list, the dict and its four strings, which have 17 characters.
    message = error_of(in_loop("{% set n.x = n.x ~ n.x %}"))
    limit = MAX_STEPS + budget.STEPS_PER_ITEM * 6 + budget.STEPS_PER_CHARACTER * 17
    assert f"limit of {limit} steps allows: {MAX_STEPS} steps, {budget.STEPS_PER_ITEM} for each value" in message
    assert "A long conversation may be the cause" in message


def test_values_that_hold_themselves():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="holds itself"):
        chat_template.render(chat_template.compile_template("{{ x }}"), {"x": loop}, {})
