"""Long texts: Ctrl-C ends their encoding, and a text that cannot fit the context is not encoded at all."""

import signal

import pytest

import gesso
from python.expect import raises

WORDS = "the quick brown fox " * 200_000  # its encoding takes far longer than a signal needs


class Stop(Exception):
    pass


@pytest.fixture
def soon():
    """Starts an alarm that rings again and again. Its second ring raises Stop in the main thread.

    A call that nothing interrupts has ended before the second ring counts, since the first one counts behind it.
    """
    rings = []

    def ring(*_):
        rings.append(None)
        if len(rings) == 2:
            raise Stop

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("call", ["encode", "encode_prompt", "encode_prompt_parts"])
def test_a_signal_ends_encoding(model, soon, call):
    native = model.tokenizer.native
    given = [(WORDS, False), (WORDS, True)] if call == "encode_prompt_parts" else WORDS
    soon()
    try:
        getattr(native, call)(given)
        signal.setitimer(signal.ITIMER_REAL, 0)
        pytest.fail("it was not interrupted")
    except Stop:
        pass


@pytest.mark.parametrize("text", ["x", "the ", "é"])
def test_a_text_that_cannot_fit_is_refused_by_its_length(model, monkeypatch, text):
    """Encoding it would take seconds and gigabytes."""

    def encode(*_):
        raise AssertionError("it was encoded")

    monkeypatch.setattr(gesso.Tokenizer, "encode", encode)
    monkeypatch.setattr(gesso.Tokenizer, "encode_prompt", encode)
    long = text * 10**7
    with raises(gesso.ArgumentError, "^prompts: a text of at least .* tokens is more than the model's context of "):
        model.generate([[5], long])
    with raises(gesso.ArgumentError, "^prompts: a text of at least"):
        model.session().generate(long)
    with gesso.Engine(model) as engine, raises(gesso.ArgumentError, "^prompt: a text of at least"):
        engine.submit(long)
    (refused,) = model.generate_many([long])
    assert isinstance(refused, gesso.ArgumentError)


def test_the_fewest_ids_are_no_more_than_a_text_has(model):
    tokenizer = model.tokenizer
    longest = max((tokenizer.native.token(i) for i in range(tokenizer.vocab_size)), key=len)
    for text in ("", "a", "a b", "the quick", longest, longest * 5, "\u2581" * 9, "🦙"):
        fewest = tokenizer.native.fewest_ids(len(text.encode()))
        assert (fewest > 0) == (text != "") and fewest <= len(tokenizer.encode(text))
    assert tokenizer.native.fewest_ids(10**6) > model.config.max_position_embeddings
