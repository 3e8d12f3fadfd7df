"""What is in the hub's cache, and how it goes away."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesso.hub.choices import Choice, all_models, matching
from gesso.hub.library import cache_folder, library


@dataclass(frozen=True)
class CachedModel:
    """A model in the hub's cache, with its size in bytes."""

    repository: str
    commit: str
    refs: tuple[str, ...]  # the branches and tags that mean this commit
    model: Choice
    snapshot: Path
    size: int

    @property
    def path(self) -> Path:
        return self.snapshot if self.model.is_folder else self.snapshot / self.model.name


@dataclass(frozen=True)
class CacheContents:
    """partial: the bytes of downloads that have not ended, by repository. problems: what could not be read."""

    models: list[CachedModel]
    partial: dict[str, int]
    problems: list[str]


def read_cache() -> CacheContents:
    """Returns the models in the hub's cache, in the order of their names. Raises OSError if it cannot be read."""
    info = _scan()
    if info is None:
        return CacheContents([], {}, [])
    models = []
    for repository in sorted((each for each in info.repos if each.repo_type == "model"), key=lambda each: each.repo_id):
        for revision in sorted(repository.revisions, key=lambda each: each.commit_hash):
            sizes = {name: file.size_on_disk for name, file in _files(revision).items()}
            models += [
                CachedModel(
                    repository.repo_id,
                    revision.commit_hash,
                    tuple(sorted(revision.refs)),
                    model,
                    revision.snapshot_path,
                    sum(sizes[file] for file in model.files),
                )
                for model in all_models(sizes)
            ]
    partial: dict[str, int] = {}
    for file in info.incomplete_files:
        folder = file.file_path.parents[1].name
        if folder.startswith("models--"):
            name = folder.removeprefix("models--").replace("--", "/")
            partial[name] = partial.get(name, 0) + file.size_on_disk
    return CacheContents(models, partial, [str(problem) for problem in info.warnings])


class Removal:
    """What goes away with a repository, or with those of its models that fit a pattern. `size` is in bytes.

    Raises FileNotFoundError if there is nothing. Blobs that another revision needs stay.
    """

    def __init__(self, repository: str, pattern: str | None = None):
        self._folder = cache_folder() / f"models--{repository.replace('/', '--')}"
        self._is_whole = pattern is None
        info, where = _scan(), f"{repository}: it is not in the hub's cache {cache_folder()}"
        found = [each for each in info.repos if each.repo_path.name == self._folder.name] if info else []
        if not found and not (self._is_whole and self._folder.is_dir()):
            raise FileNotFoundError(where)
        self.models: list[str] = []
        self._strategy: Any = None
        self.size = 0
        if found:
            self._plan(dataclasses.replace(info, repos=frozenset(found)), found[0], pattern)
        if self._is_whole:
            rest = "blobs/*.incomplete" if found else "blobs/*"  # what the library has not counted
            self.size += sum(file.stat().st_size for file in self._folder.glob(rest))
        elif not self.models:
            raise FileNotFoundError(f"{where} with a model that fits {pattern!r}")

    def _plan(self, info: Any, repository: Any, pattern: str | None) -> None:
        files: list[Any] = []
        for revision in repository.revisions:
            by_name = _files(revision)
            models = all_models(by_name)
            for model in models if pattern is None else matching(models, pattern):
                self.models.append(model.name)
                files += [by_name[name] for name in model.files]
        self.models = sorted(set(self.models))
        # The information has this repository alone, since a copy of it may have the same commits.
        commits = [revision.commit_hash for revision in repository.revisions]
        self._strategy = info.delete_revisions(*commits) if pattern is None else info.delete_files(*files)
        self.size += self._strategy.expected_freed_size

    def run(self) -> None:
        """Removes it. Raises OSError if something stays."""
        if self._strategy is not None:
            self._strategy.execute()
        if self._is_whole and self._folder.is_dir():
            shutil.rmtree(self._folder)  # what the library does not know of; or the reason why it could not do it


def _scan() -> Any:
    """What the library finds in its cache. None if there is no cache."""
    cache = cache_folder()
    if not cache.exists():
        return None
    return library("utils").scan_cache_dir(cache)


def _files(revision: Any) -> dict[str, Any]:
    return {file.file_path.relative_to(revision.snapshot_path).as_posix(): file for file in revision.files}
