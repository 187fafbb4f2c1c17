import json
import sys
import tempfile
from argparse import Namespace
from collections import Counter, OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

import zoo
from models import attacks
from seewhy.errors import ModelError
from seewhy.models import load
from seewhy.models.checkpoints import load_checkpoint, load_weights, read_checkpoint, read_weights

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


# As training scripts leave them


def prefixed(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def opened(content, path, module=None):
    """What a network got of a file, and what was told of it."""
    module = module or zoo.network("gap-linear")
    notes = load_checkpoint(module, read_checkpoint(saved(content, path)))
    return module.state_dict(), notes


GOOD, OTHER = (
    {name: each * times for name, each in zoo.network("gap-linear").state_dict().items()} for times in (2, 3)
)
PREFIXES = ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "net.", "model.backbone.",
            "model.module._orig_mod.", "my_own.deep.network."]  # fmt: skip
WRAPPED = {
    "flat": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1, 0: torch.ones(3)}},
    "model": lambda state: {"model": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(2, 3)}}}},
    "net in model": lambda state: {"ckpt": {"model": {"net": state}}, "args": Namespace(lr=0.1, out=Path("out"))},
    "beside others": lambda state: {**prefixed("net.", state), "criterion.weight": torch.ones(4)},
    "averaged": lambda state: {"model_ema": {"n_averaged": torch.tensor(4), **prefixed("module.", state)}},
    "by parts": lambda state: {"model": {"conv": {name[5:]: each for name, each in state.items() if name[0] == "c"},
                                         "head": {name[5:]: each for name, each in state.items() if name[0] == "h"}}},
}  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_whatever_prefix_all_names_share(tmp_path, prefix, suffix):
    found, notes = opened(prefixed(prefix, GOOD), tmp_path / f"w{suffix}")
    torch.testing.assert_close(found, dict(GOOD), rtol=0, atol=0)
    assert notes == ()


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wherever_the_state_dict_stands(tmp_path, wrapped, prefix):
    state = GOOD if wrapped == "by parts" else prefixed(prefix, GOOD)
    found, _ = opened(WRAPPED[wrapped](state), tmp_path / "last.ckpt")
    torch.testing.assert_close(found, dict(GOOD), rtol=0, atol=0)


def test_a_wrapper_inside_the_network_is_no_part_of_a_name(tmp_path):
    state = {name.replace("conv.", "conv._orig_mod."): tensor for name, tensor in GOOD.items()}
    found, _ = opened({"state_dict": prefixed("module.", state)}, tmp_path / "w.pth")
    torch.testing.assert_close(found, dict(GOOD), rtol=0, atol=0)


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema", "ema", "swa_model"])
def test_of_two_that_differ_the_averaged_ones_with_a_note(tmp_path, key):
    found, notes = opened({"state_dict": OTHER, key: prefixed("module.", GOOD)}, tmp_path / "w.pth")
    torch.testing.assert_close(found, dict(GOOD), rtol=0, atol=0)
    assert notes == (f"Of w.pth the averaged weights '{key}.module' were taken, not 'state_dict'.",)


def test_two_that_differ_are_refused_by_name_and_two_alike_are_one(tmp_path):
    with pytest.raises(ModelError, match=r"holds 2 sets of weights that fit and differ, 'student' and 'teacher'"):
        opened({**prefixed("student.", GOOD), **prefixed("teacher.", OTHER)}, tmp_path / "w.pth")
    found, notes = opened(
        {"model": GOOD, "best": {name: each.clone() for name, each in GOOD.items()}}, tmp_path / "w.pth"
    )
    assert notes == ()
    torch.testing.assert_close(found, dict(GOOD), rtol=0, atol=0)


@pytest.mark.parametrize(
    "beside",
    [
        np.float64(0.9), np.int64(3), np.bool_(True), np.str_("resnet"), np.arange(3.0), np.array(["cat", "dog"]),
        Namespace(lr=0.1, out=Path("runs")), {1, 2}, frozenset([1]), complex(1, 2), None,
        torch.float16, torch.device("cpu"), OrderedDict(a=1), Counter("aab"), slice(1), "text", 3, b"bytes",
    ],
    ids=str,
)  # fmt: skip
def test_what_stands_beside_the_weights_does_no_harm(tmp_path, beside):
    found, _ = opened(
        {"state_dict": GOOD, "beside": beside, "hyper_parameters": {"deep": [beside]}}, tmp_path / "w.pth"
    )
    torch.testing.assert_close(found, dict(GOOD), rtol=0, atol=0)


@pytest.mark.parametrize(
    "name", ["model_best.pth.tar", "BEST.PTH", "last.CKPT", "weights.pkl", "weights", "w.model", "W.SafeTensors"]
)
def test_whatever_the_file_is_called(tmp_path, name):
    path = tmp_path / name
    save_file(dict(GOOD), path) if name.endswith("SafeTensors") else torch.save(GOOD, path)
    assert set(read_weights(path)) == set(GOOD)


@pytest.mark.parametrize("name", ["weights.model", "weights.pth", "weights"])
def test_safetensors_by_any_name(tmp_path, name):
    save_file(dict(GOOD), tmp_path / name)
    assert set(read_weights(tmp_path / name)) == set(GOOD)


def test_a_note_of_git_lfs_is_named(tmp_path):
    (tmp_path / "w.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    with pytest.raises(ModelError, match="git lfs pull"):
        read_checkpoint(tmp_path / "w.pth")


NAMES = ("cat", "cow", "dog", "hen")


@pytest.mark.parametrize(
    "beside",
    [
        {"class_to_idx": {"dog": 2, "cat": 0, "cow": 1, "hen": 3}},
        {"classes": list(NAMES)},
        {"class_names": NAMES},
        {"hyper_parameters": {"num_classes": 4, "id2label": dict(enumerate(NAMES))}},
        {"names": {str(place): name for place, name in enumerate(NAMES)}},
        {"args": Namespace(classes=list(NAMES))},
        {"labels": np.array(NAMES)},
        {"class_to_idx": {name: np.int64(place) for place, name in enumerate(NAMES)}},
        {"idx_to_class": {np.int64(place): name for place, name in enumerate(NAMES)}},
        {"classes": list(NAMES), "class_to_idx": {name: place for place, name in enumerate(NAMES)}},
    ],
    ids=str,
)
def test_class_names_in_a_file_are_kept(tmp_path, beside):
    checkpoint = read_checkpoint(saved({"state_dict": GOOD, **beside}, tmp_path / "w.pth"))
    assert checkpoint.class_names(4) == NAMES
    assert checkpoint.class_names(5) is None


@pytest.mark.parametrize(
    "beside",
    [
        {"callbacks": list(NAMES)},
        {"classes": ["cat", "cat", "dog", "hen"]},
        {"classes": [1, 2, 3, 4]},
        {"class_to_idx": {"cat": 0, "cow": 1, "dog": 2, "hen": 4}},
        {"classes": list(NAMES), "class_names": list(NAMES)[::-1]},
        {"classes": "four"},
        {"class_weights": torch.ones(4)},
    ],
    ids=str,
)
def test_what_are_no_class_names(tmp_path, beside):
    assert read_checkpoint(saved({"state_dict": GOOD, **beside}, tmp_path / "w.pth")).class_names(4) is None


def test_class_names_in_the_metadata_of_safetensors(tmp_path):
    metadata = {"classes": json.dumps(NAMES), "format": "pt", "odd": "{"}
    save_file(dict(GOOD), tmp_path / "w.safetensors", metadata)
    assert read_checkpoint(tmp_path / "w.safetensors").class_names(4) == NAMES


def test_what_serves_training_alone_is_left_out():
    module = zoo.network("gap-linear")
    load_weights(module, {**GOOD, "AuxLogits.fc.weight": torch.ones(2)}, "w")
    torch.testing.assert_close(module.state_dict(), dict(GOOD), rtol=0, atol=0)


class Versioned(nn.Linear):
    """Refuses a state dict that does not say its version, as torchvision's MNASNet does."""

    _version = 2

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
        if local_metadata.get("version") != 2:
            raise ValueError("version should be set to 2")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_modules_are_told_the_version_they_wrote(tmp_path, suffix):
    module, other = Versioned(2, 2), Versioned(2, 2)
    found, _ = opened(dict(other.state_dict()), tmp_path / f"w{suffix}", module)
    torch.testing.assert_close(found, dict(other.state_dict()), rtol=0, atol=0)


class Stubborn(nn.Linear):
    def _load_from_state_dict(self, *_):
        raise ValueError("I will not")


def test_what_a_module_raises_while_loading_is_told():
    with pytest.raises(ModelError, match="does not load into Stubborn: I will not"):
        load_weights(Stubborn(2, 2), nn.Linear(2, 2).state_dict(), "w")


# Why it does not fit


def test_a_first_layer_of_other_channels(tmp_path):
    state = {**GOOD, "conv.weight": GOOD["conv.weight"][:, :1]}
    with pytest.raises(
        ModelError, match=r"'conv.weight' has shape .* trained on pictures of 1 channel: .*py:module:function"
    ):
        opened(prefixed("module.", state), tmp_path / "w.pth")


def test_another_head_is_named_with_a_cure_that_works(tmp_path, monkeypatch):
    network = zoo.network("residual", seed=2)
    state = network.state_dict()
    (name,) = {key.rpartition(".")[0] for key in state if "head" in key or "fc" in key}
    renamed = {key.replace(f"{name}.", f"{name}.1."): each for key, each in state.items()}
    with pytest.raises(ModelError, match=rf"missing 2 \({name}.bias.*another head.*py:module:function"):
        opened({"state_dict": renamed}, tmp_path / "w.pth", zoo.network("residual"))
    (tmp_path / "mine.py").write_text(
        "import zoo\nfrom torch import nn\ndef make():\n    network = zoo.network('residual')\n"
        f"    network.{name} = nn.Sequential(nn.Dropout(), network.{name})\n    return network.eval()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    classifier = load("py:mine:make", tmp_path / "w.pth", device="cpu")
    torch.testing.assert_close(classifier.module.state_dict(), renamed, rtol=0, atol=0)


@pytest.mark.parametrize("save", ["script", "trace"])
def test_torchscript_is_named(tmp_path, save):
    network = zoo.network("gap-linear")
    made = torch.jit.script(network) if save == "script" else torch.jit.trace(network, zoo.inputs())
    made.save(tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"w.pt is a TorchScript archive, .*py:module:function"):
        read_checkpoint(tmp_path / "w.pt")


def test_an_exported_program_is_named(tmp_path):
    torch.export.save(torch.export.export(zoo.network("gap-linear"), (zoo.inputs(),)), tmp_path / "w.pt2")
    with pytest.raises(ModelError, match=r"w\.pt2 is an archive of torch.export"):
        read_checkpoint(tmp_path / "w.pt2")


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
