import numpy as np


def causal_mask(query_positions, num_keys, window=0):
    """bool [R, J]: which of the keys at positions 0 to J - 1 a row at position i sees. Window 0 means a full layer."""
    i, j = np.asarray(query_positions)[:, None], np.arange(num_keys)
    return (j <= i) & ((j > i - window) if window else True)


def canvas_mask(prefix_length, canvas_length, window=0):
    """bool [C, P + C]: every row sees the whole canvas. On sliding layers it sees the last W - 1 tokens of the
    prefix."""
    begin = max(0, prefix_length - (window - 1)) if window else 0
    return np.broadcast_to(
        np.arange(prefix_length + canvas_length) >= begin, (canvas_length, prefix_length + canvas_length)
    )


def attention(q, keys, values, mask):
    """q [R, H, K]; keys, values [J, G, K]; mask [R, J]. Head h uses key-value head h / (H / G). q.k is not scaled."""
    group = q.shape[1] // keys.shape[1]
    keys, values = np.repeat(keys, group, axis=1), np.repeat(values, group, axis=1)
    scores = np.einsum("rhk,jhk->rhj", q, keys)
    scores = np.where(mask[:, None, :], scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("rhj,jhk->rhk", weights / weights.sum(axis=-1, keepdims=True), values)
