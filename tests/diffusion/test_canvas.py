import numpy as np

from gesso import _ops

SEED, FIRST, VOCAB_SIZE, LENGTH = 5, 1000, 97, 12
POSITIONS = range(FIRST, FIRST + LENGTH)


def make(**options):
    return _ops.Canvas(LENGTH, VOCAB_SIZE, SEED, FIRST, **options)


def noise(draw, step=0):
    return _ops.uniform_ids(SEED, POSITIONS, step, draw, VOCAB_SIZE)


def test_starts_from_noise():
    """Noise is drawn for absolute positions. The argmax, which would be committed before the first step, equals the
    noise."""
    canvas = make()
    np.testing.assert_array_equal(canvas.ids, noise(_ops.Draw.INITIAL_CANVAS))
    np.testing.assert_array_equal(canvas.argmax, canvas.ids)


def test_warm_start():
    ids = list(range(20, 20 + LENGTH))
    assert make(warm_start=ids).ids.tolist() == ids
    canvas = make(warm_start=ids, pinned={0: 3, 11: 4})
    assert canvas.ids.tolist() == [3, *ids[1:-1], 4]
    assert canvas.argmax.tolist() == canvas.ids.tolist()


def test_renoise():
    """Accepted positions take their draw, pinned positions stay, and all others take a random id of this step."""
    canvas = make(pinned={2: 50, 3: 51})
    accepted = [1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    sampled = list(range(60, 60 + LENGTH))
    canvas.renoise(accepted, sampled, 7)
    expected = np.where(accepted, sampled, noise(_ops.Draw.RENOISE, step=7))
    expected[[2, 3]] = [50, 51]
    np.testing.assert_array_equal(canvas.ids, expected)


def test_steps_have_noise_of_their_own():
    canvas = make()
    seen = [canvas.ids.tolist()]
    for step in range(3):
        canvas.renoise([0] * LENGTH, [0] * LENGTH, step)
        seen.append(canvas.ids.tolist())
    assert all(np.mean(np.equal(a, b)) < 0.3 for i, a in enumerate(seen) for b in seen[:i])
