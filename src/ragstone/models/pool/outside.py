"""What the pool needs of the world."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from ragstone.domain import ChatEvent, ChatRequest
from ragstone.models.protocols import Client, open_chat
from ragstone.settings.models import Model

Speak = Callable[[Model, ChatRequest, Client], AsyncGenerator[ChatEvent, None]]


@dataclass(frozen=True)
class Outside:
    """The servers, the time and chance; tests bring their own."""

    speak: Speak = open_chat
    client: Callable[[Model], Client] = Client
    clock: Callable[[], float] = time.monotonic  # seconds; never goes back
    draw: Callable[[], float] = random.random  # from 0 to 1
