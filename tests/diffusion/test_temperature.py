import numpy as np
import pytest

from gesso import _ops
from reference.sampler import temperature

SCHEDULES = [(0.4, 0.8), (0.0, 1.0), (0.7, 0.7), (0.1, 10.0)]


@pytest.mark.parametrize("num_steps", [1, 2, 7, 48, 1000])
@pytest.mark.parametrize(("t_min", "t_max"), SCHEDULES)
def test_linear(t_min, t_max, num_steps):
    got = np.array([_ops.temperature(t_min, t_max, step, num_steps) for step in range(num_steps)])
    exact = np.array([temperature(t_min, t_max, step, num_steps) for step in range(num_steps)])
    np.testing.assert_allclose(got, exact, rtol=3e-7)
    assert (np.diff(got) < 0).all() or t_min == t_max


def test_ends():
    """The first step has t_max. The last step is still one step above t_min."""
    assert _ops.temperature(0.4, 0.8, 0, 48) == np.float32(0.8)
    assert _ops.temperature(0.4, 0.8, 47, 48) == pytest.approx(0.4 + 0.4 / 48, rel=3e-7)
    assert _ops.temperature(0.0, 1.0, 0, 1) == 1
    assert _ops.temperature(0.0, 1.0, 47, 48) > 0
