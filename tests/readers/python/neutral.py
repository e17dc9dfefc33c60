"""Compares what a reader yields with what a row means.

The form of what is meant is that of tests/tests/readers/meaning.rs. A reader says how its values
are told in that form; here they are told and compared, one by one.
"""

import datetime
import decimal
import re
import struct

EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
# Enough for every digit: no number is rounded.
decimal.getcontext().prec = 1000

DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d+))?", re.ASCII)
INTEGER = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", re.ASCII)


class Difference(Exception):
    """What was read is not what was meant."""

    def __init__(self, path, read, meant):
        super().__init__(f"at {path}: read {shorten(read)}, meant {shorten(meant)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 400 else f"{text[:300]}… ({len(text)} characters)"


class Reader:
    """How the values of a library are told; a format overrides what is its own."""

    def __init__(self, case):
        self.options, self.columns = case["options"], case["columns"]
        self.values = 0

    def row(self, read, meant, number):
        """Compares the members of a row with pairs of names and values."""
        self.members(self.pairs(read), meant, f"row {number}")

    def members(self, pairs, meant, path):
        if [name for name, _ in pairs] != [name for name, _ in meant]:
            raise Difference(path, pairs, meant)
        for (_, read), (name, value) in zip(pairs, meant, strict=True):
            self.compare(read, value, f"{path}, {name}")

    def compare(self, read, meant, path):
        if isinstance(meant, str):
            self.values += 1
            found = self.tell(read, meant)
            if found != meant:
                raise Difference(path, found, meant)
        elif meant is None or isinstance(meant, bool):
            self.values += 1
            if read is not meant:
                raise Difference(path, read, meant)
        elif isinstance(meant, list):
            items = self.items(read)
            if items is None or len(items) != len(meant):
                raise Difference(path, read, meant)
            for at, (item, value) in enumerate(zip(items, meant, strict=True)):
                self.compare(item, value, f"{path}[{at}]")
        elif "r" in meant:
            pairs = self.pairs(read)
            if pairs is None:
                raise Difference(path, read, meant)
            self.members(pairs, meant["r"], path)
        else:
            pairs = self.entries(read)
            if pairs is None:
                raise Difference(path, read, meant)
            self.members(sorted(pairs, key=first), sorted(meant["m"], key=first), path)

    def tell(self, read, meant):
        """A value in the form that the meant one has, or as it is if that cannot be."""
        quoted = meant.startswith("q")
        tell = getattr(self, f"tell_{meant[quoted]}")
        if quoted:
            # The number is within a text, and nothing else is.
            if not isinstance(read, str) or not NUMBER.fullmatch(read):
                return read
            read = int(read) if INTEGER.fullmatch(read) else decimal.Decimal(read)
        told = tell(read, meant)
        return read if told is None else "q" + told if quoted else told

    def tell_i(self, read, meant):
        return f"i:{read}" if type(read) is int else None

    def tell_d(self, read, meant):
        if type(read) is int:
            return f"d:{read}:0"
        return decimal_text(read) if isinstance(read, decimal.Decimal) else None

    def tell_f(self, read, meant):
        return float_text(read)

    def tell_s(self, read, meant):
        return single_text(read)

    def tell_t(self, read, meant):
        return f"t:{read}" if isinstance(read, str) else None

    def tell_D(self, read, meant):
        return date_text(read) if isinstance(read, str) else None

    def tell_c(self, read, meant):
        return clock_text(read) if isinstance(read, str) else None

    def tell_p(self, read, meant):
        return instant_text(read) if isinstance(read, str) else None


def first(pair):
    return pair[0]


def decimal_text(read):
    """The digits as they stand, with as many behind the point."""
    sign, digits, exponent = read.as_tuple()
    if not isinstance(exponent, int) or exponent > 0:
        return None
    # 0.00 is zero with two digits behind the point.
    return f"d:{'-' if sign and any(digits) else ''}{int(''.join(map(str, digits)))}:{-exponent}"


def is_number(read):
    return isinstance(read, (float, decimal.Decimal)) or type(read) is int


def float_text(read):
    if not is_number(read):
        return None
    value = float(read)
    return "f:nan" if value != value else "f:" + struct.pack(">d", value).hex()


def single_text(read):
    if not is_number(read):
        return None
    value = float(read)
    return "s:nan" if value != value else "s:" + struct.pack(">f", value).hex()


def days(text):
    return datetime.date.fromisoformat(text).toordinal() - EPOCH_ORDINAL


def date_text(text):
    return f"D:{days(text)}" if DATE.fullmatch(text) else None


def clock_units(text):
    """Units since midnight, and the number of digits behind the second."""
    match = CLOCK.fullmatch(text)
    if not match:
        return None
    hours, minutes, seconds, fraction = match.groups(default="")
    seconds = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return int(f"{seconds}{fraction}"), len(fraction)


def clock_text(text):
    units = clock_units(text)
    return units and f"c:{units[0]}:{units[1]}"


def instant_text(text):
    date, _, clock = text.partition("T")
    zone = "z" if clock.endswith("Z") else "l"
    units = clock_units(clock.removesuffix("Z"))
    if not units or not DATE.fullmatch(date):
        return None
    value, digits = units
    return f"p:{days(date) * 86400 * 10**digits + value}:{digits}:{zone}"
