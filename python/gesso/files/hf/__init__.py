"""Hugging Face checkpoint folders, read as what their GGUF would hold."""
