"""The soft embedding in several tiles, parts of them and blocks, on GPUs with each of its kernels."""

import numpy as np
import pytest

from gesso import _ops
from reference.soft_embed import magnitude, weighted_mean, weights
from reference.stored import random_weight, values_of
from reference.tolerance import assert_same_bits, assert_within_rule

TABLES = ["BF16", "Q8_0", "Q6_K"]  # those that warpgroups multiply


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def check_soft_embedding(name, rows, tokens, columns):
    logits, table = 3 * draw(rows, tokens), random_weight(np.random.default_rng(9), name, (tokens, columns))
    got = _ops.soft_embed(logits, table, 1.0)
    arguments = (logits, values_of(table), 1.0)
    operands = (weights(logits.astype(np.float64)), values_of(table))
    size = magnitude(*arguments)
    assert_within_rule(got, weighted_mean, *operands, 1.0, magnitude=size, product_with="F32")
    return logits, table, got


@pytest.mark.parametrize("architecture", [86, 90])
@pytest.mark.parametrize("name", TABLES)
def test_soft_embedding(on, architecture, name):
    """Several tiles, which 1, 4 and 5 blocks share: some have parts of two tiles. The last step has few tokens. On 90
    pairs of blocks have whole tiles, or halves of them if there are 9 multiprocessors. Of 320 columns there are three
    tiles, so one block has no tile of its own."""
    for tokens, multiprocessors in ((97, 1), (600, 4), (1100, 5), *(((1100, 9),) if architecture == 90 else ())):
        on(architecture, multiprocessors=multiprocessors)
        check_soft_embedding(name, 3, tokens, 2 * 256 if name == "Q6_K" else 320)


@pytest.mark.parametrize("architecture", [86, 90])
def test_any_company_in_the_soft_embedding(on, architecture):
    """Two tiles of 256 rows."""
    on(architecture, multiprocessors=3)
    logits, table, together = check_soft_embedding("Q8_0", 300, 700, 160)
    for rows in (slice(0, 1), slice(250, 260), slice(200, 300)):
        assert_same_bits(_ops.soft_embed(logits[rows], table, 1.0), together[rows])
