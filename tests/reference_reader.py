"""A second reader of `.dpf` files, written from docs/format.md alone.

It is slow and plain on purpose: one loop for each rule, nothing but Python's standard library, and nothing of
edgediff. Read it beside the document when you bring the format to another language.
"""

import json
import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

MAGIC = b"\x89DPF\r\n\x1a\n"
SECTIONS = {
    1: (b"META", b"INDX", b"VALS", b"HEAD"),
    2: (b"META", b"INDX", b"VALS", b"PROD", b"HEAD"),
}
MOST_FILE_BYTES = 2**26
MOST_INFLATED = 2**20  # of META, and of the numbers of INDX
MOST_ENTRIES = 2**26
MOST_TENSORS = 4096  # and as many products
MOST_RANK = 256
MOST_FACTORS = 2**26  # numbers of all products
MOST_PLACES = 2**40  # in one tensor, and in the encoder
MOST_CLASSES = 24
MOST_CLASSED_AXIS = 2**20  # rows or columns of one tensor
MOST_CLASSED = 2**22  # rows and columns of all tensors
MOST_NESTED = 64  # arrays and objects within one another; META needs 4
METRICS = {  # the first one is meant where a task names none
    "classification": ("accuracy", "f1", "matthews_correlation"),
    "regression": ("pearson_spearman",),
    "multi_label": ("f1", "accuracy"),
    "token_classification": ("f1", "accuracy"),
    "question_answering": ("f1",),
}


class Refused(Exception):  # noqa: N818 - it is the reader's verdict
    """The file breaks a rule; `kind` is the name of the error in the document's table."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text


def demand(holds: bool, text: str, kind: str = "FormatError") -> None:
    """Refuse the file unless a rule holds."""
    if not holds:
        raise Refused(kind, text)


def read(data: bytes) -> dict[str, Any]:
    """Read a whole file, or raise Refused."""
    sections = read_container(data)
    meta = read_meta(sections[b"META"], b"PROD" in sections)
    entries = sum(tensor["nnz"] for tensor in meta["tensors"])
    demand(entries <= 1032 * len(sections[b"VALS"]), "VALS is too short for the entries", "TruncatedError")
    indices = read_indx(sections[b"INDX"], meta["tensors"])
    levels, values = read_vals(sections[b"VALS"], entries)
    tensors, start = [], 0
    for tensor, places in zip(meta["tensors"], indices, strict=True):
        end = start + len(places)
        tensors.append(
            {
                "name": tensor["name"],
                "shape": tensor["shape"],
                "indices": places,
                "values": values[start:end],
            }
        )
        start = end
    products = read_prod(sections[b"PROD"], meta["products"]) if meta["products"] else []
    return {
        "task": meta["task"],
        "base": meta["base"],
        "provenance": meta["provenance"],
        "tensors": tensors,
        "levels": levels,
        **({"products": products} if products else {}),
        "head": read_head(sections[b"HEAD"], meta["head"], meta["base"]["width"]),
    }


class Bytes:
    """Bytes that are read from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int, what: str) -> bytes:
        """Give the next bytes, all of them or none."""
        demand(self.at + count <= len(self.data), f"{what} ends too early", "TruncatedError")
        self.at += count
        return self.data[self.at - count : self.at]

    def left(self) -> int:
        """Count the bytes that are still to be read."""
        return len(self.data) - self.at

    def end(self, what: str) -> None:
        """Refuse bytes that nobody asked for."""
        demand(self.left() == 0, f"{what} goes on after its end", "TruncatedError")


def read_container(data: bytes) -> dict[bytes, bytes]:
    """Give each section's content by its identifier, all checksums proved."""
    demand(len(data) <= MOST_FILE_BYTES, "the file is too long", "LimitError")
    demand(data[:8] == MAGIC[: len(data)], "this is no .dpf file")
    start = Bytes(data)
    start.take(8, "the magic")
    version, flags = struct.unpack("<H", start.take(2, "the version"))[0], start.data[10:12]
    demand(version in SECTIONS, f"version {version} is not known", "VersionError")
    start.take(2, "the flags")
    demand(flags == b"\0\0", "a flag is set", "VersionError")
    body = Bytes(data[12 : max(12, len(data) - 32)])
    sections = {}
    for name in SECTIONS[version]:
        found = body.take(4, "the file")
        demand(found == name, f"{found!r} stands where {name!r} should", "VersionError")
        length, crc = struct.unpack("<II", body.take(8, f"the section {name!r}"))
        sections[name] = body.take(length, f"the section {name!r}")
        demand(zlib.crc32(sections[name]) == crc, f"the CRC-32 of {name!r} does not match", "ChecksumError")
    body.end("the file")
    demand(sha256(data[:-32]).digest() == data[-32:], "the SHA-256 does not match", "ChecksumError")
    return sections


def inflate(stream: bytes, limit: int, what: str) -> bytes:
    """Inflate a stream that fills its bytes exactly, and stop at the limit."""
    inflater = zlib.decompressobj(wbits=-15)
    try:
        content = inflater.decompress(stream, limit + 1)
    except zlib.error as error:
        raise Refused("FormatError", f"the deflate stream of {what} is damaged") from error
    demand(len(content) <= limit, f"{what} inflates to more than {limit} bytes")
    demand(inflater.eof, f"the deflate stream of {what} does not end")
    demand(not inflater.unused_data, f"the deflate stream of {what} goes on after its end")
    return content


# ---------------------------------------------------------------------------------------------------- META


def read_meta(section: bytes, with_products: bool) -> dict[str, Any]:
    """Read META: its five or six fields, defaults filled in, each tensor and product an object."""
    fields = {"base", "head", "provenance", "task", "tensors"} | ({"products"} if with_products else set())
    meta = record(parse_json(inflate(section, MOST_INFLATED, "META")), fields, set(), "META")
    base = record(meta["base"], {"name", "fingerprint", "parameters", "width"}, set(), "base")
    text(base["name"], "base.name", least=0)
    fingerprint = text(base["fingerprint"], "base.fingerprint", 64, 64)
    demand(all(digit in "0123456789abcdef" for digit in fingerprint), "base.fingerprint is not hexadecimal")
    integer(base["parameters"], 1, MOST_PLACES, "base.parameters")
    width = integer(base["width"], 1, 2**20, "base.width")
    head = integer(meta["head"], 1, 2**24, "head")
    demand(head * width <= 2**24, "the head is too large")
    return {
        "base": base,
        "head": head,
        "provenance": read_provenance(meta["provenance"]),
        "task": read_task(meta["task"], head),
        "tensors": read_tensors(meta["tensors"]),
        "products": read_products(meta["products"], meta["tensors"]) if with_products else [],
    }


def parse_json(raw: bytes) -> Any:
    """Read JSON as RFC 8259 has it: no NaN, no mark in front, nothing nested without end."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        source = raw.decode("utf-8")
        demand(nesting(source) <= MOST_NESTED, "META is nested too deeply")
        return json.loads(source, parse_constant=refuse)
    except ValueError as error:
        raise Refused("FormatError", "META is not JSON") from error


def nesting(source: str) -> int:
    """Count how many arrays and objects lie within one another at most, before a parser goes down there."""
    depth = deepest = 0
    quoted = escaped = False
    for character in source:
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def record(value: Any, needed: set[str], allowed: set[str], what: str) -> dict[str, Any]:
    """Take an object that has every needed key, and else none but the allowed ones."""
    demand(isinstance(value, dict), f"{what} is not an object")
    demand(needed <= value.keys() <= needed | allowed, f"{what} has other keys than it should")
    return dict(value)


def array(value: Any, what: str) -> list[Any]:
    """Take an array."""
    demand(isinstance(value, list), f"{what} is not an array")
    return list(value)


def integer(value: Any, least: int, most: int, what: str) -> int:
    """Take a number without fraction or exponent; Python's True is none."""
    demand(type(value) is int and least <= value <= most, f"{what} is not an integer from {least} to {most}")
    return int(value)


def text(value: Any, what: str, least: int = 1, most: int = MOST_INFLATED) -> str:
    """Take a text of so many code points, none of them a lone surrogate."""
    demand(isinstance(value, str), f"{what} is not a text")
    demand(least <= len(value) <= most, f"{what} is too short or too long")
    demand(not any("\ud800" <= character <= "\udfff" for character in value), f"{what} has a lone surrogate")
    return str(value)


def read_provenance(value: Any) -> dict[str, str]:
    """Take an object of a few short texts."""
    demand(isinstance(value, dict), "provenance is not an object")
    demand(len(value) <= 64, "provenance has too many keys", "LimitError")
    for key, entry in value.items():
        text(key, "a key of provenance", least=0)
        text(entry, "a value of provenance", least=0)
        demand(len(key) <= 64 and len(entry) <= 1024, "a text of provenance is too long", "LimitError")
    return dict(value)


def read_task(value: Any, head: int) -> dict[str, Any]:
    """Take the task; the keys that its kind does not have stay absent."""
    optional = {"metric", "labels", "text_pair", "label", "answers", "max_length"}
    given = record(value, {"name", "text", "kind"}, optional, "task")
    kind = text(given["kind"], "task.kind")
    demand(kind in METRICS, "task.kind is none of the five kinds")
    task: dict[str, Any] = {"kind": kind}
    for key in ("name", "text", "text_pair"):
        if key in given:
            task[key] = text(given[key], f"task.{key}")
    task["metric"] = text(given.get("metric", METRICS[kind][0]), "task.metric")
    demand(task["metric"] in METRICS[kind], "task.metric does not fit the kind")
    task["max_length"] = integer(given.get("max_length", 128), 3, 65535, "task.max_length")
    answering = kind == "question_answering"
    target, other = ("answers", "label") if answering else ("label", "answers")
    demand(other not in given, f"task.{other} does not fit the kind")
    task[target] = text(given.get(target, target), f"task.{target}")
    rows = 2 if answering else 1
    labelled = kind in ("classification", "multi_label", "token_classification")
    demand(labelled == ("labels" in given), "task.labels does not fit the kind")
    if labelled:
        task["labels"] = [text(label, "a label", least=0) for label in array(given["labels"], "task.labels")]
        rows = len(task["labels"])
        demand(rows >= 2 and len(set(task["labels"])) == rows, "task.labels are too few or not all different")
    demand(head == rows, "head does not fit the task")
    return task


def read_rows(value: Any, what: str) -> list[dict[str, Any]]:
    """Take the rows of a table, each a name, a shape and a number from 1."""
    table: list[dict[str, Any]] = []
    demand(len(array(value, what)) <= MOST_TENSORS, f"too many {what}", "LimitError")
    for entry in value:
        demand(len(array(entry, what)) == 3, f"one of the {what} is not a name, a shape and a number")
        name = text(entry[0], "a name", 1, 512)
        demand(not table or table[-1]["name"] < name, f"the names of {what} do not ascend")  # by code points
        shape = array(entry[1], "a shape")
        demand(1 <= len(shape) <= 8, "a shape has not 1 to 8 axes")
        places = 1
        for axis in shape:
            places *= integer(axis, 1, MOST_PLACES // places, "an axis of a shape")
        number = (
            integer(entry[2], 1, places, f"the number of one of the {what}")
            if what == "tensors"
            else (integer(entry[2], 1, MOST_RANK, "a rank"))
        )
        rows = 1 if len(shape) == 1 else shape[0]
        table.append(
            {"name": name, "shape": shape, "number": number, "rows": rows, "columns": places // rows}
        )
    return table


def read_tensors(value: Any) -> list[dict[str, Any]]:
    """Take the list of tensors with changed entries."""
    tensors = [{**row, "nnz": row["number"]} for row in read_rows(value, "tensors")]
    demand(sum(tensor["nnz"] for tensor in tensors) <= MOST_ENTRIES, "too many entries", "LimitError")
    return tensors


def read_products(value: Any, tensors: list[Any]) -> list[dict[str, Any]]:
    """Take the list of products; `tensors` is META's own list, known to be right."""
    products = [{**row, "rank": row["number"]} for row in read_rows(value, "products")]
    demand(products != [], "a file of version 2 has no product")
    sizes = [product["rank"] * (product["rows"] + product["columns"]) for product in products]
    demand(sum(sizes) <= MOST_FACTORS, "products of too many numbers", "LimitError")
    shapes = {name: shape for name, shape, _ in tensors}
    for product in products:
        demand(shapes.get(product["name"], product["shape"]) == product["shape"], "two shapes of one name")
    return products


# ---------------------------------------------------------------------------------------------------- INDX


class WrittenSet(NamedTuple):
    """What is known of a set before it is read."""

    universe: int
    inverted: bool
    written: int  # m
    k: int


def written_set(universe: int, size: int) -> WrittenSet:
    """Find how a set is written from its universe and its size."""
    inverted = 2 * size > universe
    written = universe - size if inverted else size
    k = 0
    while written > 0 and 133 * written * 2 ** (k + 1) < 64 * (2 * universe - written):
        k += 1
    return WrittenSet(universe, inverted, written, k)


class Classes(NamedTuple):
    """How a tensor's matrix is cut: the sizes of its classes and the entries of each block."""

    rows: list[int]
    columns: list[int]
    counts: list[int]

    def sets(self) -> Iterator[WrittenSet]:
        """Give the tensor's sets in the order in which they are written."""
        for sizes in (self.rows, self.columns):
            left = sum(sizes)
            for size in sizes[:-1]:
                yield written_set(left, size)
                left -= size
        blocks = (rows * columns for rows in self.rows for columns in self.columns)
        for universe, count in zip(blocks, self.counts, strict=True):
            yield written_set(universe, count)


def read_indx(section: bytes, tensors: list[dict[str, Any]]) -> list[list[int]]:
    """Give the ascending indices of each tensor's changed entries."""
    content = Bytes(section)
    numbers_length, quotients_length = struct.unpack("<II", content.take(8, "INDX"))
    numbers = inflate(content.take(numbers_length, "INDX"), MOST_INFLATED, "the numbers")
    quotients = content.take(quotients_length, "INDX")
    remainders = content.take(content.left(), "INDX")
    classes = read_classes(numbers, tensors)
    sets = SetReader([known for cut in classes for known in cut.sets()], quotients, remainders)
    indices = [
        tensor_indices(cut, tensor["columns"], sets) for cut, tensor in zip(classes, tensors, strict=True)
    ]
    sets.end()
    return indices


def read_number(numbers: Bytes) -> int:
    """Read one LEB128 number of at most six bytes."""
    number, place = 0, 1
    for _ in range(6):
        byte = numbers.take(1, "a number")[0]
        number += byte % 128 * place
        if byte < 128:
            demand(byte > 0 or place == 1, "a number has a needless last byte")
            return number
        place *= 128
    raise Refused("FormatError", "a number is too long")


def read_classes(content: bytes, tensors: list[dict[str, Any]]) -> list[Classes]:
    """Read the numbers of all tensors."""
    numbers = Bytes(content)
    classed = 0
    result = []
    for tensor in tensors:
        axes = (tensor["rows"], tensor["columns"])
        how_many = [read_number(numbers), read_number(numbers)]
        for length, parts in zip(axes, how_many, strict=True):
            most = min(MOST_CLASSES, length) if length <= MOST_CLASSED_AXIS else 1
            demand(1 <= parts <= most, "a matrix has too few or too many classes")
            classed += length if parts > 1 else 0
        demand(classed <= MOST_CLASSED, "too many rows and columns are in classes", "LimitError")
        rows, columns = (class_sizes(numbers, n, parts) for n, parts in zip(axes, how_many, strict=True))
        counts = []
        for universe in (height * width for height in rows for width in columns):
            counts.append(read_number(numbers))
            demand(counts[-1] <= universe, "a block has more entries than places")
        demand(sum(counts) == tensor["nnz"], "the blocks hold not as many entries as META states")
        result.append(Classes(rows, columns, counts))
    numbers.end("the list of numbers")
    return result


def class_sizes(numbers: Bytes, length: int, parts: int) -> list[int]:
    """Read the sizes of all classes of an axis but the last, which has what is left."""
    sizes = [read_number(numbers) for _ in range(parts - 1)]
    sizes.append(length - sum(sizes))
    demand(min(sizes) > 0, "a class has no member")
    return sizes


class Bits:
    """A bit stream, from the highest bit of each byte to the lowest."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def bit(self) -> int:
        """Read one bit; that there is one is known before."""
        byte = self.data[self.at // 8]
        bit = byte >> (7 - self.at % 8) & 1
        self.at += 1
        return bit

    def unary(self) -> int:
        """Read a number written as that many zero bits and a one."""
        zeros = 0
        while self.bit() == 0:
            zeros += 1
        return zeros

    def fixed(self, width: int) -> int:
        """Read a number of so many bits."""
        number = 0
        for _ in range(width):
            number = 2 * number + self.bit()
        return number

    def end(self, what: str) -> None:
        """Refuse bits that nobody asked for, but for the zeros that fill up the last byte."""
        demand(8 * len(self.data) - self.at < 8, f"{what} go on after the last")
        while self.at < 8 * len(self.data):
            demand(self.bit() == 0, f"a fill bit of {what} is set")


class SetReader:
    """Gives the sets one after the other, once it is known that every bit of them is there."""

    def __init__(self, sets: list[WrittenSet], quotients: bytes, remainders: bytes) -> None:
        written = sum(known.written for known in sets)
        demand(written <= 8 * len(quotients), "the quotients end too early", "TruncatedError")
        ones = sum(byte.bit_count() for byte in quotients)
        demand(ones == written, f"{ones} ones among the quotients, {written} expected")
        self.sets = iter(sets)
        self.quotients = Bits(quotients)
        self.remainders: dict[int, Bits] = {}
        content = Bytes(remainders)
        bits: dict[int, int] = {}
        for known in sets:
            if known.written > 0 and known.k > 0:
                bits[known.k] = bits.get(known.k, 0) + known.written * known.k
        for k in sorted(bits):
            self.remainders[k] = Bits(content.take((bits[k] + 7) // 8, "the remainders"))
        content.end("the remainders")

    def next(self) -> Sequence[int]:
        """Read the next set, ascending."""
        known = next(self.sets)
        numbers = []
        number = -1
        for _ in range(known.written):
            quotient = self.quotients.unary()
            # Before it is multiplied: quotient * 2^k can be more than 64 bits hold.
            demand(quotient <= known.universe // 2**known.k, "a member lies outside its universe")
            remainder = self.remainders[known.k].fixed(known.k) if known.k > 0 else 0
            number += quotient * 2**known.k + remainder + 1
            demand(number < known.universe, "a member lies outside its universe")
            numbers.append(number)
        return without(range(known.universe), numbers) if known.inverted else numbers

    def end(self) -> None:
        """Refuse bits after the last set."""
        self.quotients.end("the quotients")
        for stream in self.remainders.values():
            stream.end("the remainders")


def without(members: Iterable[int], places: Iterable[int]) -> list[int]:
    """Give the members but for those at some places."""
    gone = set(places)
    return [member for place, member in enumerate(members) if place not in gone]


def read_axis(sizes: list[int], sets: SetReader) -> list[Sequence[int]]:
    """Give the rows, or the columns, of each class."""
    left: Sequence[int] = range(sum(sizes))  # it becomes a list only where there are two classes or more
    classes: list[Sequence[int]] = []
    for _ in sizes[:-1]:
        places = sets.next()  # among those that are left
        classes.append([left[place] for place in places])
        left = without(left, places)
    return [*classes, left]


def tensor_indices(cut: Classes, width: int, sets: SetReader) -> list[int]:
    """Read a tensor's sets and give the indices of its changed entries."""
    row_classes = read_axis(cut.rows, sets)
    column_classes = read_axis(cut.columns, sets)
    indices = []
    for rows in row_classes:
        for columns in column_classes:
            for member in sets.next():
                row = rows[member // len(columns)]
                column = columns[member % len(columns)]
                indices.append(row * width + column)
    return sorted(indices)


# ------------------------------------------------------------------------------------- VALS, PROD and HEAD


def read_vals(section: bytes, entries: int) -> tuple[list[float], list[float]]:
    """Give the levels, and the value of each changed entry."""
    content = Bytes(section)
    count = content.take(1, "VALS")[0] + 1
    demand(count <= 128, "VALS has too many levels")
    levels = list(struct.unpack(f"<{count}e", content.take(2 * count, "the levels")))
    lower = 0.0
    for level in levels:
        demand(lower < level < math.inf, "the levels are not finite, above zero and ascending")
        lower = level
    codes = inflate(content.take(content.left(), "VALS"), entries, "the values")
    demand(len(codes) == entries, "VALS has fewer values than there are entries", "TruncatedError")
    meaning = levels + [-level for level in levels]
    demand(max(codes, default=0) < len(meaning), "a code of VALS has no level")
    return levels, [meaning[code] for code in codes]


def single(number: float) -> float:
    """Round to single precision; what it cannot hold becomes infinite."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


def read_prod(section: bytes, products: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each product's factors: a column a term, and a row a term."""
    numbers = sum(product["rank"] * (product["rows"] + product["columns"]) for product in products)
    terms = sum(product["rank"] for product in products)
    content = Bytes(section)
    steps = list(struct.unpack(f"<{terms}f", content.take(4 * terms, "the steps")))
    demand(numbers <= 1032 * len(section), "PROD is too short for its numbers", "TruncatedError")
    demand(all(0 < step < math.inf for step in steps), "a step is not finite and above zero")
    raw = inflate(content.take(content.left(), "PROD"), numbers, "the numbers of products")
    demand(len(raw) == numbers, "PROD has fewer codes than there are numbers", "TruncatedError")
    codes = Bytes(raw)
    result = []
    for product in products:
        columns, rows = [], []
        for step in [steps.pop(0) for _ in range(product["rank"])]:
            columns.append(signed(codes.take(product["rows"], "a column")))
            rows.append([single(code * step) for code in signed(codes.take(product["columns"], "a row"))])
            demand(all(math.isfinite(number) for number in rows[-1]), "a step is too large for its row")
        left = [list(row) for row in zip(*columns, strict=True)]
        result.append({"name": product["name"], "shape": product["shape"], "left": left, "right": rows})
    return result


def signed(raw: bytes) -> list[int]:
    """Take each byte as an i8, none of them -128."""
    codes = list(struct.unpack(f"<{len(raw)}b", raw))
    demand(min(codes) > -128, "a code of PROD is -128")
    return codes


def read_head(section: bytes, rows: int, width: int) -> dict[str, Any]:
    """Give the task's own output layer."""
    length = rows * (1 + width + 4)
    demand(len(section) >= length, "HEAD ends too early", "TruncatedError")
    demand(len(section) == length, "HEAD goes on after the bias")
    content = Bytes(section)
    exponents = struct.unpack(f"<{rows}b", content.take(rows, "HEAD"))
    weight = []
    for exponent in exponents:
        codes = struct.unpack(f"<{width}b", content.take(width, "the weight"))
        demand(-126 <= exponent <= 120, "an exponent is out of range")
        demand(min(codes) > -128, "a code of the weight is -128")
        largest = max(abs(code) for code in codes)
        if largest == 0:
            demand(exponent == 0, "a row of zeros has an exponent")
        else:
            demand(largest > 63 or exponent == -126, "an exponent is larger than it needs to be")
        weight.append([code * 2.0**exponent for code in codes])
    bias = list(struct.unpack(f"<{rows}f", content.take(4 * rows, "the bias")))
    demand(all(math.isfinite(number) for number in bias), "a bias is not finite")
    return {"weight": weight, "bias": bias}
