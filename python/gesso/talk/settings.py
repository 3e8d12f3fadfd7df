"""The settings of a conversation: the generation options under the names of the command's flags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from gesso import _native
from gesso._native import OptionInfo, OptionKind
from gesso.measure.text import columns
from gesso.model import Model
from gesso.options import GenerationOptions

DEFAULT = "default"  # the value that takes a setting back
DRAWN = "drawn"  # the seed, unless one is given
OTHER_NAMES = {"tokens": "max-new-tokens", "max-tokens": "max-new-tokens", "entropy": "entropy-bound"}
STOP = "stop"  # strings have no flag in the table of options


def _flags() -> dict[str, OptionInfo]:
    return {option.flag: option for option in _native.generation_options() if option.flag}


class Settings:
    """Settings that differ from the model's, by the names of their flags. Values are numbers, and texts for `stop`.

    Without a seed, one is drawn for each answer, so that a second try gives another one.
    """

    def __init__(self, model: Model, given: Mapping[str, object] | None = None):
        """given: by the names of `GenerationOptions`. ValueError for values that are out of range."""
        self._model = model
        self._flags = _flags()
        names = {option.name: flag for flag, option in self._flags.items()} | {STOP: STOP}
        self.values: dict[str, object] = {names[name]: value for name, value in (given or {}).items()}

    @property
    def names(self) -> list[str]:
        return [*self._flags, STOP]

    def options(self) -> GenerationOptions:
        """The settings as `Chat.stream` takes them."""
        options: dict[str, object] = {"seed": None}
        for flag, value in self.values.items():
            options[flag if flag == STOP else self._flags[flag].name] = value
        return cast(GenerationOptions, options)

    def value(self, name: str) -> object:
        """What holds: the value that was set, or the model's."""
        if name in self.values:
            return self.values[name]
        if name in (STOP, "seed"):
            return [] if name == STOP else DRAWN
        return self._model.native.config.generation[self._flags[name].name]

    def find(self, name: str) -> str:
        """The flag of a setting, which may have other names. ValueError if there is none."""
        plain = name.lstrip("-").replace("_", "-")
        plain = next((flag for flag, option in self._flags.items() if option.name == name), plain)
        plain = OTHER_NAMES.get(plain, plain)
        if plain not in self.names:
            raise ValueError(f"there is no setting {name!r}; there are {', '.join(self.names)}")
        return plain

    def set(self, name: str, text: str) -> None:
        """Sets what was written. ValueError, and nothing is changed, if it is no value of this setting."""
        flag = self.find(name)
        if text == DEFAULT or (flag == "seed" and text == DRAWN):
            self.values.pop(flag, None)
        else:
            self._put(flag, self._read(flag, text), text)

    def replaced(self, values: Mapping[str, object]) -> Settings:
        """Returns settings with these values alone. ValueError names the first that is wrong."""
        new = Settings(self._model)
        for name, value in values.items():
            new._put(self.find(name), value, value)
        return new

    def _read(self, flag: str, text: str) -> object:
        try:
            if flag == STOP:
                return json.loads(text) if text[:1] in '["' else text
            return float(text) if self._flags[flag].kind == OptionKind.FLOAT else int(text)
        except (ValueError, RecursionError):
            raise self._wrong(flag, text) from None

    def _put(self, flag: str, value: object, written: object) -> None:
        before = dict(self.values)
        self.values[flag] = value
        try:
            self._model._text_stream(self.options())
        except (ValueError, TypeError, OverflowError):
            self.values = before
            raise self._wrong(flag, written) from None

    def _wrong(self, flag: str, got: object) -> ValueError:
        option = self._flags.get(flag)
        expected = "a text, or a list of texts in JSON" if option is None else option.expected
        if option is not None and option.kind == OptionKind.SEEDS:
            expected = f"an integer from 0 to 2^64 - 1, or {DRAWN}"
        return ValueError(f"{flag}: expected {expected}, got {got!r}")

    def rows(self) -> list[str]:
        """A line for each setting: its name, its value, whose it is, and what it does."""
        rows = []
        for name in self.names:
            option = self._flags.get(name)
            text = "The text ends in front of the first of these." if option is None else option.help
            rows.append((name, self.shown(name), "set" if name in self.values else "", text))
        return columns(rows)

    def shown(self, name: str) -> str:
        value = self.value(name)
        if isinstance(value, float):
            return f"{value:g}"
        return value if value == DRAWN else json.dumps(value, ensure_ascii=False)
