"""The small model "mini": its dialogues, its tokenizer and its training."""
