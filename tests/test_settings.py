"""Settings that cannot be used are refused by name."""

from dataclasses import fields
from enum import StrEnum

import pytest

from edgediff.errors import SettingError
from edgediff.train import Component, Settings, make_settings

NAMED = {field.name: type(field.default) for field in fields(Settings) if isinstance(field.default, StrEnum)}
"""The settings that are one of a few names."""


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"methd": "early"}, "here: unknown setting 'methd'; there are method, density"),
        ({"method": "erly"}, "here: method is 'erly', expected one of early-low-rank, low-rank, early"),
        ({"l0_form": "mean"}, "here: l0_form is 'mean', expected one of product, sum"),
        ({"components": ["heads"]}, "here: components is 'heads', expected one of embeddings"),
        ({"components": "bias"}, "here: components is 'bias', expected a list of texts"),
        ({"exclude": [1]}, "here: exclude is .1., expected a list of texts"),
        ({"density": "0.1"}, "here: a setting is of the wrong type"),
        ({"exclude": "embeddings.*"}, "here: exclude is 'embeddings.*', expected a list of texts"),
        ({"batch_size": 1.5}, "here: batch_size is 1.5, expected a whole number, at least 1"),
        ({"batch_size": None}, "batch_size is None, expected a whole number, at least 1"),
        ({"mask_rate": -1}, "mask_rate is -1, expected a number above 0"),
        ({"tuning_dropout": 0.1}, "tuning_dropout is 0.1, expected true or false"),
        ({"accumulation": 0}, "accumulation is 0, expected a whole number, at least 1"),
        ({"seed": "zero"}, "seed is 'zero', expected a whole number from 0 to 17592186044416"),
        ({"seed": -1}, "seed is -1, expected a whole number from 0 to 17592186044416"),
        ({"seed": 2**44 + 1}, "seed is 17592186044417, expected a whole number from 0 to 17592186044416"),
        ({"adapter_rank": 257}, "adapter_rank is 257, expected a whole number from 1 to 256"),
        ({"adapter_rank": 257, "method": "low-rank"}, "adapter_rank is 257, expected .* from 1 to 256"),
        ({"size": 0}, "size is 0, expected a whole number, at least 1"),
        ({"size": "100KB"}, "size is '100KB', expected a whole number"),
        ({"patience": 0}, "patience is 0, expected a whole number, at least 1"),
        ({"bits": 9}, "bits is 9, expected a whole number from 2 to 8"),
        ({"bits": True}, "bits is True, expected a whole number from 2 to 8"),
        ({"epochs": float("inf")}, "epochs is inf, expected a number above 0"),
        ({"clip": 0}, "clip is 0, expected a number above 0"),
        ({"choosing_share": 0}, "choosing_share is 0, expected a number between 0 and 1"),
        ({"density": 0.01, "method": "low-rank"}, "density is 0.01, which the method low-rank does not use"),
        ({"density": 0.005, "method": "bitfit"}, "density is 0.005, which the method bitfit does not use"),
        ({"size": 60000, "method": "full"}, "size is 60000, which the method full does not use"),
        ({"bits": 3, "method": "lora"}, "bits is 3, which the method lora does not use"),
        ({"criterion": "credit", "method": "fisher"}, "criterion is credit, .* early-low-rank do"),
        ({"adapter_rank": 4, "method": "early"}, "adapter_rank is 4, which the method early does not use"),
        ({"l0_form": "sum", "method": "early"}, "l0_form is sum, which the method early does not use"),
        ({"density": 0.01, "size": 60000}, "density is 0.01 and size 60000, expected one of the two"),
        ({"choosing_share": 0.5, "method": "random"}, "choosing_share is 0.5, which the method random"),
        ({"tuning_dropout": True, "method": "ia3"}, "tuning_dropout is True, which the method ia3 does not"),
        ({"warmup": 1}, "warmup is 1, expected a number from 0 to below 1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(plain, message):
    with pytest.raises(SettingError, match=message):
        make_settings(plain, "here")


def test_five_settings_are_names():
    assert sorted(NAMED) == ["criterion", "l0_form", "method", "precision", "shape"]


@pytest.mark.parametrize(("name", "member"), [(name, each) for name, kind in NAMED.items() for each in kind])
def test_a_name_given_as_text_is_what_it_names(name, member):
    method = {"method": "structured"} if name == "l0_form" else {}
    assert getattr(Settings(**method | {name: member.value}), name) is member


@pytest.mark.parametrize("name", NAMED)
def test_a_name_that_there_is_not_is_refused_with_its_choices(name):
    with pytest.raises(SettingError) as refused:
        Settings(**{name: "best"})
    assert str(refused.value) == f"{name} is 'best', expected one of {', '.join(NAMED[name])}"


def test_components_given_as_a_list_of_texts_are_what_they_name():
    settings = Settings(components=[kind.value for kind in Component], exclude=["pooler.*"])
    assert all(given is kind for given, kind in zip(settings.components, Component, strict=True))
    assert settings.exclude == ("pooler.*",)
    assert hash(settings) == hash(Settings(components=tuple(Component), exclude=("pooler.*",)))


def test_a_component_that_there_is_not_is_refused():
    with pytest.raises(SettingError, match=r"^components is 'heads', expected one of embeddings, layernorm"):
        Settings(components=("heads",))


def test_adapters_that_become_no_diff_may_have_any_rank():
    assert Settings(method="lora", adapter_rank=257).adapter_rank == 257
