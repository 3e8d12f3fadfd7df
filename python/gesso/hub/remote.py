"""What a repository on the hub has: its files at a revision, and for a download the exact bytes that each one is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gesso.hub.choices import Choice
from gesso.hub.library import endpoint, library, plain_errors
from gesso.hub.names import is_safe

COMMIT = re.compile(r"[0-9a-f]{40}")
ETAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)  # the cache has a file of this name


@dataclass(frozen=True)
class Listing:
    """The files of a repository at one commit, with their sizes in bytes, None where the hub does not say it.

    `unsafe` has the names that are no names of files, such as "../x". Nothing else has them.
    """

    repository: str
    revision: str
    commit: str
    sizes: dict[str, int | None]
    unsafe: tuple[str, ...]

    def size(self, model: Choice) -> int | None:
        """The bytes of a model, None if they are not known."""
        sizes = [self.sizes[file] for file in model.files]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None


@dataclass(frozen=True)
class RemoteFile:
    """A file of a listing. `etag` names its bytes: what has another content has another etag."""

    name: str
    url: str
    etag: str
    size: int

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the bytes. The hub knows it for large files."""
        return self.etag if re.fullmatch(r"[0-9a-f]{64}", self.etag) else None


def list_files(repository: str, revision: str = "main") -> Listing:
    """Asks the hub for the files of a repository.

    Raises OSError if the hub has no such repository or revision, does not give it to this login or cannot be reached,
    and ValueError if its answer makes no sense.
    """
    try:
        with plain_errors(repository, revision):
            answer = library().HfApi().model_info(repository, revision=revision, files_metadata=True)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:  # the library checks nothing
        raise ValueError(f"{repository}: {endpoint()} does not answer as a hub: {error}") from None
    commit, siblings = answer.sha, answer.siblings or []
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise ValueError(f"{repository}: expected a commit from {endpoint()}, got {commit!r}")
    names = {file.rfilename: file.size for file in siblings if isinstance(file.rfilename, str)}
    sizes = {
        name: size if isinstance(size, int) and size >= 0 else None for name, size in names.items() if is_safe(name)
    }
    return Listing(repository, revision, commit, sizes, tuple(sorted(names.keys() - sizes.keys())))


def describe_file(listing: Listing, name: str) -> RemoteFile:
    """Asks the hub for the size and the etag of one file. Raises what `list_files` raises."""
    hub = library()
    url = hub.hf_hub_url(listing.repository, name, revision=listing.commit)
    try:
        with plain_errors(listing.repository, listing.revision):
            answer = hub.get_hf_file_metadata(url)
    except ValueError as error:  # of a redirect to what is no address
        raise ValueError(f"{listing.repository}: {endpoint()} does not answer as a hub: {error}") from None
    size = listing.sizes[name] if answer.size is None else answer.size
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"{listing.repository}: {endpoint()} does not say how many bytes {name} has")
    if not isinstance(answer.etag, str) or not ETAG.fullmatch(answer.etag):
        raise ValueError(f"{listing.repository}: expected the etag of {name} from {endpoint()}, got {answer.etag!r}")
    return RemoteFile(name, url, answer.etag, size)
