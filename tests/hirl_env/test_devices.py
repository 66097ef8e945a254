import pytest
import torch

from hirl_env.devices import available_device, available_precision


def test_auto_is_the_best_device_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert available_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "float32")])
def test_auto_is_half_precision_where_the_processor_has_it(monkeypatch, native, precision):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert available_precision("auto", "cpu") == precision
    assert available_precision("bf16", "cpu") == "bf16"
    assert available_precision("float32", "cpu") == "float32"
