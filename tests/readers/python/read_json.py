"""Python's `json`, exact, and `orjson`, which has doubles for what is no integer of 64 bits."""

import base64
import decimal
import json

import orjson

from neutral import Reader, float_text


class Pairs(list):
    """The members of an object as they stand, also if a name comes twice."""


def loads(text):
    return json.loads(text, object_pairs_hook=Pairs, parse_float=decimal.Decimal)


class Json(Reader):
    name = "json"

    @staticmethod
    def load(text):
        return loads(text)

    def rows(self, record):
        text = record.decode("utf-8")
        if self.options["array"]:
            rows = self.load(text)
            if type(rows) is not list:
                raise ValueError(f"{text[:100]!r} is no array")
            return rows
        # An empty line, or one behind the last row, is no JSON.
        return [self.load(line) for line in text.split("\n")]

    def items(self, read):
        return read if type(read) is list else None

    def pairs(self, read):
        return read if type(read) is Pairs else None

    entries = pairs

    def tell_b(self, read, meant):
        if not isinstance(read, str):
            return None
        return "b:" + base64.b64decode(read, validate=True).hex()

    def tell_j(self, read, meant):
        # Not `==`, to which 1, 1.0 and True are equal.
        same = repr(read) == repr(self.load(meant.removeprefix("j:")))
        return meant if same else None


class Orjson(Json):
    name = "orjson"

    @staticmethod
    def load(text):
        return orjson.loads(text)

    def pairs(self, read):
        return list(read.items()) if type(read) is dict else None

    entries = pairs

    def tell_d(self, read, meant):
        told = super().tell_d(read, meant)
        if told is not None or not isinstance(read, float):
            return told
        _, digits, scale = meant.split(":")
        nearest = float(decimal.Decimal(digits).scaleb(-int(scale)))
        # A zero of this type has no sign.
        return meant if float_text(nearest + 0.0) == float_text(read + 0.0) else None
