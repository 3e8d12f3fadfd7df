def embed(table, ids, scale):
    return table[ids] * scale
