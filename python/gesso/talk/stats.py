"""What the answers of a conversation took."""

from __future__ import annotations

from gesso.chat_events import ChatReply


class Stats:
    """Figures of the last answer and of all of them."""

    def __init__(self) -> None:
        self._last: tuple[ChatReply, float] | None = None
        self._answers = self._tokens = 0
        self._seconds = 0.0

    def add(self, reply: ChatReply, seconds: float) -> None:
        self._last = reply, seconds
        self._answers += 1
        self._tokens += sum(result.usage.completion_tokens for result in reply.results)
        self._seconds += seconds

    def lines(self, context: int) -> list[str]:
        """context: how many tokens a conversation may have."""
        if self._last is None:
            return ["There was no answer yet."]
        reply, seconds = self._last
        results, last = reply.results, reply.results[-1]
        tokens = sum(result.usage.completion_tokens for result in results)
        steps = " ".join(str(steps) for result in results for steps in result.denoising_steps)
        return [
            f"last answer: {tokens} tokens in {seconds:.2f} s, {tokens / max(seconds, 1e-9):.1f} tokens/s",
            f"steps: {steps}; {last.tokens_per_forward:.1f} tokens per step; seed {last.seed}",
            f"prompt: {last.usage.prompt_tokens} tokens, {last.usage.cached_tokens} of them were encoded before",
            f"context: {last.usage.total_tokens} of {context} tokens",
            f"all answers: {self._answers}, {self._tokens} tokens, {self._tokens / max(self._seconds, 1e-9):.1f}"
            " tokens/s",
        ]
