"""Chat with whichever member answers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace

from ragstone.domain import ChatEvent, ChatRequest, Ended, Usage
from ragstone.errors import ModelBrokeOffError, PromptRefusedError, PromptTooLongError, RagstoneError
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool.attempt import Attempt
from ragstone.models.pool.crew import Crew
from ragstone.models.pool.member import Member
from ragstone.models.pool.opening import Line, Opening
from ragstone.models.pool.trial import Trial
from ragstone.models.protocols import estimated, priced
from ragstone.models.protocols.usage import tokens_of
from ragstone.settings.models import Kind, Model

_CHARACTERS_PER_TOKEN = 6  # more than any prose has: what does not fit at this rate does not fit
_UNLIMITED = 512  # tokens that are reserved for an answer whose length nobody limits


class PoolChat:
    """The chat members as one model; implements `ports.ChatModel`."""

    def __init__(self, crew: Crew) -> None:
        """Nobody is asked yet."""
        self._crew = crew

    @property
    def identity(self) -> str:
        """Names everything that may answer: changes with the members' servers and models, not with their limits.

        What servers said they serve, where nothing is set up, follows behind a point.
        """
        members = self._members()
        set_up = {f"{one.model.protocol} {one.model.url} {one.model.model}" for one in members}
        found = {f"{one.model.url} {one.connections.served}" for one in members if one.connections.was_asked}
        return ".".join([f"pool-{_digest(set_up)}", *([_digest(found)] if found else [])])

    @property
    def context_tokens(self) -> int:
        """The largest window in the group that is asked first as things stand; of all if none can be asked."""
        now = self._crew.outside.clock()
        members = self._members()
        usable = [member.model for member in members if member.breaker.admits(now)] or self._models
        first = min((model.group for model in usable), default=0)
        return max((model.context_tokens for model in usable if model.group == first), default=0)

    def price(self, input_tokens: int, output_tokens: int) -> float:
        """What so many tokens cost at the dearest member, in the currency of the prices."""
        usage = Usage(input_tokens, output_tokens)
        return max((priced(model, usage).cost for model in self._models), default=0.0)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """What a member says, piece by piece; the last event is an `Ended`. Closing it early cancels upstream.

        Raises:
            ModelUnavailableError: Nothing was said, and nobody is left to ask.
            ModelBrokeOffError: A member fell silent behind its first piece.
            PromptTooLongError: It fits into no member's window.
            PromptRefusedError: A server does not take the request as it is.
        """
        await self._crew.bury()
        trial = self._trial(request)
        opening = Opening(trial, request, self._crew.outside)
        try:
            line = await opening.open(self._crew.pool.hedge_seconds)
            attempt, ended, written = line.attempt, None, 0
            try:
                if isinstance(line.first, Ended):
                    ended = line.first
                else:
                    written = len(line.first.text) + len(line.first.reasoning)
                    yield line.first
                async for event in line.events:
                    if isinstance(event, Ended):
                        ended = event
                        continue
                    written += len(event.text) + len(event.reasoning)
                    yield event
                ended = self._whole(line, ended, trial)
            except MemberError as error:
                trial.failed(attempt, error)
                raise _broke_off(error) from error
            finally:
                self._call_off(attempt, request, written)
                await line.events.aclose()
            yield ended
        finally:
            await opening.close()

    def _whole(self, line: Line, ended: Ended | None, trial: Trial) -> Ended:
        """The end of an answer, with what all attempts took.

        Raises:
            MemberError: There is none.
        """
        attempt = line.attempt
        if ended is None:
            raise MemberError(f"The model {attempt.member.model.name} broke off", fault=Fault.CUT, said=True)
        attempt.end(ended.usage, self._crew.outside.clock())
        return replace(ended, usage=trial.usage + ended.usage)

    def _call_off(self, attempt: Attempt, request: ChatRequest, written: int) -> None:
        """Count what was read and written for somebody who has left; without effect when the attempt is over."""
        if attempt.open:
            attempt.call_off(estimated(attempt.member.model, request, written), self._crew.outside.clock())

    def _trial(self, request: ChatRequest) -> Trial:
        models = self._models
        characters = sum(len(message.text) for message in request.messages)
        written = request.max_tokens
        least = characters // _CHARACTERS_PER_TOKEN + (1 if written is None else written)

        def suits(model: Model) -> bool:
            return model.context_tokens >= least and (model.json_schema or request.json_schema is None)

        if models and not any(map(suits, models)):
            raise _unfit(request, models)
        tokens = tokens_of(characters) + (_UNLIMITED if written is None else written)
        return Trial(self._crew, self._members, tokens, suits=suits, seconds=request.seconds)

    def _members(self) -> Sequence[Member]:
        return self._crew.members(Kind.CHAT)

    @property
    def _models(self) -> list[Model]:
        return [member.model for member in self._members()]


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:16]


def _unfit(request: ChatRequest, models: Sequence[Model]) -> RagstoneError:
    """Why none of them can be asked at all."""
    if request.json_schema is not None and not any(model.json_schema for model in models):
        return PromptRefusedError(
            "No model keeps to a JSON schema", remedy="Set json_schema for those in the models file that do"
        )
    return PromptTooLongError("The prompt does not fit any model's window")


def _broke_off(error: MemberError) -> ModelBrokeOffError:
    return ModelBrokeOffError(error.what, why=error.why)
