"""Settings that cannot be used are refused by name."""

import pytest

from edgediff.errors import SettingError
from edgediff.train import make_settings


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
        ({"batch_size": 1.5}, "batch_size is 1.5, expected a whole number, at least 1"),
        ({"batch_size": None}, "batch_size is None, expected a whole number, at least 1"),
        ({"mask_rate": -1}, "mask_rate is -1, expected a number above 0"),
        ({"tuning_dropout": 0.1}, "tuning_dropout is 0.1, expected true or false"),
        ({"accumulation": 0}, "accumulation is 0, expected a whole number, at least 1"),
        ({"seed": "zero"}, "seed is 'zero', expected a whole number, at least 0"),
        ({"seed": -1}, "seed is -1, expected a whole number, at least 0"),
        ({"size": 0}, "size is 0, expected a whole number, at least 1"),
        ({"size": "100KB"}, "size is '100KB', expected a whole number"),
        ({"patience": 0}, "patience is 0, expected a whole number, at least 1"),
        ({"bits": 9}, "bits is 9, expected a whole number from 2 to 8"),
        ({"bits": True}, "bits is True, expected a whole number from 2 to 8"),
        ({"epochs": float("inf")}, "epochs is inf, expected a number above 0"),
        ({"clip": 0}, "clip is 0, expected a number above 0"),
        ({"choosing_share": 0}, "choosing_share is 0, expected a number between 0 and 1"),
        ({"warmup": 1}, "warmup is 1, expected a number from 0 to below 1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(plain, message):
    with pytest.raises(SettingError, match=message):
        make_settings(plain, "here")
