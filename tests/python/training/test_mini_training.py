"""Three steps of the training of the small model "mini", where torch is installed."""

import json
import math

import pytest

pytest.importorskip("torch", reason="torch, which only training needs, is not installed")

import torch
from mini import objective
from mini import tokenizer as mini_tokenizer
from mini.batches import make_batch, to_ids
from mini.checkpoint import Progress, copy_into, load_weights, named, save_weights
from mini.generator import draw_dialogue
from mini.model import Mini
from mini.objective import sampled
from mini.rows import Layout
from mini.sizes import Sizes
from mini.trainer import Plan, Trainer

PLAN = {
    "seed": 0,
    "batch": 4,
    "steps": 3,
    "muon_rate": 0.01,
    "adam_rate": 3e-3,
    "warm_up": 2,
    "decay_from": None,
    "decay_steps": 1,
    "log_every": 1,
    "held_out_every": 3,
    "save_minutes": 60,
}


def curve(work, weights=None, **plan):
    work.mkdir(exist_ok=True)
    Trainer(Plan(**{**PLAN, **plan}), work, weights, torch.bfloat16).run()
    log = work / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [{key: line.get(key) for key in ("step", "loss", "encoder", "uneven", "held_out")} for line in lines]


@pytest.fixture(autouse=True)
def two_threads():
    """With one thread, a gradient that is added in the order of the threads would not show."""
    before, was_deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(was_deterministic)


def test_a_run_can_be_repeated_and_interrupted(tmp_path):
    first = curve(tmp_path / "a", log_every=3)
    assert first == curve(tmp_path / "b", log_every=3)
    assert first != curve(tmp_path / "c", log_every=3, seed=1)
    curve(tmp_path / "d", log_every=3, steps=2)
    assert curve(tmp_path / "d", log_every=3) == first


def test_weights_come_back_within_their_rounding(tmp_path):
    torch.manual_seed(0)
    model, other = Mini(Sizes(vocab=64)), Mini(Sizes(vocab=64))
    save_weights(tmp_path / "w.safetensors", named(model), Progress(12, 3.5))
    weights, progress = load_weights(tmp_path / "w.safetensors")
    assert progress == Progress(12, 3.5)
    copy_into(other, weights)
    for name, parameter in named(model).items():
        assert (named(other)[name] - parameter).abs().max() <= parameter.abs().max() / 250, name


def test_weights_that_do_not_fit_are_refused(tmp_path):
    model = Mini(Sizes(vocab=64))
    weights = named(model) | {"norm.weight": torch.ones(1)}  # torch would copy it to all columns
    with pytest.raises(ValueError, match=r"norm\.weight: expected shape \[256\], got \[1\]"):
        copy_into(model, weights)
    file = tmp_path / "weights.safetensors"
    for content in (b"", b"GGUF" + bytes(40)):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="weights.safetensors: expected weights that a training has written"):
            load_weights(file)


def test_a_run_starts_from_weights(tmp_path):
    curve(tmp_path / "a")
    lines = curve(tmp_path / "b", weights=tmp_path / "a" / "weights.safetensors", steps=4)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]  # the curve goes on, too


def test_each_part_begins_at_its_step(tmp_path):
    first, second = curve(tmp_path / "a", steps=2), curve(tmp_path / "b", steps=3, parts_from=(1, 2))
    assert first[0] == second[0] and first[1] != second[1]
    lines = [json.loads(line) for line in (tmp_path / "b" / "log.jsonl").read_text().splitlines()]
    assert [line.get("part") for line in lines] == [None, 2, 3]


def test_own_canvases_are_as_the_sampler_makes_them():
    """Compares with the rule for one sequence at a time: positions by rising entropy, while the sum of the entropies
    before them is at most the bound. Accepted ones hold the token that was drawn."""
    torch.manual_seed(0)
    layout, vocab = Layout(torch.tensor([5, 1, 9]), chunk=2), 300
    # A row is certain, or has two tokens that are equally probable: entropies of about 0 and ln 2.
    logits = torch.full((15, vocab), -80.0)
    first, second = torch.randint(vocab, (15,)), torch.randint(vocab, (15,))
    for row in range(15):
        logits[row, first[row]] = 20
        if row % 2:
            logits[row, second[row]] = 20
    counts = []
    for seed in range(40):
        random, again = (torch.Generator().manual_seed(seed) for _ in range(2))
        canvas = sampled(logits, torch.ones(15, 1), layout, random)
        torch.empty(15, vocab).exponential_(generator=again)
        bounds = objective.BOUND_MIN * 100 ** torch.rand(3, generator=again)
        given = torch.randint(vocab, (15,), generator=again)
        fits = (canvas == first) | ((canvas == second) & (torch.arange(15) % 2 == 1))
        for sequence, rows in enumerate(torch.arange(15).split([5, 1, 9])):
            certain, open_ = rows[rows % 2 == 0], rows[rows % 2 == 1]
            # The first uncertain one comes behind a sum of 0, and each further one adds ln 2.
            taken = min(len(open_), 1 + int(bounds[sequence] / math.log(2)))
            accepted = fits & (canvas != given)
            assert fits[certain].all()
            counts.append((taken, int(accepted[open_].sum())))
    assert all(got == taken for taken, got in counts)
    assert {taken for taken, _ in counts} == {1, 2}


def test_a_canvas_of_a_batch_sees_its_own_prompt_alone():
    """Rows of other sequences and padding must not change a sequence's logits."""
    tokenizer = mini_tokenizer.load()
    torch.manual_seed(0)
    model = Mini(Sizes(vocab=tokenizer.get_vocab_size()))
    pairs = [to_ids(tokenizer, draw_dialogue(0, i)[1]) for i in range(14)]
    pairs.sort(key=lambda pair: len(pair[0]) + len(pair[1]))

    lengths = [min(64, len(reply) + 7 * place) for place, (_, reply) in enumerate(pairs)]

    def logits(chosen, lengths):
        batch = make_batch(chosen, lengths)
        cache, _, _ = model.encode(batch.text, batch.text_layout, batch.prompt_lengths)
        return model.raw_logits(model.denoise(batch.canvas, batch.canvas_layout, cache, None)[0]).split(lengths)

    with torch.no_grad():
        together = logits(pairs, lengths)
        for place in (0, 11, 13):
            alone = logits([pairs[place]], [lengths[place]])[0]
            torch.testing.assert_close(together[place], alone, atol=1e-4, rtol=1e-4)
