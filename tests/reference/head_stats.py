from reference.lm_head import lm_head
from reference.soft_embed import soft_embed
from reference.token_stats import entropy


def processed_logits(x, head, cap, temperatures, scale=1.0):
    """z = logits / temperature. temperatures [R]."""
    return lm_head(x, head, cap, scale) / temperatures[:, None]


def head_entropy(x, head, cap, temperatures, scale=1.0):
    return entropy(processed_logits(x, head, cap, temperatures, scale))


def soft_embedding(x, head, table, cap, embed_scale, temperatures, scale=1.0):
    return soft_embed(processed_logits(x, head, cap, temperatures, scale), table, embed_scale)
