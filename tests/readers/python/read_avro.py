"""`fastavro`, with its own idea of every logical type."""

import datetime
import decimal
import io
import json
import uuid

import fastavro
from fastavro.read import LOGICAL_READERS
from fastavro.schema import fingerprint, to_parsing_canonical_form

from neutral import EPOCH_ORDINAL, Reader

MICROSECOND = datetime.timedelta(microseconds=1)
EPOCH = datetime.datetime(1970, 1, 1)
EPOCH_UTC = EPOCH.replace(tzinfo=datetime.timezone.utc)
LOGICAL = dict(LOGICAL_READERS)


class Avro(Reader):
    name = "fastavro"

    def __init__(self, case):
        super().__init__(case)
        options = self.options
        # A container brings its own.
        schema = options["schema"]
        self.schema = schema and fastavro.parse_schema(json.loads(schema))
        LOGICAL_READERS.clear()
        LOGICAL_READERS.update(LOGICAL if options["logical"] else {})

    def rows(self, record):
        file = io.BytesIO(record)
        match self.options["framing"]:
            case "container":
                reader = fastavro.reader(file)
                if reader.codec != self.options["codec"]:
                    raise ValueError(f"the codec is {reader.codec}")
                rows = list(reader)
            case "single_object":
                canonical = to_parsing_canonical_form(json.loads(self.options["schema"]))
                mark = bytes.fromhex("c301" + fingerprint(canonical, "CRC-64-AVRO"))
                if file.read(10) != mark:
                    raise ValueError(f"{record[:10].hex()} is not {mark.hex()}")
                rows = [fastavro.schemaless_reader(file, self.schema)]
            case "confluent":
                if file.read(5) != b"\0" + self.options["schema_id"].to_bytes(4, "big"):
                    raise ValueError(f"{record[:5].hex()} is another schema")
                rows = [fastavro.schemaless_reader(file, self.schema)]
            case "raw":
                rows = [fastavro.schemaless_reader(file, self.schema)]
        if file.read():
            raise ValueError("bytes are left over")
        return rows

    def items(self, read):
        return read if type(read) is list else None

    def pairs(self, read):
        return list(read.items()) if type(read) is dict else None

    entries = pairs

    def tell_f(self, read, meant):
        return super().tell_f(read, meant) if type(read) is float else None

    def tell_s(self, read, meant):
        return super().tell_s(read, meant) if type(read) is float else None

    def tell_t(self, read, meant):
        return f"t:{read}" if isinstance(read, (str, uuid.UUID)) else None

    def tell_b(self, read, meant):
        read = read.bytes if isinstance(read, uuid.UUID) else read
        return "b:" + read.hex() if isinstance(read, bytes) else None

    def tell_d(self, read, meant):
        return super().tell_d(read, meant) if isinstance(read, decimal.Decimal) else None

    def tell_D(self, read, meant):
        return f"D:{read.toordinal() - EPOCH_ORDINAL}" if type(read) is datetime.date else None

    def tell_c(self, read, meant):
        if type(read) is not datetime.time or read.tzinfo:
            return None
        seconds = read.hour * 3600 + read.minute * 60 + read.second
        return told("c", seconds * 10**6 + read.microsecond, meant, "")

    def tell_p(self, read, meant):
        _, _, digits, zone = meant.split(":")
        # It has no type for nanoseconds, and is told to have none for others.
        if type(read) is int and (digits == "9" or not self.options["logical"]):
            return f"p:{read}:{digits}:{zone}"
        if type(read) is not datetime.datetime:
            return None
        if read.tzinfo:
            return told("p", (read - EPOCH_UTC) // MICROSECOND, meant, ":z")
        return told("p", (read - EPOCH) // MICROSECOND, meant, ":l")


def told(tag, microseconds, meant, zone):
    digits = int(meant.split(":")[2])
    units, rest = divmod(microseconds, 10 ** (6 - digits))
    return None if rest else f"{tag}:{units}:{digits}{zone}"
