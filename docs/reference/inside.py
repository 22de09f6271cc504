"""What settings, readers and constants say of themselves."""

from __future__ import annotations

import inspect

import fields
from tables import table

from ragstone.answer.calibration import Policy
from ragstone.ingest.prepare import BATCH
from ragstone.ingest.read import Limits, kinds
from ragstone.ingest.read.mail import read_mail
from ragstone.ingest.read.registry import READERS
from ragstone.retrieve import bm25, fuse
from ragstone.retrieve.search import DEPTH
from ragstone.settings import PREFIX, Settings
from ragstone.storage.contents.compaction import DEAD_SHARE, FANOUT
from ragstone.storage.contents.index import SCAN_UP_TO


def settings() -> str:
    """Every setting with its default, limits and purpose."""
    rows = [
        (
            f"`{PREFIX}{name.upper()}`",
            f"`{name}`",
            fields.default(field),
            fields.limits(field),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]
    return table(("Variable", "In the file", "Default", "Limits", "Purpose"), rows)


def formats() -> str:
    """Every format with its extensions and what is read of it."""
    rows = [
        (", ".join(f"`{end}`" for end, of in kinds.EXTENSIONS.items() if of is kind), _first_line(reader))
        for kind, reader in {**READERS, kinds.Kind.MAIL: read_mail}.items()
    ]
    return table(("Extensions", "What is read"), rows)


def legacy() -> str:
    """Every format that is refused, with what to save it as."""
    known = kinds.LEGACY
    targets = dict.fromkeys(known.values())
    rows = [(", ".join(f"`{end}`" for end, of in known.items() if of == target), target) for target in targets]
    return table(("Extensions", "Save it as"), rows)


def limits() -> str:
    """How far a file is read."""
    inner, outer = Limits(), Settings.model_fields
    rows = [
        ("Size of a file", f"{outer['ingest_max_file_mb'].default} MiB", "`RAGSTONE_INGEST_MAX_FILE_MB`"),
        ("Size of a zip container unpacked", f"{inner.expanded_bytes // 2**20} MiB", "`RAGSTONE_INGEST_EXPANDED_MB`"),
        ("Growth of a zip container that unpacks to more than 64 MiB", f"{inner.ratio} times", ""),
        ("Parts of a zip container", f"{inner.entries:,}", ""),
        ("Pages of a PDF", f"{inner.pages:,}; the pages behind are left out with a note", ""),
        ("Attachments of attachments", f"{inner.depth} deep", ""),
        (
            "Time of the reading process without a sign of progress",
            f"{outer['ingest_file_seconds'].default} s",
            "`RAGSTONE_INGEST_FILE_SECONDS`",
        ),
        (
            "Address space of the reading process",
            f"{outer['ingest_memory_mb'].default} MiB",
            "`RAGSTONE_INGEST_MEMORY_MB`",
        ),
    ]
    return table(("Limit", "Value", "Setting"), rows)


def _first_line(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def search_constants() -> str:
    """How candidates are chosen and weighed."""
    weights = fuse.DEFAULT
    return f"""\
Each half of the search offers its {DEPTH} best chunks as candidates.
BM25 has k1 = {bm25.K1} and b = {bm25.B}.
The dense score weighs {weights.dense}, the lexical score {weights.lexical}."""


def answer_constants() -> str:
    """From which probability on there is an answer."""
    policy = Policy()
    return f"""\
An answer has at most {policy.max_sentences} sentences.
The status is `supported` when the best sentence has a probability of {policy.supported_from} or more.
It is `partial` from {policy.partial_from} on, and `insufficient_evidence` below."""


def storage_constants() -> str:
    """When segments are merged, and when vectors are compared one by one."""
    return f"""\
A batch of {BATCH} chunks is a segment.
When {FANOUT} segments of a like size have come together, they are merged into one.
So a posting is rewritten once for each {FANOUT}-fold growth of the store.
When tombstones reach {DEAD_SHARE:.0%} of a store's chunks, its segments are rewritten without the dead entries.
Up to {SCAN_UP_TO:,} chunks, in the store or behind a filter, are compared one by one; more are searched by HNSW."""
