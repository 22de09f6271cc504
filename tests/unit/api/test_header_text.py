"""Names in headers."""

from __future__ import annotations

import pytest

from ragstone.api.door.header_text import header_text
from ragstone.errors import InvalidRequestError


# The last byte of à in UTF-8 is a space in Latin-1.
@pytest.mark.parametrize("name", ["alice", "Jörg Groß", "voilà", "张伟", "🗿", ""])
def test_a_name_in_any_language_is_what_its_sender_wrote(name: str) -> None:
    assert header_text("x-name", f" {name} ".encode().decode("latin-1")) == name


def test_another_encoding_is_refused_since_it_could_name_somebody_else() -> None:
    with pytest.raises(InvalidRequestError, match=r"x-name is not UTF-8\. Send .* in UTF-8") as caught:
        header_text("x-name", "Jörg")
    assert caught.value.param == "x-name"
