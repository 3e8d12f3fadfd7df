"""The rule for comparing results with exact ones, and checks that bits do not depend on threads or batch."""

import numpy as np

from reference import device

ABSOLUTE = 4 * np.finfo(np.float32).eps  # of a row's magnitude: a plain evaluation may happen to be exact


def row_errors(got, exact):
    """The largest error of each row. It is infinite where a NaN or an infinity is not the expected one."""
    same = (got == exact) | (np.isnan(got) & np.isnan(exact))
    with np.errstate(invalid="ignore"):
        errors = np.where(same, 0.0, np.abs(got - exact))
    return np.nan_to_num(errors, nan=np.inf, posinf=np.inf).max(axis=-1, initial=0.0)


def as_type(argument, dtype):
    is_float = isinstance(argument, np.ndarray) and np.issubdtype(argument.dtype, np.floating)
    return argument.astype(dtype) if is_float else argument


def operand(argument, index, product_with):
    argument = as_type(argument, np.float32)
    if product_with is None or not isinstance(argument, np.ndarray) or argument.dtype != np.float32:
        return argument
    return device.round_operand(argument, product_with, is_weight=index > 0)


def assert_within_rule(got, formula, *arguments, magnitude=None, product_with=None):
    """The worst row of `got` errs at most twice as much as the worst row of a plain float32 evaluation, plus ABSOLUTE.

    product_with: for a matrix product, the type in which its weight is stored, or "F32" for a product of activations.
    The plain evaluation then rounds its float operands as the device under test does (see device.round_operand). The
    first argument is the rows, the others are weights.

    An error is measured in units of its row's magnitude [rows]. By default the magnitude is the largest exact value of
    the row. Where terms cancel, callers pass the size of what was summed.
    """
    exact = formula(*[as_type(argument, np.float64) for argument in arguments])
    plain = formula(*[operand(argument, index, product_with) for index, argument in enumerate(arguments)])
    assert (got.dtype, plain.dtype, exact.dtype) == (np.float32, np.float32, np.float64)
    assert got.shape == exact.shape
    if got.size == 0:
        return
    if magnitude is None:
        magnitude = np.abs(np.where(np.isfinite(exact), exact, 0)).max(axis=-1)
    magnitude = np.maximum(magnitude, np.finfo(np.float32).tiny)
    error = (row_errors(got, exact) / magnitude).max()
    plain_error = (row_errors(plain, exact) / magnitude).max()
    assert error <= 2 * plain_error + ABSOLUTE, f"error {error:.3g}, of a plain evaluation {plain_error:.3g}"


def assert_same_bits(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    assert a.tobytes() == b.tobytes(), f"{np.sum(a != b)} of {a.size} elements differ"


def as_arrays(result):
    return result if isinstance(result, tuple) else (result,)


def assert_thread_independent(op, *arguments, **options):
    """`op` gives the same bits on 1, 2 and 3 threads.

    The work must be large enough that 3 threads start, and that they sometimes run side by side on a busy machine.
    A GPU has no such threads. The emulator's shuffled orders show whether a GPU's own threads disturb each other.
    """
    if not device.is_cpu():
        return
    alone = as_arrays(op(*arguments, num_threads=1, **options))
    for num_threads in (2, 3, 2, 3):
        for a, b in zip(alone, as_arrays(op(*arguments, num_threads=num_threads, **options)), strict=True):
            assert_same_bits(a, b)


def assert_rows_independent(op, num_rows):
    """`op(rows)` evaluates the rows of an index array. Each row must have the same bits whichever rows come with it."""
    together = as_arrays(op(np.arange(num_rows)))
    picks = [np.array([r]) for r in range(num_rows)]
    picks += [np.arange(num_rows)[::-1], np.arange(0, num_rows, 2), np.array([0, 0, num_rows - 1])]
    for rows in picks:
        for whole, part in zip(together, as_arrays(op(rows)), strict=True):
            assert_same_bits(part, whole[rows])
