import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

import zoo
from models import attacks
from seewhy.errors import ModelError
from seewhy.models.card import load_weights, read_weights

SUFFIXES = [".pth", ".pt", ".bin", ".ckpt"]


def saved(tensors, path):
    (save_file if path.suffix == ".safetensors" else torch.save)(tensors, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", *SUFFIXES])
def test_what_was_saved_is_read(tmp_path, suffix):
    tensors = zoo.network("residual").state_dict()
    read = read_weights(saved(tensors, tmp_path / f"weights{suffix}"))
    assert set(read) == set(tensors)
    torch.testing.assert_close(read, dict(tensors), rtol=0, atol=0)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "weights"])
def test_checkpoints_of_training_scripts_are_unwrapped(tmp_path, key):
    checkpoint = {key: {"module.fc.weight": torch.ones(2)}, "epoch": 3, "optimizer": {"lr": 0.1}}
    assert torch.equal(read_weights(saved(checkpoint, tmp_path / "last.ckpt"))["fc.weight"], torch.ones(2))


def test_the_old_format_of_torch_is_read_too(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read_weights(tmp_path / "old.pth")["a"], torch.ones(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_take_the_networks_precision(tmp_path, dtype):
    tensors = {name: tensor.to(dtype) for name, tensor in zoo.network("gap-linear").state_dict().items()}
    module = zoo.GapLinear()
    nn.init.zeros_(module.head.weight)
    load_weights(module, read_weights(saved(tensors, tmp_path / "half.safetensors")), "half")
    assert {tensor.dtype for tensor in module.state_dict().values()} == {torch.float32}
    torch.testing.assert_close(module.head.weight.detach(), tensors["head.weight"].float(), rtol=0, atol=0)


def test_counters_of_batchnorm_may_be_missing():
    tensors = zoo.network("residual", seed=3).state_dict()
    del tensors["norm.num_batches_tracked"]
    module = zoo.network("residual")
    load_weights(module, tensors, "converted")
    assert torch.equal(module.stem.weight, tensors["stem.weight"])


def test_what_is_missing_left_over_or_of_another_shape_is_named():
    module, good = zoo.network("gap-linear"), zoo.network("gap-linear").state_dict()
    other = {name: tensor for name, tensor in good.items() if name != "head.bias"}
    with pytest.raises(ModelError, match=r"missing 1 \(head.bias\), unexpected 2 \(fc.bias, fc.weight\)"):
        load_weights(module, {**other, "fc.weight": torch.ones(1), "fc.bias": torch.ones(1)}, "w")
    with pytest.raises(ModelError, match=r"'head.bias' has shape \(7,\), the network wants \(4,\).*number of classes"):
        load_weights(module, {**good, "head.bias": torch.ones(7)}, "w")
    with pytest.raises(ModelError, match=r"missing 4 .*…|missing 4 "):
        load_weights(module, {}, "w")


def test_refused_weights_leave_the_network_as_it_was():
    module = zoo.network("gap-linear")
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(ModelError):
        load_weights(module, {**before, "conv.weight": before["conv.weight"] + 1, "head.bias": torch.ones(7)}, "w")
    torch.testing.assert_close(dict(module.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "words"),
    [("absent.pth", "there is no weights file"), ("weights.h5", "weights come as"), (".", "no weights file")],
)
def test_paths_that_cannot_be_weights(tmp_path, name, words):
    (tmp_path / "weights.h5").write_bytes(b"x")
    with pytest.raises(ModelError, match=words):
        read_weights(tmp_path / name)


@pytest.mark.parametrize(
    "content", [[1, 2], torch.ones(3), {"a": 1}, {"a": torch.ones(1), "b": None}, {"state_dict": 3}]
)
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(ModelError, match="holds no state_dict"):
        read_weights(tmp_path / "odd.pth")


# Hostile files


@pytest.mark.parametrize("make", attacks.CODE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("suffix", [*SUFFIXES, ".safetensors"])
def test_code_in_a_file_never_runs(tmp_path, make, suffix):
    canary, path = tmp_path / "canary", tmp_path / f"weights{suffix}"
    make(path, canary)
    with pytest.raises(ModelError, match="safetensors"):
        read_weights(path)
    assert not canary.exists()


@pytest.mark.parametrize(
    "make", [make for make in attacks.CODE if make not in attacks.BLUNT], ids=lambda make: make.__name__
)
def test_the_attacks_are_real(tmp_path, make):
    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    make(path, canary)
    with suppress(Exception):  # some files are no weights once their code has run
        torch.load(path, weights_only=False)
    assert canary.exists()


@pytest.mark.parametrize("content", attacks.SAFETENSORS)
def test_damaged_safetensors_are_refused(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(attacks.SAFETENSORS[content])
    with pytest.raises(ModelError, match="no sound safetensors file"):
        read_weights(path)


def test_a_name_that_stands_twice_in_a_header_is_no_way_round_the_checks(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(attacks.header(len(attacks.TWICE), attacks.TWICE, bytes(16)))
    with suppress(ModelError):
        assert set(read_weights(path)) == {"a"}


def whole(suffix):
    with tempfile.TemporaryDirectory() as folder:
        return saved({"a": torch.arange(6.0), "b": torch.ones(2, 3)}, Path(folder, f"w{suffix}")).read_bytes()


WHOLE = {suffix: whole(suffix) for suffix in (".safetensors", ".pth")}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(suffix=st.sampled_from(list(WHOLE)), data=st.data())
def test_a_file_with_a_few_bytes_changed_or_cut_off_is_read_or_refused(tmp_path, suffix, data):
    content = bytearray(WHOLE[suffix])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        read = read_weights(path)
    except ModelError:
        return
    assert all(isinstance(tensor, torch.Tensor) for tensor in read.values())
