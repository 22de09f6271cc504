"""Words that say nothing about what a text is about, by Snowball language.

English has the 33 words of Lucene's StandardAnalyzer and the words of which questions are made: without these,
nDCG@10 on 100 questions to product documentation was .63 instead of .69 (BM25; docs/decisions/0005-text-and-chunks.md).
"""

# ruff: noqa: RUF001 - Cyrillic letters look like Latin ones

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_WORDS = {
    "english": """
        a an and are as at be but by for if in into is it no not of on or such that the their then there these they
        this to was will with
        about am any been being can could did do does doing done from had has have having he her him his how i its
        just may me might must my our shall she should so some than them too us very we were what when where which
        who whom whose why would you your
    """,
    "german": """
        aber als am an auch auf aus bei bin bis bist da das dass dein dem den der des die dies diese diesem diesen
        dieser dieses du durch ein eine einem einen einer eines er es für hat hatte ich ihr im in ist kann können man
        mein mit nach nicht noch nur oder sein sich sie sind so über um und uns unter vom von vor wann war waren warum
        was welche welcher welches wenn wer werden wie wir wird wo wurde zu zum zur
    """,
    "french": """
        a à ai au aux avec ce ces cet cette comment comme dans de des du elle elles en est et était être eu il ils je
        la le les leur leurs lui ma mais me mes moi mon ne nos notre nous on ont ou où par pas plus pour pourquoi quand
        que quel quelle quelles quels qui quoi sa se ses si son sont sur ta te tes toi ton tu un une vos votre vous y
    """,
    "spanish": """
        a al como cómo con cual cuál cuales cuáles cuando cuándo de del desde donde dónde el él ella ellas ellos en
        entre era es esa ese eso esta este esto fue ha han hasta hay la las le les lo los más me mi muy no nos o para
        pero por porque que qué quien quién se ser si sin sobre son su sus también te tu un una uno unos y ya yo
    """,
    "italian": """
        a ad ai al alla alle anche che chi ci come con cosa cui da dal dalla dei del della delle di dove e è era gli ha
        hanno i il in io la le lei lo loro lui ma me mi ne nei nel nella noi non o per perché più quale quali quando
        questa questo se si sono su sua sul sulla suo te ti tra tu un una uno vi voi
    """,
    "portuguese": """
        a à ao aos as com como da das de do dos e é ela elas ele eles em entre era essa esse esta este eu foi há isso
        isto já lhe mais mas me meu minha na nas não no nos nós o onde os ou para pela pelo por porque qual quais
        quando que quem são se sem ser seu sua também te tem um uma você
    """,
    "dutch": """
        aan al als bij dan dat de der deze die dit doen door een en er haar had heb heeft hem het hij hoe hun ik in is
        je kan maar me met mij mijn na naar niet nog nu of om onder ons ook op over te tot u uit van veel voor waar
        waarom wanneer waren was wat we welke werd wie wij worden wordt zal ze zich zij zijn zo zou
    """,
    "russian": """
        а без бы был была были было быть в вам вас во вот все вы где да для до его ее если есть еще же за и из или им
        их к как какая какие какой когда который кто ли меня мне мы на над не него нет но ну о об он она они оно от по
        под при с со так там то того тоже только том ты у уже чем что чтобы это этого этой этот эту я
    """,
}

STOPWORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {language: frozenset(words.split()) for language, words in _WORDS.items()}
)
