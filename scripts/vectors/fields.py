"""META: each field made wrong, by another text in place of a part of the document's JSON."""

from edgediff.errors import FormatError, LimitError
from vectors.parts import BASE, META_TEXT, TASK_TEXT, TENSORS_TEXT, edited, file, meta
from vectors.vector import Vector, invalid

BASE_TEXT = META_TEXT[1 : META_TEXT.index(',"head"')]
DIGITS = BASE.fingerprint
ASTRAL = "\U0001f600"
KEYS_65 = ",".join(f'"{i}":""' for i in range(65))

Edits = dict[str, list[tuple[str, str, str]]]
"""For each part of the document's JSON, vectors: name, description, and what stands in place of the part."""


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    tables = (_JSON, _FIELDS, _BASE, _TASK, _LABELS, _MAX_LENGTH, _PROVENANCE, _SURROGATES)
    return [
        *(vector for table in tables for vector in _made(table, FormatError)),
        *_made(_PROVENANCE_LIMITS, LimitError),
    ]


def _made(edits: Edits, error: type[FormatError]) -> list[Vector]:
    return [
        invalid(f"fields-{name}", text, file(META=meta(edited(old, new))), "META", error)
        for old, rows in edits.items()
        for name, text, new in rows
    ]


_JSON: Edits = {
    '"head":2': [
        ("json-overwritten", "NaN where a second key of the name follows", '"head":NaN,"head":2'),
        ("json-leading-zero", "an integer with a zero before it", '"head":02'),
        ("json-plus", "an integer with a plus sign", '"head":+2'),
        ("json-hexadecimal", "an integer in hexadecimal digits", '"head":0x2'),
        ("json-digit", "an integer in digits of another script", '"head":\u0662'),
        ("json-comment", "a comment", '"head":/**/2'),
        ("json-space", "a space of Unicode", '"head":\u00a02'),
    ],
    '"toy"': [
        ("json-single-quotes", "a text in single quotes", "'toy'"),
        ("json-control", "a line end in a text, not escaped", '"to\ny"'),
        ("json-escape", "an escape that JSON does not have", r'"t\x6fy"'),
        ("json-escape-cut", "an escape of three digits", r'"t\u06fy"'),
    ],
    '"text":"text"': [("json-comma", "a comma after the last key", '"text":"text",')],
    '"provenance":{}': [
        (
            "json-nesting",
            "100,000 arrays in one another",
            f'"provenance":{{"a":{"[" * 100_000}{"]" * 100_000}}}',
        ),
    ],
}
_FIELDS: Edits = {
    '"head":2': [
        ("unknown", "a sixth field", '"head":2,"tier":1'),
        ("case", "a field's name in upper case", '"Head":2'),
        ("head-fraction", "`head` is 2.0, which is no integer", '"head":2.0'),
        ("head-exponent", "`head` is 2e0, which is no integer", '"head":2e0'),
        ("head-text", "`head` is a text", '"head":"2"'),
        ("head-null", "`head` is null", '"head":null'),
    ],
    '"head":2,': [("no-head", "`head` is missing", "")],
    BASE_TEXT: [("base-array", "`base` is an array", '"base":[]')],
    BASE_TEXT + ",": [("no-base", "`base` is missing", "")],
    TASK_TEXT: [
        ("task-array", "`task` is an array", '"task":[]'),
        ("task-null", "`task` is null", '"task":null'),
    ],
    TASK_TEXT + ",": [("no-task", "`task` is missing", "")],
    '"provenance":{}': [
        ("provenance-array", "`provenance` is an array", '"provenance":[]'),
        ("provenance-null", "`provenance` is null", '"provenance":null'),
    ],
    '"provenance":{},': [("no-provenance", "`provenance` is missing", "")],
    TENSORS_TEXT: [
        ("tensors-object", "`tensors` is an object", '{"w":[[4,8],3]}'),
        ("tensors-null", "`tensors` is null", "null"),
    ],
    f',"tensors":{TENSORS_TEXT}': [("no-tensors", "`tensors` is missing", "")],
}
_BASE: Edits = {
    '"name":"b"': [
        ("base-unknown", "a key of `base` that is not known", '"name":"b","url":"b"'),
        ("base-name-null", "the base's name is null", '"name":null'),
    ],
    '"name":"b",': [("base-no-name", "`base` has no name", "")],
    f'"fingerprint":"{DIGITS}",': [("base-no-fingerprint", "`base` has no fingerprint", "")],
    '"parameters":32,': [("base-no-parameters", "`base` has no parameters", "")],
    ',"width":2': [("base-no-width", "`base` has no width", "")],
    DIGITS: [
        ("fingerprint-case", "a fingerprint in upper case", DIGITS.upper()),
        ("fingerprint-short", "a fingerprint of 63 digits", DIGITS[1:]),
        ("fingerprint-long", "a fingerprint of 65 digits", DIGITS + "0"),
        ("fingerprint-line-end", "a line end after the fingerprint", DIGITS + r"\n"),
        ("fingerprint-letter", "a letter beyond f", "g" + DIGITS[1:]),
        ("fingerprint-digit", "a digit of another script", "\u0661" + DIGITS[1:]),
    ],
    '"parameters":32': [
        ("parameters-0", "a base without a parameter", '"parameters":0'),
        ("parameters-negative", "parameters below zero", '"parameters":-32'),
        ("parameters-large", "2^40 + 1 parameters", '"parameters":1099511627777'),
        ("parameters-fraction", "parameters with a fraction of zero", '"parameters":32.0'),
        ("parameters-true", "parameters are true", '"parameters":true'),
        ("parameters-infinite", "parameters are minus infinity", '"parameters":-Infinity'),
        ("parameters-overflow", "a number beyond double precision", '"parameters":1e999'),
    ],
    '"width":2': [
        ("width-large", "a feature of width 2^20 + 1", '"width":1048577'),
        ("width-fraction", "a width with a fraction of zero", '"width":2.0'),
        ("width-null", "a width that is null", '"width":null'),
    ],
}
_TASK: Edits = {
    '"name":"toy"': [
        ("task-unknown", "a key of `task` that is not known", '"name":"toy","note":"a"'),
        ("task-answers", "`answers` in a classification", '"name":"toy","answers":"a"'),
        ("task-name-empty", "the task's name is empty", '"name":""'),
        ("task-name-number", "the task's name is a number", '"name":1'),
    ],
    '"name":"toy",': [("task-no-name", "a task without a name", "")],
    '"text":"text"': [
        ("task-text-empty", "the name of the text's field is empty", '"text":""'),
        ("task-pair-null", "null does not mean absent: `text_pair`", '"text":"text","text_pair":null'),
        ("task-pair-empty", "the name of the second text's field is empty", '"text":"text","text_pair":""'),
    ],
    ',"text":"text"': [("task-no-text", "a task without a text", "")],
    '"label":"label"': [
        ("task-label-empty", "the name of the label's field is empty", '"label":""'),
        ("task-label-null", "null does not mean absent: `label`", '"label":null'),
    ],
    '"classification"': [
        ("kind-unknown", "a kind that is not known", '"summary"'),
        ("kind-case", "a kind in upper case", '"Classification"'),
        ("kind-null", "a kind that is null", "null"),
    ],
    '"kind":"classification",': [("task-no-kind", "a task without a kind", "")],
    '"accuracy"': [
        ("metric-unknown", "a metric that is not known", '"bleu"'),
        ("metric-null", "null does not mean absent: `metric`", "null"),
        ("metric-other", "a classification with the metric of regression", '"pearson_spearman"'),
    ],
}
_LABELS: Edits = {
    '"labels":["no","yes"],': [("labels-missing", "a classification without labels", "")],
    '["no","yes"]': [
        ("labels-text", "the labels are one text of two letters", '"ny"'),
        ("labels-object", "the labels are an object", '{"no":0,"yes":1}'),
        ("labels-null", "the labels are null", "null"),
    ],
    '"yes"': [
        ("labels-same", "two labels are the same", '"no"'),
        ("labels-same-escaped", "two labels are the same, one in escapes", r'"\u006eo"'),
        ("label-number", "a label that is a number", "1"),
        ("label-null", "a label that is null", "null"),
    ],
}
_MAX_LENGTH: Edits = {
    '"max_length":128': [
        ("max-length-2", "texts cut to 2 tokens", '"max_length":2'),
        ("max-length-large", "texts cut to 65,536 tokens", '"max_length":65536'),
        ("max-length-fraction", "a fraction of zero", '"max_length":128.0'),
        ("max-length-exponent", "an exponent", '"max_length":128e0'),
        ("max-length-text", "a text", '"max_length":"128"'),
        ("max-length-null", "null does not mean absent: `max_length`", '"max_length":null'),
        ("max-length-true", "a maximum that is true", '"max_length":true'),
        ("max-length-nan", "NaN, which JSON does not have", '"max_length":NaN'),
        ("max-length-infinite", "Infinity, which JSON does not have", '"max_length":Infinity'),
        ("max-length-digits", "an integer of 5,000 digits", f'"max_length":{"1" * 5000}'),
    ]
}
_PROVENANCE: Edits = {
    '"provenance":{}': [
        ("provenance-number", "a value that is a number", '"provenance":{"seed":0}'),
        ("provenance-value-null", "a value that is null", '"provenance":{"seed":null}'),
        ("provenance-object", "a value that is an object", '"provenance":{"seed":{}}'),
    ]
}
_PROVENANCE_LIMITS: Edits = {
    '"provenance":{}': [
        ("provenance-65", "65 keys", f'"provenance":{{{KEYS_65}}}'),
        ("provenance-key", "a key of 65 characters", f'"provenance":{{"{"k" * 65}":""}}'),
        ("provenance-key-astral", "a key of 65 pairs of UTF-16", f'"provenance":{{"{ASTRAL * 65}":""}}'),
        ("provenance-value", "a value of 1,025 characters", f'"provenance":{{"k":"{"v" * 1025}"}}'),
        (
            "provenance-value-astral",
            "a value of 1,025 pairs of UTF-16",
            f'"provenance":{{"k":"{ASTRAL * 1025}"}}',
        ),
    ]
}
_SURROGATES: Edits = {
    '"name":"b"': [("surrogate-base", "half a surrogate pair in the base's name", r'"name":"\ud800"')],
    '"toy"': [
        ("surrogate-task", "half a surrogate pair in the task's name", r'"\udfff"'),
        ("surrogate-order", "the halves of a surrogate pair in the wrong order", r'"\ude00\ud83d"'),
    ],
    '"yes"': [("surrogate-label", "half a surrogate pair in a label", r'"yes\ud83d"')],
    '"provenance":{}': [
        ("surrogate-value", "half a surrogate pair in a value", r'"provenance":{"k":"\ud800"}'),
        ("surrogate-key", "half a surrogate pair in a key", r'"provenance":{"\udc00":""}'),
    ],
    '"w"': [("surrogate-tensor", "half a surrogate pair in a tensor's name", r'"w\ud800"')],
}
