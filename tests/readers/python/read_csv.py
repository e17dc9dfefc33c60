"""Python's `csv`, which sees no quotes, and DuckDB, which does and gives columns their types."""

import csv
import decimal
import io
import sys

import duckdb

from neutral import INTEGER, NUMBER, Difference, Reader
from read_json import Json, loads

csv.field_size_limit(sys.maxsize)


class Csv(Reader):
    name = "csv"

    def __init__(self, case):
        super().__init__(case)
        self.nested = Json(case)

    def header_and_rows(self, record):
        """The values of every line, with those of the header apart."""
        text = io.StringIO(record.decode("utf-8"), newline="")
        lines = list(csv.reader(text, delimiter=self.options["delimiter"], strict=True))
        return (lines[0], lines[1:]) if self.options["header"] else (self.columns, lines)

    def rows(self, record):
        header, rows = self.header_and_rows(record)
        if header != self.columns:
            raise Difference("the header", header, self.columns)
        return rows

    def row(self, read, meant, number):
        if len(read) != len(self.columns):
            raise Difference(f"row {number}", read, meant)
        before = self.nested.values
        # By their places: the header has the names.
        for value, (name, of) in zip(read, meant, strict=True):
            self.compare(value, of, f"row {number}, {name}")
        self.values += self.nested.values - before

    def compare(self, read, meant, path):
        if isinstance(meant, (list, dict)):
            self.nested.compare(loads(read), meant, path)
        elif isinstance(meant, str) and meant.startswith("j:"):
            self.nested.compare(loads(read), meant, path)
        elif meant is None:
            self.null(read, path)
        elif isinstance(meant, bool):
            self.values += 1
            if read is not meant and read != str(meant).lower():
                raise Difference(path, read, meant)
        else:
            super().compare(read, meant, path)

    def null(self, read, path):
        self.values += 1
        if read != self.options["null_text"]:
            raise Difference(path, read, None)

    def tell_i(self, read, meant):
        if isinstance(read, str) and INTEGER.fullmatch(read):
            read = int(read)
        return super().tell_i(read, meant)

    def tell_d(self, read, meant):
        return super().tell_d(number(read), meant)

    def tell_f(self, read, meant):
        return super().tell_f(number(read), meant)

    def tell_s(self, read, meant):
        return super().tell_s(number(read), meant)

    def tell_b(self, read, meant):
        return self.nested.tell_b(read, meant)


# An SQL type, and how a value of it is asked for.
TEXT = ("VARCHAR", "{}")


def number(read):
    return decimal.Decimal(read) if isinstance(read, str) and NUMBER.fullmatch(read) else read


class DuckDb(Csv):
    name = "duckdb"

    def __init__(self, case):
        super().__init__(case)
        # Of one column, a null is the empty text in quotes: else the line would be empty.
        self.is_blurred = len(self.columns) == 1 and self.options["null_text"] == ""
        columns = [[row[at][1] for row in case["rows"]] for at in range(len(self.columns))]
        self.types = [TEXT if self.is_blurred else column_type(column) for column in columns]

    def header_and_rows(self, record):
        with open("record.csv", "wb") as file:
            file.write(record)
        rows = self.select(len(record), self.types, self.options["header"])
        if not self.options["header"]:
            return self.columns, rows
        # Read as if it were a row, for DuckDB has names of its own for columns here.
        return self.select(len(record), [TEXT] * len(self.columns), False, "LIMIT 1")[0], rows

    def select(self, record_bytes, types, header, limit=""):
        names = [f"c{at}" for at in range(len(types))]
        columns = [f"'{name}': '{of}'" for name, (of, _) in zip(names, types, strict=True)]
        values = [value.format(name) for name, (_, value) in zip(names, types, strict=True)]
        line_bytes_max = max(2 << 20, 2 * record_bytes)
        query = f"""
            SELECT {", ".join(values)}
            FROM read_csv('record.csv', auto_detect = false, columns = {{{", ".join(columns)}}},
                delim = '{self.options["delimiter"]}', quote = '"', escape = '"', comment = '',
                header = {header}, nullstr = '{self.options["null_text"]}',
                allow_quoted_nulls = false, parallel = false, new_line = '\\r\\n',
                max_line_size = {line_bytes_max}, buffer_size = {2 * line_bytes_max})
            {limit}
        """
        return [list(row) for row in CONNECTION.execute(query).fetchall()]

    def null(self, read, path):
        self.values += 1
        if read is not None and not (self.is_blurred and read == ""):
            raise Difference(path, read, None)

    def tell_D(self, read, meant):
        return f"D:{read}" if type(read) is int else super().tell_D(read, meant)

    def tell_p(self, read, meant):
        if type(read) is not int:
            return super().tell_p(read, meant)
        # A column's type was made of what is meant, and says whether there is a zone.
        _, _, digits, zone = meant.split(":")
        units, rest = divmod(read, 10 ** (6 - int(digits)))
        return None if rest else f"p:{units}:{digits}:{zone}"


def column_type(meant):
    """The SQL type that holds a column, and how a value of it is asked for."""
    tags = {tag(value) for value in meant if value is not None}
    if len(tags) != 1:
        return TEXT
    match tags.pop().split(":"):
        case ["bool"]:
            return "BOOLEAN", "{}"
        case ["i"]:
            return "HUGEINT", "{}"
        case ["f"]:
            return "DOUBLE", "{}"
        case ["s"]:
            return "FLOAT", "{}"
        case ["d", scale] if int(scale) <= 38 and fits(meant, int(scale)):
            return f"DECIMAL(38, {scale})", "{}"
        case ["D"]:
            return "DATE", "date_diff('day', DATE '1970-01-01', {})"
        case ["p", digits, "z"] if int(digits) <= 6:
            return "TIMESTAMPTZ", "epoch_us({})"
        case ["p", digits, "l"] if int(digits) <= 6:
            return "TIMESTAMP", "epoch_us({})"
    return TEXT


def fits(meant, scale):
    digits = [len(value.split(":")[1].lstrip("-")) for value in meant if value is not None]
    return max(digits) <= 38


def tag(value):
    """What a column's values must have in common to be of one SQL type."""
    match value:
        case bool():
            return "bool"
        case str():
            parts = value.split(":")
            if parts[0] == "d":
                return f"d:{parts[2]}"
            return f"p:{parts[2]}:{parts[3]}" if parts[0] == "p" else parts[0]
    return "nested"


CONNECTION = duckdb.connect()
CONNECTION.execute("SET threads = 1; SET TimeZone = 'UTC'")
