"""Which sentences of an answer state something that the documents have to support."""

# ruff: noqa: RUF001 - marks and apostrophes of other scripts and of typesetters

from __future__ import annotations

import re
from collections.abc import Iterator

# The lists of phrases are English; what they miss counts as a claim, and is then unsupported.
_LINE_MARK = re.compile(r"(?:\s*(?:[-*+•]\s+|>\s*|\(?\d{1,3}[.)]\s+))+")
_ORNAMENT = re.compile(r"\*\*|__|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)")
_HEADING = re.compile(r"\s*#{1,6}\s")
_RULE = re.compile(r"[\s|:=*_+`~-]+")
_QUESTION = re.compile(r"[?？؟\u037e][\s\"'”’»)*_]*\Z")  # the last one is Greek, and looks like a semicolon
_LEAD = re.compile(r"[:：][\s\"'”’»)*_]*\Z")
_DIGIT = re.compile(r"\d")
# Of itself it states what was asked, which a passage seldom says; what follows it has to be supported.
_YES_OR_NO = re.compile(
    r"(?:yes|no|ja|nein|oui|non|sí|si|sim|não|нет|да|はい|いいえ|是的?)(?:\s*[,;:!–—、,。]|\s*\.(?!\s*\d)|\s*\Z)\s*",
    re.IGNORECASE,
)
# Words that point to the source or join sentences, and state nothing themselves.
_OPENING = re.compile(
    r"(?:(?:according to|based on|as (?:stated|described|mentioned|noted|shown) in|per|laut|gemäß|selon|según)"
    r" (?:(?:the|these|your|den|dem|der|les|le|los|las|el) )?(?:(?:provided|given|above|retrieved) )?"
    r"(?:passages?|documents?|documentation|context|sources?|text|information|passagen|dokumenten?)(?: provided)?,? ?"
    r"|(?:they|(?:the )?(?:passages?|documents?|documentation|sources?|text)) (?:do(?:es)? )?"
    r"(?:says?|states?|mentions?|explains?|describes?|notes?|shows?|indicates?) that "
    r"|(?:additionally|furthermore|moreover|however|therefore|thus|also|overall|in addition|in summary|in short|"
    r"finally|specifically|unfortunately|for example|for instance|in other words|as a result|note that|"
    r"please note that|"
    r"(?:it is|it's) (?:also )?(?:important|worth) (?:to note|noting) that),? )",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"(?:hello|hi|sure|certainly|of course|thanks?|thank you|you(?:'|’)?re welcome|i hope|let me know|feel free|"
    r"please (?:let|feel)|if you (?:have|need) (?:any|more|further)|here (?:is|are)|based on|i'm happy|i am happy)"
    r"(?:\W+(?:you|your|a|an|the|this|that|these|it|any|are|to|me|my|some|more|further|there|what|how|if|is|have|for|"
    r"of|on|in|and|or|other|know|say|says|help|helps|helped|ask|asking|need|needed|needs|questions?|information|"
    r"details?|answers?|summary|steps?|passages?|documents?|documentation|sources?|text|provided|given|free|"
    r"assistance|found|assist|question))*\W*",
    re.IGNORECASE,
)
_ABSTENTION = re.compile(
    r"(?:(?:passages?|documents?|documentation|sources?|context|text|information)(?: \w+){0,3}"
    r" (?:do(?:es)?(?: not|n['’]t)|did(?: not|n['’]t)|never)(?: \w+)?"
    r" (?:mention|contain|say|state|specify|provide|include|answer|describe|give|discuss|cover|explain|address|list|"
    r"indicate|tell|clarify|reveal|have)"
    r"|\bI (?:can ?not|can['’]t|could(?: not|n['’]t)|do(?: not|n['’]t)|am (?:not able|unable))(?: to)?"
    r" (?:find|know|answer|have|determine|say|see|provide|tell)"
    r"|\bthere is no (?:information|mention|answer|evidence|indication)\b"
    r"|\b(?:is|are|was|were)(?: not|n['’]t) (?:mentioned|specified|stated|described|given|provided|answered|discussed)"
    r" (?:in|by) (?:the|these|any))",
    re.IGNORECASE,
)

# Where such a sentence turns to something that it tells after all.
_TURN = re.compile(
    r";|[,.]?\s(?:but|however|although|though|whereas|nevertheless|nonetheless)\b"
    r"|[,–—]\s*(?:so|yet|still|while|therefore|thus|hence|instead|because)\b",
    re.IGNORECASE,
)
_CONCEDES = re.compile(r"(?:although|even though|though|while|whereas|since|because|as|if|when)\b", re.IGNORECASE)
_PIECE = re.compile(
    r"[,:](?!\d)|[()–—]|\band\b(?=\s+(?:it|they|this|that|these|those|there|is|are|was|were)\b)", re.IGNORECASE
)
# What stands beside the word that something is not told, and is no further thing that is not told either.
_TELLS = re.compile(
    r"(?:and|or)?\s*(?:it|they|this|these|there|he|she|we|(?:which|who)(?=\s+(?:is|are|was|were|has|have|can|will)))\b"
    r"|.*[\d$€£¥]",
    re.IGNORECASE | re.DOTALL,
)
_LEADS_IN = re.compile(
    r"(?:about|according to|as|at|based on|beyond|concerning|for|from|in|of|on|regarding|under|with)\b", re.IGNORECASE
)
# "so it cannot be determined": as empty as the word before it
_IN_VAIN = re.compile(
    r"(?:it|this|that|they|the question)\s"
    r"(?:(?:can(?: ?not|['’]t)|could(?: not|n['’]t)|is (?:not |im)possible)\b"
    r"\D*\b(?:answer(?:ed)?|determined?|sa(?:y|id)|told|tell|stated?|known|confirm(?:ed)?)"
    r"|is (?:unclear|unknown))\b\D*",
    re.IGNORECASE,
)


def bare(text: str) -> str:
    """What a sentence states: without the marks of a list, of a quote and of emphasis, and without what only opens it.

    Of a sentence that says that the documents do not tell something, what it tells beside that.
    """
    text = text.strip()
    mark = _LINE_MARK.match(text)
    plain = _ORNAMENT.sub("", text[mark.end() if mark else 0 :]).strip()
    plain = _without(plain, _YES_OR_NO, _OPENING, _OPENING)
    return _told(plain) if _ABSTENTION.search(plain) else plain


def _without(plain: str, *openings: re.Pattern[str]) -> str:
    for opening in openings:
        found = opening.match(plain)
        plain = plain[found.end() :] if found else plain
    return plain


def _told(plain: str) -> str:
    """What stands beside the word that the documents do not tell something."""
    told: list[str] = []
    for place, part in enumerate(_TURN.split(plain)):
        if _ABSTENTION.search(part):
            told += _beside(part, concedes=place == 0 and _CONCEDES.match(part) is not None)
        elif not _IN_VAIN.fullmatch(part.strip(" ,.")):
            told.append(part)
    return ", ".join(_without(piece.strip(" ,"), _OPENING) for piece in told if piece.strip(" ,.!"))


def _beside(part: str, *, concedes: bool) -> Iterator[str]:
    """The pieces that tell something; behind `Although they do not say ...,` it is all that comes."""
    abstained = False
    for piece in map(str.strip, _PIECE.split(part)):
        if _ABSTENTION.search(piece):
            abstained = True
        elif abstained and concedes:
            if not _IN_VAIN.fullmatch(piece.strip(" .")):
                yield piece
        elif _TELLS.match(piece) and (abstained or not _LEADS_IN.match(piece)):
            yield piece


def states_something(text: str, before: str) -> bool:
    """Whether a sentence has to be supported; `before` is the line before it, or what precedes it in its own.

    Headings, rules, the first row of a table, questions, what only leads to a list, courtesies, and the word that
    the documents do not say something, state nothing that a passage could support.
    """
    if _HEADING.match(text) or _RULE.fullmatch(text) or _QUESTION.search(text):
        return False
    if text.startswith("|"):
        return before.startswith("|")
    if _LEAD.search(text) and not _DIGIT.search(text):
        return False
    plain = bare(text)
    return bool(plain) and not _COURTESY.fullmatch(plain)
