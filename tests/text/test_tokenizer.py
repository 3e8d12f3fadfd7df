"""The native tokenizer against Hugging Face `tokenizers`, on vocabularies that are made here."""

import json
import random
import time
from itertools import pairwise

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from gesso import _ops

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]
CONTROLS = ["<pad>", "<eos>", "<bos>", "<unk>"]
MARKERS = {"<|turn>", "<turn|>", '<|"|>'}  # of the chat format, and so special whatever their type
# Some are prefixes of others, overlap, hold spaces or one character, or are a character that others contain.
SPECIALS = ["<|turn>", "<turn|>", "<s>", "<s><t>", "<s><t>!", "<t>", ">", "a<", " b", "\n\n", "🦙", '<|"|>']
WORDS = ["a", "ab", "abc", "the", "then", "there", "hello", "world", "123", "...", "<a>", "func(x)", "\n", "\n\n", "\t"]
WORDS += ["é", "e\u0301", "café", "naïve", "½", "Cửa", "Việt", "中文", "日本語", "🦙", "👩\u200d👩\u200d👧"]
# Invalid UTF-8: overlong forms, a surrogate, a code point above U+10FFFF, a byte that never occurs, a missing
# continuation byte and a stray one.
BAD_BYTES = ["c0af", "e08080", "f0808080", "eda080", "f4908080", "f5808080", "ff", "e296", "80"]


def make_metadata(tokens, merges, unk="<unk>", **extra):
    """Metadata for `tokens`, pairs of text and type, and for `merges`, pairs of texts."""
    texts = [text for text, _ in tokens]
    metadata = {
        "tokenizer.ggml.model": "gemma4",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.token_type": [kind for _, kind in tokens],
        "tokenizer.ggml.merges": [f"{left} {right}" for left, right in merges],
    }
    if unk is not None:
        metadata["tokenizer.ggml.unknown_token_id"] = texts.index(unk)
    return metadata | extra


def make_reference(metadata):
    """The tokenizer that Hugging Face makes of the same metadata."""
    texts = metadata["tokenizer.ggml.tokens"]
    unk = metadata.get("tokenizer.ggml.unknown_token_id")
    reference = tokenizers.Tokenizer(
        models.BPE(
            vocab={text: i for i, text in enumerate(texts)},
            merges=[tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]],
            byte_fallback=True,
            fuse_unk=True,
            unk_token=None if unk is None else texts[unk],
        )
    )
    reference.normalizer = normalizers.Replace(" ", "▁")
    reference.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    reference.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    types = metadata["tokenizer.ggml.token_type"]
    added = [(text, kind) for text, kind in zip(texts, types, strict=True) if kind in (CONTROL, USER_DEFINED)]
    reference.add_tokens(
        [
            tokenizers.AddedToken(text, special=kind == CONTROL or text in MARKERS, normalized=False)
            for text, kind in added
        ]
    )
    assert reference.get_vocab_size() == len(texts)
    return reference


def reference_encode(reference, text):
    return reference.encode(text, add_special_tokens=False).ids


def train(seed, vocab_size):
    """A vocabulary and its merges, learned from random sentences. Spaces are ▁, and merges may cross words."""
    rng = random.Random(seed)
    sentences = ["▁".join(rng.choices(WORDS, k=rng.randrange(1, 8))) for _ in range(400)]
    learner = tokenizers.Tokenizer(models.BPE())
    learner.train_from_iterator(sentences, trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False))
    model = json.loads(learner.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [tuple(merge) for merge in model["merges"]]


def trained_metadata(seed, vocab_size, byte_tokens=BYTE_TOKENS):
    learned, merges = train(seed, vocab_size)
    special = [(text, CONTROL) for text in CONTROLS] + [(text, USER_DEFINED) for text in SPECIALS]
    taken = set(CONTROLS + SPECIALS)
    normal = [(text, NORMAL) for text in learned if text not in taken]
    return make_metadata(special + [(text, BYTE) for text in byte_tokens] + normal, merges)


def both(metadata):
    return _ops.make_tokenizer(metadata), make_reference(metadata)


TRAINED = {
    "few merges": lambda: trained_metadata(1, 120),
    "more merges": lambda: trained_metadata(2, 400),
    "most merges": lambda: trained_metadata(3, 900),
    "no byte tokens": lambda: trained_metadata(4, 300, byte_tokens=[]),
    "half the byte tokens": lambda: trained_metadata(5, 300, byte_tokens=BYTE_TOKENS[::2]),
}


@pytest.fixture(scope="module", params=TRAINED)
def trained(request):
    return both(TRAINED[request.param]())


@pytest.fixture(scope="module")
def full():
    """A tokenizer and its reference that can spell every character."""
    return both(TRAINED["more merges"]())


@st.composite
def metadata_with_random_merges(draw):
    """Few letters and arbitrary merges: ties, outdated entries of the queue, and several pairs with one result are
    common."""
    letters = draw(st.lists(st.sampled_from(list("ab▁\né中🦙")), min_size=1, max_size=4, unique=True))
    byte_tokens = draw(st.sampled_from([BYTE_TOKENS, BYTE_TOKENS[0x80:], BYTE_TOKENS[:0xA0], []]))
    special = draw(st.lists(st.sampled_from([*SPECIALS, "aa", "b▁", "▁"]), max_size=5, unique=True))
    mergeable = letters + byte_tokens[-3:]
    merges = []
    for _ in range(draw(st.integers(0, 25))):
        left, right = draw(st.sampled_from(mergeable)), draw(st.sampled_from(mergeable))
        if len(left) + len(right) <= 24:
            merges.append((left, right))
            mergeable.append(left + right)
    types = dict.fromkeys(mergeable, NORMAL) | dict.fromkeys(byte_tokens, BYTE) | dict.fromkeys(special, USER_DEFINED)
    tokens = [("<unk>", CONTROL), *types.items()]
    no_unk = len(byte_tokens) == 256 and draw(st.booleans())
    return make_metadata(tokens, merges, unk=None if no_unk else "<unk>")


PIECES = [
    *WORDS,
    *SPECIALS,
    *CONTROLS,
    " ",
    "  ",
    "    ",
    "▁",
    "\r\n",
    "\0",
    "<0x41>",
    "<",
    "<s",
    "<s><t",
    "<|",
    "\ufffd",
]
TEXTS = st.lists(
    st.one_of(st.sampled_from(PIECES), st.text(max_size=4), st.text("ab \né中🦙", max_size=12)), max_size=12
).map("".join)


def draw_ids(data, reference):
    """Ids with many byte tokens. Some of these spell characters, or would if no other token came between."""
    special = [reference.token_to_id(text) for text in ["<unk>", *SPECIALS]]
    any_id = st.integers(0, reference.get_vocab_size() - 1).map(lambda i: [i])
    any_byte = st.integers(0, 255).map(lambda byte: [reference.token_to_id(BYTE_TOKENS[byte])])
    characters = st.text("é中🦙▁a\x7f\u0800\uffff\U0010ffff", min_size=1, max_size=2).map(str.encode)
    spelled = st.one_of(characters, st.sampled_from(BAD_BYTES).map(bytes.fromhex)).map(
        lambda text: [reference.token_to_id(BYTE_TOKENS[byte]) for byte in text]
    )
    runs = data.draw(
        st.lists(st.one_of(any_id, any_byte, spelled, st.sampled_from([[i] for i in special])), max_size=10)
    )
    return [i for run in runs for i in run if i is not None]


def draw_split(data, ids):
    """`ids` cut into pieces, some of them empty."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=8)))
    return [ids[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(ids)], strict=True)]


@given(text=TEXTS)
@settings(max_examples=250)
def test_encode_with_trained_vocabulary(trained, text):
    tokenizer, reference = trained
    assert tokenizer.encode(text) == reference_encode(reference, text)


@given(text=TEXTS)
@settings(max_examples=100)
def test_encode_without_special_tokens(trained, text):
    tokenizer, reference = trained
    reference.encode_special_tokens = True
    try:
        assert tokenizer.encode(text, parse_special=False) == reference_encode(reference, text)
    finally:
        reference.encode_special_tokens = False


@given(metadata=metadata_with_random_merges(), texts=st.lists(TEXTS, min_size=1, max_size=8), data=st.data())
@settings(max_examples=250)
def test_random_vocabulary(metadata, texts, data):
    tokenizer, reference = both(metadata)
    for text in texts:
        assert tokenizer.encode(text) == reference_encode(reference, text)
    ids = draw_ids(data, reference)
    for skip in (True, False):
        assert tokenizer.decode(ids, skip_special_tokens=skip) == reference.decode(ids, skip_special_tokens=skip)


@given(data=st.data())
@settings(max_examples=250)
def test_decode_and_stream(trained, data):
    tokenizer, reference = trained
    ids = draw_ids(data, reference)
    for skip in (True, False):
        assert tokenizer.decode(ids, skip_special_tokens=skip) == reference.decode(ids, skip_special_tokens=skip)
    stream = tokenizer.stream_decoder()
    pieces = [stream.push(piece) for piece in draw_split(data, ids)]
    assert "".join(pieces) + stream.flush() == reference.decode(ids)
    assert stream.flush() == ""


@given(text=st.text())
@settings(max_examples=200)
def test_round_trip(full, text):
    tokenizer, _ = full
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=False) == text.replace("▁", " ")


def test_stream_holds_back_only_byte_runs(full):
    tokenizer, reference = full
    e2, a6, byte_b5 = (reference.token_to_id(f"<0x{byte:02X}>") for byte in (0xE2, 0xA6, 0xB5))
    letter, special = reference.token_to_id("a"), reference.token_to_id("<|turn>")
    stream = tokenizer.stream_decoder()
    assert stream.push([letter]) == "a"
    assert [stream.push([i]) for i in (e2, a6, byte_b5)] == ["", "", ""]  # ⦵ is complete, but a stray byte may follow
    assert stream.push([special]) == ""  # it is skipped, so the run of bytes goes on
    assert stream.push([letter]) == "⦵a"
    assert stream.push([e2, a6, byte_b5, a6]) == "\ufffd" * 4
    assert stream.push([e2]) == "\ufffd"  # the run before is invalid, whatever follows
    assert stream.push([letter, e2]) == "a"
    assert stream.flush() == "\ufffd"
    assert stream.push([letter]) == "a"


def test_added_words_are_text():
    """Markers of the chat format are none, whatever their type; nor are tokens that only fill a hole between ids."""
    tokens = [("<unk>", UNKNOWN), ("<bos>", CONTROL), ("<|tool_call>", USER_DEFINED), ("<|turn>", USER_DEFINED)]
    tokens += [("<word>", USER_DEFINED), ("two▁words", USER_DEFINED), ("a b", USER_DEFINED), ("<hole>", UNUSED)]
    tokens += [("<0xC3>", BYTE), ("<0xA9>", BYTE), ("a", NORMAL)]
    tokenizer = _ops.make_tokenizer(make_metadata(tokens, []))
    assert [i for i in range(len(tokens)) if tokenizer.is_special(i)] == [0, 1, 2, 3, 7]
    for ids, text in (
        ([4, 10, 5, 6], "<word>atwo wordsa b"),
        ([1, 10, 2, 4, 3, 0, 7], "a<word>"),
        ([8, 9, 4, 8, 4], "é<word>\ufffd<word>"),  # a word ends a run of bytes
        ([8, 2, 9, 7, 4], "é<word>"),  # what is skipped does not
    ):
        stream = tokenizer.stream_decoder()
        assert tokenizer.decode(ids) == text
        assert "".join(stream.push([i]) for i in ids) + stream.flush() == text
    assert tokenizer.decode([1, 2, 4, 0], skip_special_tokens=False) == "<bos><|tool_call><word><unk>"
    assert tokenizer.encode("a<word>a b<unk>") == [10, 4, 6, 0]


@pytest.mark.parametrize("unit", ["a", " ", "ab ", "<s>", "<", "🦙é", "\n"])
def test_long_text(full, unit):
    tokenizer, reference = full
    text = unit * (200_000 // len(unit))
    start = time.perf_counter()
    ids = tokenizer.encode(text)
    assert time.perf_counter() - start < 5  # seconds; a quadratic merge would take minutes
    assert ids == reference_encode(reference, text)


def test_pair_listed_twice_has_its_later_rank():
    tokens = [(text, NORMAL) for text in ("<unk>", "a", "b", "c", "ab", "bc")]
    tokenizer, reference = both(make_metadata(tokens, [("a", "b"), ("b", "c"), ("a", "b")]))
    assert tokenizer.encode("abc") == reference_encode(reference, "abc") == [1, 5]


def test_empty(full):
    tokenizer, _ = full
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == ""
    assert tokenizer.stream_decoder().push([]) == ""


def test_no_tokenizer():
    assert _ops.make_tokenizer({"general.architecture": "diffusion-gemma"}) is None


def good_metadata():
    tokens = [(text, CONTROL) for text in CONTROLS] + [("<0x41>", BYTE)] + [(text, NORMAL) for text in ("a", "b", "ab")]
    return make_metadata(tokens, [("a", "b")])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model", "llama", r"model: .*\"gemma4\".* got \"llama\""),
        ("token_type", [3, 3, 3, 3, 6, 1, 1], r"token_type: expected 8 .* got 7"),
        ("token_type", [3, 3, 3, 3, 6, 1, 1, 7], r"token_type\[7\]: .* got 7"),
        ("token_type", [3, 3, 3, 3, 6, 1, 6, 1], r"tokens\[6\]: .*<0x.* got \"b\""),
        ("tokens", [*CONTROLS, "<0xaf>", "a", "b", "ab"], r"tokens\[4\]: .* got \"<0xaf>\""),
        ("tokens", [*CONTROLS, "<0x41>", "a", "a", "ab"], r"tokens\[6\]: .* got \"a\".* 5"),
        ("merges", ["a b", "ab"], r"merges\[1\]: .* one space, got \"ab\""),
        ("merges", ["a  b"], r"merges\[0\]: .* one space, got \"a  b\""),
        ("merges", ["a b "], r"merges\[0\]: .* one space, got \"a b \""),
        ("merges", ["x a"], r"merges\[0\]: left part: .* got \"x\""),
        ("merges", ["a x"], r"merges\[0\]: right part: .* got \"x\""),
        ("bos_token_id", 8, r"bos_token_id: .* 7, got 8"),
        ("eos_token_id", -1, r"eos_token_id: .* 7, got -1"),
        ("unknown_token_id", 2**40, rf"unknown_token_id: .* 7, got {2**40}"),
        ("padding_token_id", 100, r"padding_token_id: .* 7, got 100"),
    ],
)
def test_bad_metadata(key, value, message):
    with pytest.raises(ValueError, match=r"^tokenizer\.ggml\." + message):
        _ops.make_tokenizer(good_metadata() | {f"tokenizer.ggml.{key}": value})


def test_a_merge_whose_result_is_no_token_is_skipped():
    """Real files list such merges. The other merges keep their order."""
    metadata = TRAINED["more merges"]()
    reference = make_reference(metadata)
    texts = metadata["tokenizer.ggml.tokens"]
    merges = metadata["tokenizer.ggml.merges"]
    without = [f"{left} {right}" for left, right in pairwise(texts[300:])]
    without = [merge for merge in without if merge.replace(" ", "") not in texts and merge.count(" ") == 1]
    assert len(without) > 50
    metadata["tokenizer.ggml.merges"] = without[:20] + merges[:50] + without[20:] + merges[50:]
    tokenizer = _ops.make_tokenizer(metadata)
    rng = random.Random(1)
    for _ in range(200):
        text = " ".join(rng.choices(WORDS, k=rng.randrange(1, 20)))
        assert tokenizer.encode(text) == reference_encode(reference, text)


@pytest.mark.parametrize("key", ["model", "token_type", "merges", "unknown_token_id"])
def test_missing_metadata(key):
    metadata = good_metadata()
    del metadata[f"tokenizer.ggml.{key}"]
    with pytest.raises(ValueError, match=f"tokenizer.ggml.{key}"):
        _ops.make_tokenizer(metadata)


@pytest.mark.parametrize("bad", [-1, 8])
def test_decode_refuses_other_ids(bad):
    tokenizer = _ops.make_tokenizer(good_metadata())
    stream = tokenizer.stream_decoder()
    for decode in (tokenizer.decode, stream.push):
        with pytest.raises(ValueError, match=rf"ids\[1\].* 7, got {bad}"):
            decode([5, bad])
    assert stream.push([5]) + stream.flush() == "a"
