"""bench/left_out.py: which tokens it takes for the least probable ones, and its table."""

import numpy as np

import left_out


def test_first_kept():
    """Weights of 2^-7, 2^-8, 2^-9 and nearly 1: a share of 2^-6 leaves out three, one of 2^-8 the smallest only."""
    z = np.log2(np.float32([[2**-7, 1, 2**-9, 2**-8], [1, 1, 1, 1]])) * np.float32(np.log(2))
    kept = left_out.first_kept(z)
    assert kept.shape == (len(left_out.SHARES), 2)
    num_left_out = [(z < row[:, None]).sum(axis=1).tolist() for row in kept]
    assert num_left_out == [[3, 0], [1, 0], [0, 0], [0, 0], [0, 0], [0, 0]]


def test_differences():
    differences = left_out.Differences()
    differences.add(np.float32([[0, 1, 0], [0, 0, 3]]), np.float32([[0, 1, 0], [0, 3, 0]]))
    record = differences.record("2^-8")
    assert record["largest_difference"] == 3 and record["argmax_flips"] == 0.5 and record["positions"] == 2
    p = np.exp([3, 0]) / (np.exp(3) + 2)
    np.testing.assert_allclose(record["mean_kl"], (p[0] - p[1]) * 3 / 2, rtol=1e-5)


def test_table():
    quality = left_out.sudoku(1)
    assert [entry["left_out"] for entry in quality] == [*map(left_out.name_of, left_out.SHARES), "int8"]
    assert all(0 < entry["mean_kl"] < 1e-3 for entry in quality)
    spread = {"median": 2.0}
    timed = [
        {"left_out": left_out.name_of(share), "spread": 5.0, "mean_entropy": 2.0, "ms": spread, "ratio": spread}
        for share in left_out.SHARES
    ]
    lines = left_out.to_markdown({"sudoku": quality, "26b_widths": quality, "head_stats": timed}).splitlines()
    assert len(lines) == 2 + len(quality)
    assert len({line.count("|") for line in lines}) == 1
