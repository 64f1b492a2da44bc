"""The real parts that tests share: MiniLM and its bundle, tiny encoders of each architecture, a tiny task."""

import json
import random
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import settings
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

import edgediff
from edgediff.export import export
from edgediff.runtime import Tokens, load_session
from edgediff.runtime.answer import feature_logits
from edgediff.score import predictions, read_rows, score
from edgediff.train import Method, Precision, Settings, train

settings.register_profile("edgediff", deadline=None)  # a deadline would be a timed assertion
settings.load_profile("edgediff")

COLOURS = ("red", "green", "blue")
WORDS = (
    *COLOURS,
    "one",
    "two",
    "three",
    "four",
    "five",
    "big",
    "small",
    "good",
    "bad",
    "loud",
    "quiet",
    "lamp",
)
ARCHITECTURES = ("albert", "bert", "deberta-v2", "distilbert", "electra", "mobilebert", "mpnet", "roberta")
QUICK = Settings(
    method=Method.STRUCTURED,
    density=0.05,
    epochs=3,
    batch_size=16,
    precision=Precision.FP32,
    dense_rate=1e-3,
)
LEARNING = {
    "epochs": 12,
    "gate_rate": 5e-3,
    "dense_rate": 5e-3,
    "mask_rate": 3e-2,
    "adapter_rate": 3e-2,
    "head_rate": 1e-2,
}
"""With these, a tiny model of random weights learns the tiny task."""
LEARNT = 0.75
"""More than the same answer for all of its dev rows scores, which is 0.68."""
ONE_ROW = 1.01 / 60
"""What one row of the tiny task's dev rows counts."""


def quick(method, **settings):
    """QUICK for another method, without a density where that has none."""
    return replace(QUICK, method=method, density=QUICK.density if method.masked else None, **settings)


def held(live, name, size):
    """What a live session holds of a parameter, in the base's order."""
    located = live.locate(live.places.find(name, np.arange(size)))
    values = np.empty(size, np.float32)
    values[located.which] = live.held(located.where)
    return values


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Ctrl-C as a process begins with it: pytest's workers ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def minilm_base(tmp_path_factory) -> Path:
    """The base bundle of the real model."""
    folder = tmp_path_factory.mktemp("minilm") / "base"
    export("minilm", folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Makes the folder of a tiny random-weight checkpoint, by architecture."""
    made: dict[str, Path] = {}

    def make(architecture: str) -> Path:
        if architecture not in made:
            made[architecture] = tmp_path_factory.mktemp("models") / f"tiny-{architecture}"
            save_tiny_model(architecture, made[architecture])
        return made[architecture]

    return make


@pytest.fixture(scope="session")
def tiny_base(tiny_model, tmp_path_factory) -> Path:
    """The base bundle of the tiny BERT."""
    folder = tmp_path_factory.mktemp("tiny") / "base"
    export(tiny_model("bert"), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_task(tmp_path_factory) -> Path:
    """A folder with task.json, train.jsonl and dev.jsonl: is the text about a colour word or not?"""
    folder = tmp_path_factory.mktemp("task")
    definition = {"name": "colours", "kind": "classification", "text": "text", "labels": ["no", "yes"]}
    (folder / "task.json").write_text(json.dumps(definition))
    write_rows(folder / "train.jsonl", 160, seed=0)
    write_rows(folder / "dev.jsonl", 60, seed=1)
    return folder


@pytest.fixture(scope="session")
def kind_task(tmp_path_factory):
    """Makes a folder as `tiny_task` is one, of a task of another kind."""

    def make(kind):
        folder = tmp_path_factory.mktemp(kind)
        row, definition = KINDS[kind]
        (folder / "task.json").write_text(json.dumps({"name": kind, "kind": kind} | definition))
        for seed, (name, count) in enumerate((("train", 240), ("dev", 60))):
            choose = random.Random(seed)
            text = "\n".join(json.dumps(row(choose)) for _ in range(count))
            (folder / f"{name}.jsonl").write_text(text)
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_run(tiny_model, tiny_task, tmp_path_factory) -> Path:
    """A finished RUN folder of the tiny BERT on the tiny task."""
    folder = tmp_path_factory.mktemp("runs") / "colours"
    settings = Settings(
        method=Method.STRUCTURED, density=0.05, epochs=4, batch_size=16, precision=Precision.FP32
    )
    train_on(tiny_model("bert"), folder, tiny_task, settings)
    return folder


def train_on(model, folder, files, settings, **options):
    """Train with the task and the rows of the folder `files`."""
    paths = {"task": files / "task.json", "train": files / "train.jsonl", "dev": files / "dev.jsonl"}
    return train(model, folder, settings=settings, **paths, **options)


def score_on_onnxruntime(base, diff, data, metric=None):
    """The score of a diff whose values are exact, which no file holds; the task's own unless told."""
    rows = read_rows(data, diff.task)
    session, task = load_session(base, diff)
    tokens = Tokens(base, diff.task)
    features = tokens.features(rows.texts, rows.pairs)
    logits = feature_logits(session, task, tokens, features)
    scores = score(diff.task, predictions(diff.task, logits, rows, features), rows)
    return scores[metric or diff.task.metric]


def write_rows(path: Path, count: int, seed: int) -> None:
    """Sentences of random words, labelled by whether a colour is among them."""
    choose = random.Random(seed)
    with path.open("w") as file:
        for _ in range(count):
            words = choose.choices(WORDS, k=choose.randint(3, 9))
            label = "yes" if set(COLOURS) & set(words) else "no"
            file.write(json.dumps({"text": " ".join(words), "label": label}) + "\n")


def _reviews(choose):
    """Reviews with several tags: those of four words that they hold."""
    words = choose.choices(WORDS, k=choose.randint(4, 9))
    return {
        "review": " ".join(words),
        "tags": [tag for tag in ("good", "bad", "loud", "quiet") if tag in words],
    }


def _entities(choose):
    """Sentences with runs of colours and of numbers, marked as entities."""
    words, tags = choose.choices(WORDS, k=choose.randint(4, 9)), []
    for word in words:
        kind = "COLOUR" if word in COLOURS else "NUMBER" if word in WORDS[3:8] else None
        inside = kind is not None and bool(tags) and tags[-1].endswith(kind)
        tags.append("O" if kind is None else f"{'I' if inside else 'B'}-{kind}")
    return {"words": words, "tags": tags}


def _questions(choose):
    """Contexts of 30 to 40 words, longer than the window of 24 tokens; the answer is the one colour."""
    words = choose.choices(WORDS[3:], k=choose.randint(30, 40))
    place = choose.randrange(len(words))
    words[place] = choose.choice(COLOURS)
    start = len(" ".join([*words[:place], ""])) if place else 0
    return {
        "question": "big lamp",
        "context": " ".join(words),
        "answers": {"text": [words[place]], "answer_start": [start]},
    }


def _counts(choose):
    number = choose.randrange(5)
    return {"text": f"{WORDS[3 + number]} {choose.choice(COLOURS)} lamp", "label": float(number)}


ENTITIES = ["O", "B-COLOUR", "I-COLOUR", "B-NUMBER", "I-NUMBER"]
KINDS = {
    "regression": (_counts, {"text": "text"}),
    "multi_label": (
        _reviews,
        {"text": "review", "label": "tags", "labels": ["good", "bad", "loud", "quiet"]},
    ),
    "token_classification": (_entities, {"text": "words", "label": "tags", "labels": ENTITIES}),
    "question_answering": (_questions, {"text": "question", "text_pair": "context", "max_length": 24}),
}
"""What makes a row of a task of each other kind, and the definition of the task."""


def save_tiny_model(architecture: str, folder: Path) -> None:
    """Write a random-weight checkpoint of some thousand parameters, with a word tokenizer of its own."""
    torch.manual_seed(0)
    # MPNet takes 1 for the padding index, whatever its config says.
    tokenizer = _tokenizer("[UNK]", "[PAD]") if architecture == "mpnet" else _tokenizer("[PAD]", "[UNK]")
    size = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    common = size | {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    layers = {"num_hidden_layers": 2, "max_position_embeddings": 64}
    # As in DeBERTa-v3, with more than 64 places for a distance and logarithms from 20 on. Larger
    # weights, here and in MPNet, make a wrong place felt.
    relative = {
        "initializer_range": 0.2,
        "relative_attention": True,
        "position_biased_input": False,
        "pos_att_type": "p2c|c2p",
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_buckets": 40,
    }
    config = {
        "albert": lambda: transformers.AlbertConfig(**common, **layers, embedding_size=16),
        "deberta-v2": lambda: transformers.DebertaV2Config(**common, **layers, **relative),
        "mpnet": lambda: transformers.MPNetConfig(**common, **layers, initializer_range=0.2),
        "bert": lambda: transformers.BertConfig(**common, **layers),
        "roberta": lambda: transformers.RobertaConfig(**common, **layers, type_vocab_size=1),
        "electra": lambda: transformers.ElectraConfig(**common, **layers, embedding_size=16),
        "distilbert": lambda: transformers.DistilBertConfig(
            **size, dim=32, n_heads=4, hidden_dim=64, n_layers=2, max_position_embeddings=64
        ),
        "mobilebert": lambda: transformers.MobileBertConfig(
            **common, **layers, embedding_size=16, intra_bottleneck_size=16, true_hidden_size=16
        ),
    }[architecture]()
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(*first: str) -> transformers.PreTrainedTokenizerFast:
    special = [*first, "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator([" ".join(WORDS)] * 3, trainers.WordPieceTrainer(special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


@pytest.fixture(scope="session")
def voice_data() -> Path:
    """The folder of the demo's task, as shipped."""
    return Path(edgediff.__file__).parent / "demo" / "voice_commands"
