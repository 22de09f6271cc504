"""The values of workbook cells as Excel shows them: dates, percentages, rounded figures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

# Built-in number formats of ECMA-376 part 1, 18.8.30; 27 to 36 and 50 to 58 are dates in East Asian versions.
_BUILT_IN = {
    **dict.fromkeys((*range(14, 18), *range(27, 37), *range(50, 59)), "yyyy-mm-dd"),
    **dict.fromkeys((18, 20), "h:mm"),
    **dict.fromkeys((19, 21), "h:mm:ss"),
    22: "yyyy-mm-dd h:mm",
    45: "mm:ss",
    46: "[h]:mm:ss",
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    9: "0%",
    10: "0.00%",
}
_QUOTED = re.compile(r'"[^"]*"|\\.|_.|\*.')
_BRACKETED = re.compile(r"\[(?!h+\]|m+\]|s+\])[^\]]*\]", re.IGNORECASE)
_DECIMALS = re.compile(r"[0#]\.([0#]+)")
_EPOCH_1900 = datetime(1899, 12, 30)  # noqa: DTZ001  cells know no time zone
_EPOCH_1904 = datetime(1904, 1, 1)  # noqa: DTZ001
_LEAP_DAY_THAT_NEVER_WAS = 60  # Excel counts 29 February 1900; serials before it are one less


@dataclass(frozen=True, slots=True)
class Format:
    """How a number is shown."""

    date: bool = False
    time: bool = False
    duration: bool = False
    percent: bool = False
    decimals: int | None = None  # None: as many as there are


def format_of(number: int, custom: dict[int, str]) -> Format:
    """The format behind an id of the workbook."""
    return _parsed(custom.get(number) or _BUILT_IN.get(number, ""))


def shown(value: str, form: Format, *, from_1904: bool) -> str:
    """A stored number as the workbook shows it; what is no number stays as it is."""
    try:
        number = float(value)
    except ValueError:
        return value
    if form.duration:
        seconds = round(number * 86400)
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if form.date or form.time:
        return _moment(number, form, from_1904=from_1904) or _plain(number)
    if form.percent:
        return f"{_rounded(number * 100, form.decimals)}%"
    return _rounded(number, form.decimals)


def _rounded(number: float, decimals: int | None) -> str:
    return _plain(number) if decimals is None else f"{number:.{decimals}f}"


def _plain(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.15g}"  # noqa: PLR2004


def _moment(number: float, form: Format, *, from_1904: bool) -> str:
    """A date or time of day; empty when the number lies outside the calendar."""
    if number < 0:
        return ""
    if not from_1904 and number < _LEAP_DAY_THAT_NEVER_WAS and form.date:
        number += 1
    try:
        moment = (_EPOCH_1904 if from_1904 else _EPOCH_1900) + timedelta(seconds=round(number * 86400))
    except (OverflowError, ValueError):
        return ""
    clock = f"{moment:%H:%M:%S}".removesuffix(":00")
    if not form.date:
        return clock
    return f"{moment:%Y-%m-%d} {clock}" if form.time and clock != "00:00" else f"{moment:%Y-%m-%d}"


@lru_cache(maxsize=1024)
def _parsed(code: str) -> Format:
    section = _BRACKETED.sub("", _QUOTED.sub("", code)).split(";")[0].lower()
    if "general" in section:
        return Format()
    if re.search(r"\[[hms]+\]", section):
        return Format(duration=True)
    date, time = bool(re.search("[yd]", section)), bool(re.search("[hs]", section))
    if date or time or ("m" in section and "0" not in section):
        return Format(date=date or not time, time=time)
    decimals = _DECIMALS.search(section)
    whole = 0 if re.search("[0#]", section) else None
    return Format(percent="%" in section, decimals=len(decimals.group(1)) if decimals else whole)
