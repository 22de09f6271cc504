"""Which sentences of an answer state something that the documents have to support."""

# ruff: noqa: RUF001 - marks and apostrophes of other scripts and of typesetters

from __future__ import annotations

import re

# The lists of phrases are English; what they miss counts as a claim, and is then unsupported.
_LINE_MARK = re.compile(r"(?:\s*(?:[-*+•]\s+|>\s*|\(?\d{1,3}[.)]\s+))+")
_ORNAMENT = re.compile(r"\*\*|__|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)")
_HEADING = re.compile(r"\s*#{1,6}\s")
_RULE = re.compile(r"[\s|:=*_+`~-]+")
_QUESTION = re.compile(r"[?？؟;][\s\"'”’»)*_]*\Z")
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
    r"|(?:the )?(?:passages?|documents?|documentation|sources?|text) "
    r"(?:says?|states?|mentions?|explains?|describes?|notes?|shows?|indicates?) that "
    r"|(?:additionally|furthermore|moreover|however|therefore|thus|also|overall|in addition|in summary|in short|"
    r"finally|specifically|for example|for instance|in other words|as a result|note that|please note that|"
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


def bare(text: str) -> str:
    """A sentence without the marks of a list, of a quote and of emphasis, and without what only opens it."""
    text = text.strip()
    mark = _LINE_MARK.match(text)
    plain = _ORNAMENT.sub("", text[mark.end() if mark else 0 :]).strip()
    for opening in (_YES_OR_NO, _OPENING, _OPENING):
        found = opening.match(plain)
        plain = plain[found.end() :] if found else plain
    return plain


def states_something(text: str, before: str) -> bool:
    """Whether a sentence has to be supported; `before` is the one before it.

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
    return bool(plain) and not (_COURTESY.fullmatch(plain) or _ABSTENTION.search(plain))
