"""Every setting of a training run, with the values that work on MiniLM-sized encoders."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from edgediff.errors import SettingError
from edgediff.format.metadata import MAX_RANK
from edgediff.pack import FACTOR_BITS
from edgediff.train.components import Component, component_of


class Method(StrEnum):
    """How the task is learnt: ways to choose the mask, the paper's among them, and dense comparisons."""

    EARLY_LOW_RANK = "early-low-rank"  # the next two at once (as RoSA: Nikdan et al., arXiv 2401.04679)
    LOW_RANK = "low-rank"  # products of two thin matrices (Hu et al.: LoRA, arXiv 2106.09685), as a diff
    EARLY = "early"  # the entries that a short dense run moves most
    STRUCTURED = "structured"  # a gate for each entry times one for each matrix or vector (the paper's)
    DIFF = "diff"  # a gate for each entry alone
    MAGNITUDE = "magnitude"  # those that a long dense run moved most, tuned on (the paper's non-adaptive)
    FISHER = "fisher"  # the entries with the largest squared gradients (Sung, Nair, Raffel: arXiv 2111.09839)
    RANDOM = "random"  # entries drawn at random
    BITFIT = "bitfit"  # all biases (Zaken, Ravfogel, Goldberg: arXiv 2106.10199)
    LAST_LAYER = "last-layer"  # the last layer, dense: a score to compare with, no diff
    LORA = "lora"  # low-rank adapters by PEFT: a score to compare with, no diff
    SHIRA = "shira"  # PEFT's sparse adapters, at random entries: a score to compare with, no diff
    IA3 = "ia3"  # PEFT's factors of activations (arXiv 2205.05638): a score to compare with, no diff
    FULL = "full"  # every parameter, dense: a score to compare with, no diff

    @property
    def sparse(self) -> bool:
        """Whether it gives a diff."""
        return not self.adapts and self not in (Method.LAST_LAYER, Method.FULL)

    @property
    def masked(self) -> bool:
        """Whether it changes as many single entries as it is told."""
        return self.sparse and self not in (Method.LOW_RANK, Method.BITFIT)

    @property
    def low_rank(self) -> bool:
        """Whether it adds to the weights of linear layers, by `adapter_rank`."""
        return self.learns_products or self in (Method.LORA, Method.SHIRA)

    @property
    def learns_products(self) -> bool:
        """Whether weights change by products of thin matrices, which become a part of the diff."""
        return self in (Method.LOW_RANK, Method.EARLY_LOW_RANK)

    @property
    def adapts(self) -> bool:
        """Whether it trains adapters of PEFT."""
        return self in (Method.LORA, Method.SHIRA, Method.IA3)


class Precision(StrEnum):
    """The arithmetic of the forward and backward pass; parameters and updates are always float32."""

    AUTO = "auto"  # bf16 where the processor has instructions for it
    FP32 = "fp32"
    BF16 = "bf16"


class L0Form(StrEnum):
    """The expected number of changed entries, as the penalty counts it."""

    PRODUCT = "product"  # an entry is open if its gate and its group's are (the paper's text)
    SUM = "sum"  # gates of entries and of groups are counted beside one another (its published code)


class Criterion(StrEnum):
    """What the short dense run of `early` says of an entry's worth."""

    MOVEMENT = "movement"  # how far it moved
    CREDIT = "credit"  # how much of the fall of the loss is due to it, to first order


class Shape(StrEnum):
    """What is kept as one: it decides what a position costs."""

    ENTRY = "entry"  # single entries
    ROW = "row"  # whole rows and columns of matrices, and whole vectors
    AUTO = "auto"  # each of these where it is worth its bytes


_CHOOSING_SHARE = {
    Method.EARLY_LOW_RANK: 0.2,
    Method.EARLY: 0.2,
    Method.STRUCTURED: 0.5,
    Method.DIFF: 0.5,
    Method.MAGNITUDE: 0.5,
    Method.FISHER: 0.1,
}
_MASKED = tuple(method for method in Method if method.masked)
_SPARSE = tuple(method for method in Method if method.sparse)
_USED_BY: dict[str, tuple[Method, ...]] = {
    "density": _MASKED,
    "size": _SPARSE,
    "criterion": (Method.EARLY, Method.EARLY_LOW_RANK),
    "bits": _SPARSE,
    "choosing_share": tuple(_CHOOSING_SHARE),
    "l0_form": (Method.STRUCTURED, Method.DIFF),
    "open_factor": (Method.STRUCTURED, Method.DIFF),
    "tuning_dropout": _SPARSE,
    "adapter_rank": tuple(method for method in Method if method.low_rank),
}
"""The methods that a setting is for, where it is not for all; who gives it to another expects something.

Rates are not among them: for a list of tasks, those of all stages may be said once.
"""
_SHAPED = {
    Shape.ROW: (Method.EARLY, Method.MAGNITUDE, Method.STRUCTURED, Method.DIFF, Method.EARLY_LOW_RANK),
    Shape.AUTO: (Method.EARLY, Method.MAGNITUDE, Method.EARLY_LOW_RANK),
}
"""The methods that can choose what is of a shape: they have gates of rows, or say what an entry is worth."""
_TUNING_RATE = {
    Method.EARLY_LOW_RANK: 4e-3,
    Method.EARLY: 2e-3,
    Method.FISHER: 2e-3,
    Method.RANDOM: 2e-3,
    Method.BITFIT: 2e-3,
}
"""Of methods whose values begin at the base's."""
_DENSITY = {Method.EARLY_LOW_RANK: 0.0005, Method.LOW_RANK: 0.0}
"""Of methods that learn products, which do the rest."""
_POSITIVE = {
    "epochs",
    "gate_rate",
    "log_alpha_rate",
    "mask_rate",
    "dense_rate",
    "adapter_rate",
    "head_rate",
    "open_factor",
    "clip",
}
_LARGEST_SEED = 2**44
"""Times about a million, with steps and parts added, a seed is torch's, of 64 bits."""
_WHOLE: dict[str, tuple[int, int | None]] = {
    "size": (1, None),
    "bits": (2, 8),
    "batch_size": (1, None),
    "accumulation": (1, None),
    "seed": (0, _LARGEST_SEED),
    "adapter_rank": (1, None),
    "patience": (1, None),
}
"""Whole numbers, with the least and, if there is one, the most that each may be."""


@dataclass(frozen=True)
class Settings:
    """The settings of one run; all that decides its result besides model, task and rows.

    Attributes:
        method: how the task is learnt.
        density: the share of the encoder's parameters that may change one by one, in (0, 1]. None is the
            method's own: 0.0005 beside products, none for `low-rank`, 0.005 for the others.
        size: in place of the density, the most bytes that the packed file may have, head included.
        shape: of what is kept; `row` is for `early`, `early-low-rank`, `magnitude`, `structured` and `diff`,
            `auto` for the first three.
        criterion: what the short dense run of `early` and `early-low-rank` says of an entry's worth.
        bits: bits a value in the packed file, 2 to 8: the second half of the last stage then learns with
            values as they will be packed. None is 3 where products are learnt; for other methods it leaves
            the choice to `pack`, and the values exact.
        epochs: passes over the rows, all stages together.
        batch_size: rows a step, of all processes together.
        accumulation: a process takes its rows of a step in this many parts.
        seed: of the head, the order of rows, dropout and the gates' noise.
        precision: of the forward and backward pass.
        components: the kinds of parameters that may change; empty means all.
        exclude: patterns of parameter names that may not change, such as `embeddings.*`.
        choosing_share: the share of all steps that goes to choosing the mask; None is the method's own.
        l0_form: of the gates' penalty.
        gate_rate: peak learning rate of w while the gates are learnt.
        log_alpha_rate: constant learning rate of the gates.
        open_factor: gates are driven to `open_factor * density` open ones before the cut.
        mask_rate: peak learning rate of the kept values; many times that of dense training is right. None is
            the method's own: 1e-3 where tuning goes on from values, 2e-3 where it begins at the base's, twice
            that beside products.
        tuning_dropout: whether the model drops activations in the last stage. None is the method's own: yes
            for `low-rank`, no where entries are tuned.
        dense_rate: peak learning rate of dense training: `full`, `last-layer`, and the dense runs that choose
            a mask for `early`, `early-low-rank` and `magnitude`.
        adapter_rate: peak learning rate of products' factors, and of adapters (`lora`, `shira`, `ia3`).
        adapter_rank: of products, and of `lora`; SHiRA's adapters have as many parameters. None is 1, or for
            `low-rank` the largest that `size` holds.
        head_rate: peak learning rate of the head, in all stages.
        warmup: the share of a stage's steps in which rates rise from 0; then they fall linearly.
        clip: each group of gradients is scaled down to this norm.
        patience: score the dev rows after each epoch of the last stage, keep the best values, and stop after
            this many epochs without a better score. None keeps the last values, and scores once.
    """

    method: Method = Method.EARLY_LOW_RANK
    density: float | None = None
    size: int | None = None
    shape: Shape = Shape.ENTRY
    criterion: Criterion = Criterion.MOVEMENT
    bits: int | None = None
    epochs: float = 5.0
    batch_size: int = 32
    accumulation: int = 1
    seed: int = 0
    precision: Precision = Precision.AUTO
    components: tuple[Component, ...] = ()
    exclude: tuple[str, ...] = ()
    choosing_share: float | None = None
    l0_form: L0Form = L0Form.PRODUCT
    gate_rate: float = 2e-4
    log_alpha_rate: float = 0.1
    open_factor: float = 6.0
    mask_rate: float | None = None
    tuning_dropout: bool | None = None
    dense_rate: float = 2e-4
    adapter_rate: float = 2e-3
    adapter_rank: int | None = None
    head_rate: float = 1e-3
    warmup: float = 0.06
    clip: float = 1.0
    patience: int | None = None

    def __post_init__(self) -> None:
        """Turn names into what they name, and check every value.

        Raises:
            SettingError: a name that there is not, a value out of its range, or one for other methods.
        """
        self._take_names()
        if self.density is not None and not 0 < self.density <= 1:
            raise SettingError(f"density is {self.density}, expected a number above 0 and at most 1")
        if self.density is not None and self.size is not None:
            raise SettingError(f"density is {self.density} and size {self.size}, expected one of the two")
        left_open = {
            field.name for field in fields(self) if field.default is getattr(self, field.name) is None
        }
        for name in _POSITIVE - left_open:
            if not 0 < getattr(self, name) < math.inf:
                raise SettingError(f"{name} is {getattr(self, name)}, expected a number above 0")
        for name in _WHOLE.keys() - left_open:
            self._check_whole(name, *_WHOLE[name])
        if self.method.learns_products and self.adapter_rank is not None:
            self._check_whole("adapter_rank", 1, MAX_RANK)
        if self.choosing_share is not None and not 0 < self.choosing_share < 1:
            raise SettingError(f"choosing_share is {self.choosing_share}, expected a number between 0 and 1")
        if type(self.tuning_dropout) not in (bool, type(None)):
            raise SettingError(f"tuning_dropout is {self.tuning_dropout!r:.80}, expected true or false")
        if not 0 <= self.warmup < 1:
            raise SettingError(f"warmup is {self.warmup}, expected a number from 0 to below 1")
        self._check_method()

    def _take_names(self) -> None:
        """Have members where a text or a list stood: all that follows asks for them by `is`."""
        taken: dict[str, Any] = {
            field.name: _member(type(field.default), getattr(self, field.name), field.name)
            for field in fields(self)
            if isinstance(field.default, StrEnum)
        }
        listed = _listed(self.components, "components")
        taken["components"] = tuple(_member(Component, name.strip(), "components") for name in listed)
        taken["exclude"] = tuple(_listed(self.exclude, "exclude"))
        for name, value in taken.items():
            object.__setattr__(self, name, value)  # the way round `frozen`

    def _check_whole(self, name: str, least: int, most: int | None) -> None:
        value = getattr(self, name)
        if type(value) is not int or value < least or (most is not None and value > most):
            allowed = f", at least {least}" if most is None else f" from {least} to {most}"
            raise SettingError(f"{name} is {value!r:.80}, expected a whole number{allowed}")

    def _check_method(self) -> None:
        """Refuse what the method cannot use."""
        for name, able in _USED_BY.items():
            value = getattr(self, name)
            if value != getattr(Settings, name) and self.method not in able:
                raise SettingError(
                    f"{name} is {value}, which the method {self.method} does not use; {', '.join(able)} do"
                )
        able = _SHAPED.get(self.shape, tuple(Method))
        if self.method not in able:
            raise SettingError(
                f"shape is {self.shape}, which the method {self.method} cannot choose; {', '.join(able)} can"
            )

    @property
    def choosing(self) -> float:
        """The share of all steps that goes to choosing the mask."""
        own = _CHOOSING_SHARE.get(self.method, 0.0)
        return own if self.choosing_share is None or own == 0 else self.choosing_share

    @property
    def kept_share(self) -> float:
        """The share of the encoder's parameters that may change one by one."""
        return _DENSITY.get(self.method, 0.005) if self.density is None else self.density

    @property
    def product_rank(self) -> int | None:
        """The rank of products, 0 for methods without; None where the size decides it."""
        if not self.method.learns_products:
            return 0
        sized = self.method is Method.LOW_RANK and self.size is not None
        return self.adapter_rank if sized else self.adapter_rank or 1

    @property
    def value_bits(self) -> int | None:
        """Bits a value that the last stage learns with; None leaves the values exact."""
        return FACTOR_BITS if self.bits is None and self.method.learns_products else self.bits

    @property
    def drops(self) -> bool:
        """Whether the model drops activations in the last stage."""
        return self.method is Method.LOW_RANK if self.tuning_dropout is None else self.tuning_dropout

    @property
    def tuning_rate(self) -> float:
        """The peak learning rate of the kept values."""
        if self.mask_rate is not None:
            return self.mask_rate
        return _TUNING_RATE.get(self.method, 1e-3)

    def allows(self, name: str) -> bool:
        """Whether the parameter `name` may change."""
        wanted = not self.components or component_of(name) in self.components
        return wanted and not any(fnmatchcase(name, pattern) for pattern in self.exclude)


def make_settings(plain: Mapping[str, Any], where: str) -> Settings:
    """Settings from plain values; `where` names their place in errors.

    Raises:
        SettingError: an unknown name, or a value of the wrong type or out of its range.
    """
    known = {field.name: field for field in fields(Settings)}
    if unknown := sorted(set(plain) - set(known)):
        raise SettingError(f"{where}: unknown setting {unknown[0]!r:.80}; there are {', '.join(known)}")
    try:
        return Settings(**plain)
    except SettingError as error:
        raise SettingError(f"{where}: {error}") from error
    except TypeError as error:
        raise SettingError(f"{where}: a setting is of the wrong type: {error}") from error


def _member(kind: type[StrEnum], value: Any, where: str) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise SettingError(f"{where} is {value!r:.80}, expected one of {', '.join(kind)}") from error


def _listed(value: Any, where: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise SettingError(f"{where} is {value!r:.80}, expected a list of texts")
    return list(value)
