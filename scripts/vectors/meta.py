"""META: its deflate stream, its JSON as a whole, and the rules between `task` and `head`."""

import struct
import zlib
from dataclasses import replace

import numpy as np

from edgediff import Head
from edgediff.diff import Kind, Metric, Task
from vectors.parts import BASE, EXAMPLE, META_TEXT, TASK_TEXT, deflate, edited, file, head, meta, stored
from vectors.vector import Vector, invalid, valid

CLAUSE = "META"
LIMIT = 1 << 20
TOY = TASK_TEXT.removeprefix('"task":')
TOKENS = TOY.replace('"classification"', '"token_classification"')
REGRESSION = '{"name":"t","text":"x","kind":"regression"}'
ANSWERING = '{"name":"t","text":"x","kind":"question_answering"}'


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    valid_ones = [*_streams(), *_texts(), *_provenances(), *_absent()]
    return [
        *valid_ones,
        *_damaged(),
        *_too_long(),
        *_wrong_texts(),
        *_wrong_bytes(),
        *_wrong_kinds(),
        *_wrong_heads(),
    ]


def _streams() -> list[Vector]:
    text = META_TEXT.encode()
    blocks = stored(text[:9], final=False) + stored(b"", final=False) + deflate(text[9:])
    streams = [
        ("stored", "one stored block, as a writer without a compressor makes", stored(text)),
        ("fixed", "Huffman codes that are not sent", deflate(text, zlib.Z_FIXED)),
        ("blocks", "several blocks, an empty one among them", blocks),
        ("largest", "META inflates to the largest size that is allowed", deflate(text.ljust(LIMIT))),
    ]
    return [
        valid(f"meta-stream-{name}", description, file(META=data), EXAMPLE)
        for name, description, data in streams
    ]


def _texts() -> list[Vector]:
    spaced = META_TEXT.replace(":", " :\t").replace(",", "\r\n,")
    first, rest = META_TEXT[1:-1].split(',"head"')
    texts = [
        ("white-space", "all white space of JSON", f"\n{spaced} \r\n"),
        ("order", "the keys in another order", f'{{"head"{rest},{first}}}'),
        ("escapes", "letters as escapes", edited('"text":"text"', '"\\u0074ext":"t\\u0065xt"')),
        ("head-twice", "`head` twice, the last one counts", edited('"head":2', '"head":7,"head":2')),
        ("task-twice", "`task` twice, the last one counts", edited('"task":', '"task":[],"task":')),
        ("name-twice", "a name twice, the last one counts", edited('"name":"toy"', '"name":1,"name":"toy"')),
    ]
    return [
        valid(f"meta-{name}", description, file(META=meta(text)), EXAMPLE)
        for name, description, text in texts
    ]


def _provenances() -> list[Vector]:
    escaped = (
        r'{"pair":"\ud83d\uDE00","nul":"\u0000","quote":"\"\\\/\b\f\n\r\t","\u005f_proto__":"own","":""}'
    )
    texts = {"pair": "\U0001f600", "nul": "\0", "quote": '"\\/\b\f\n\r\t', "__proto__": "own", "": ""}
    table = [
        ("escapes", "every escape, a surrogate pair, a key that means much to JavaScript", escaped, texts),
        ("twice", "a key twice, the last one counts", '{"a":"1","b":"2","a":"3"}', {"a": "3", "b": "2"}),
    ]
    return [
        valid(
            f"meta-provenance-{name}",
            description,
            file(META=meta(edited('"provenance":{}', f'"provenance":{text}'))),
            replace(EXAMPLE, provenance=provenance),
        )
        for name, description, text, provenance in table
    ]


def _task_file(task: str, rows: int) -> bytes:
    """The document's file with another `task`, and as many rows of zeros in the field `head` and in HEAD."""
    text = edited('"head":2', f'"head":{rows}').replace(TASK_TEXT, f'"task":{task}')
    return file(META=meta(text), HEAD=_zeros(rows))


def _zeros(rows: int) -> bytes:
    return head((0,) * rows, ((0,) * BASE.width,) * rows, (0,) * rows)


def _absent() -> list[Vector]:
    named = '{"name":"t","text":"x","labels":["a","b"],"kind":'
    answering = Task("t", Kind.QUESTION_ANSWERING, "x", label=None, metric=Metric.F1, answers="answers")
    tasks = [
        (named + '"classification"}', Task("t", Kind.CLASSIFICATION, "x", labels=("a", "b"))),
        (REGRESSION, Task("t", Kind.REGRESSION, "x", metric=Metric.PEARSON_SPEARMAN)),
        *(
            (named + f'"{kind}"}}', Task("t", kind, "x", labels=("a", "b"), metric=Metric.F1))
            for kind in (Kind.MULTI_LABEL, Kind.TOKEN_CLASSIFICATION)
        ),
        (ANSWERING, answering),
    ]
    found = []
    for text, task in tasks:
        zeros = Head(np.zeros((task.outputs, BASE.width), np.float32), np.zeros(task.outputs, np.float32))
        name = f"meta-absent-{task.kind.replace('_', '-')}"
        description = "each key absent that may be: it has its default"
        whole = replace(EXAMPLE, task=task, head=zeros)
        found.append(valid(name, description, _task_file(text, task.outputs), whole))
    return found


def _damaged() -> list[Vector]:
    text, whole = META_TEXT.encode(), meta()
    gzip = b"\x1f\x8b\x08" + bytes(6) + b"\xff" + whole + struct.pack("<II", zlib.crc32(text), len(text))
    streams = [
        ("zlib", "a zlib header and trailer around the stream", zlib.compress(text)),
        ("gzip", "a gzip header and trailer around the stream", gzip),
        ("plain", "JSON that is not deflated", text),
        ("reserved", "a block of the reserved type", b"\7" + whole[1:]),
        ("distance", "a copy from before the beginning", b"\3\2\0"),
        ("length", "a stored block whose two lengths do not match", stored(text)[:3] + b"\0\0" + text),
        ("trailing", "a byte after the end of the stream", whole + b"\0"),
        ("second", "a second stream after the end of the first", whole + deflate(b"")),
        ("cut", "a stream without its last byte", whole[:-1]),
        ("not-final", "a stream whose last block is not marked as the last", stored(text, final=False)),
        ("empty", "no byte at all", b""),
    ]
    return [
        invalid(f"meta-stream-{name}", description, file(META=data), "Conventions")
        for name, description, data in streams
    ]


def _too_long() -> list[Vector]:
    sizes = [
        ("one-more", "META inflates to a byte more than is allowed, JSON that is right", LIMIT + 1),
        ("bomb", "META inflates to 10 MiB of JSON that is right", 10 * LIMIT),
    ]
    return [
        invalid(f"meta-stream-{name}", description, file(META=meta(META_TEXT.ljust(size))), CLAUSE)
        for name, description, size in sizes
    ]


def _wrong_texts() -> list[Vector]:
    texts = [
        ("top-array", "an array around the object", f"[{META_TEXT}]"),
        ("top-null", "null in place of the object", "null"),
        ("text-empty", "no JSON at all", ""),
        ("text-after", "a second object after the first", META_TEXT + "{}"),
        ("text-nul-after", "a NUL after the object", META_TEXT + "\0"),
        ("text-cut", "JSON without its last brace", META_TEXT[:-1]),
        ("nesting-open", "100,000 open brackets", "[" * 100_000),
        ("byte-order-mark", "a byte order mark before the object", "\ufeff" + META_TEXT),
    ]
    return [
        invalid(f"meta-{name}", description, file(META=meta(text)), CLAUSE)
        for name, description, text in texts
    ]


def _wrong_bytes() -> list[Vector]:
    """What is no UTF-8, as the base's name."""
    names = [
        ("byte", "a byte that UTF-8 never has", b"\xff"),
        ("latin-1", "a letter in Latin-1", b"caf\xe9"),
        ("cut", "a character without its last byte", b"\xe2\x82"),
        ("overlong", "a slash in two bytes", b"\xc0\xaf"),
        ("surrogates", "a surrogate pair of three bytes each (CESU-8)", b"\xed\xa0\xbd\xed\xb8\x80"),
        ("beyond", "a code point beyond the last", b"\xf4\x90\x80\x80"),
    ]
    text = META_TEXT.encode()
    table = [(name, what, text.replace(b'"name":"b"', b'"name":"%b"' % raw)) for name, what, raw in names]
    table.append(("utf-16", "UTF-16 in place of UTF-8", META_TEXT.encode("utf-16-le")))
    return [invalid(f"meta-bytes-{name}", what, file(META=meta(data)), CLAUSE) for name, what, data in table]


def _wrong_kinds() -> list[Vector]:
    """Rules between `task`, `head` and HEAD, which has as many rows as `head` says."""
    table = [
        ("head-3", "three rows for two labels", TOY, 3),
        ("head-1", "one row for two labels", TOY, 1),
        ("head-regression", "two rows for a regression", REGRESSION, 2),
        ("head-answering", "one row for question answering", ANSWERING, 1),
        ("labels-one", "a classification with one label", TOY.replace('"no",', ""), 1),
        ("labels-none", "a classification with no label and no row", TOY.replace('"no","yes"', ""), 0),
        ("labels-regression", "a regression with labels", _with(REGRESSION, '"labels":["a","b"]'), 1),
        ("labels-regression-empty", "a regression with no label listed", _with(REGRESSION, '"labels":[]'), 1),
        ("labels-regression-null", "a regression with labels of null", _with(REGRESSION, '"labels":null'), 1),
        (
            "labels-answering-null",
            "question answering with labels of null",
            _with(ANSWERING, '"labels":null'),
            2,
        ),
        ("labels-answering", "question answering with labels", _with(ANSWERING, '"labels":["a","b"]'), 2),
        ("label-answering", "question answering with `label`", _with(ANSWERING, '"label":"label"'), 2),
        ("answers-regression", "a regression with `answers`", _with(REGRESSION, '"answers":"a"'), 1),
        ("answers-null", "null does not mean absent: `answers`", _with(ANSWERING, '"answers":null'), 2),
        ("answers-empty", "the name of the answers' field is empty", _with(ANSWERING, '"answers":""'), 2),
        ("metric-regression", "a regression with accuracy", _with(REGRESSION, '"metric":"accuracy"'), 1),
        ("metric-answering", "question answering with accuracy", _with(ANSWERING, '"metric":"accuracy"'), 2),
        (
            "metric-token",
            "token classification with the Matthews correlation",
            TOKENS.replace('"accuracy"', '"matthews_correlation"'),
            2,
        ),
    ]
    return [invalid(f"meta-{name}", what, _task_file(task, rows), CLAUSE) for name, what, task, rows in table]


def _wrong_heads() -> list[Vector]:
    """Rows and widths that are no such integers, though HEAD has as many."""
    labels = ",".join(f'"{i}"' for i in range(17))
    seventeen = edited('"head":2', '"head":17').replace('"no","yes"', labels)
    regression = edited(TASK_TEXT, f'"task":{REGRESSION}')
    no_width, one_row = head((0, 0), ((), ()), (0, 0)), head((0,), ((0, 0),), (0,))
    one_wide = head((0, 0), ((0,), (0,)), (0, 0))
    large = seventeen.replace('"width":2', '"width":1048576')
    table = [
        ("head-true", "`head` is true", regression.replace('"head":2', '"head":true'), one_row),
        ("head-large", "17 * 2^20 weights, which HEAD does not have", large, head()),
        ("width-true", "a width that is true", edited('"width":2', '"width":true'), one_wide),
        ("width-0", "a feature of width 0", edited('"width":2', '"width":0'), no_width),
    ]
    return [
        invalid(f"meta-{name}", what, file(META=meta(text), HEAD=content), CLAUSE)
        for name, what, text, content in table
    ]


def _with(task: str, field: str) -> str:
    return f"{task[:-1]},{field}}}"
