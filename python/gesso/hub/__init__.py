"""Models of a Hugging Face hub: names such as org/name, what its cache holds, downloads.

The package `huggingface_hub` has the cache's place, the login, the addresses and the connection. It is an optional
extra, and `library` imports it when it is needed.
"""
