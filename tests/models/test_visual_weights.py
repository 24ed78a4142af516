"""Weights of a visual encoder, from files and folders of all makes."""

import argparse
import json
import pickle
import socket
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from avsc import network
from avsc.errors import AvscError
from avsc.models import visual, visual_weights, weights
from avsc.recipe_sections import VisualRecipe
from tests.models.small_encoders import RESNET, headed, recipe_of, some_images


class _Malice:
    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.touched,)


@pytest.mark.parametrize("form", ["safetensors", "pth", "places365"])
def test_weights_with_a_head_load_from_any_form_and_give_the_same_encoder(
    form: str, tmp_path: Path
) -> None:
    state = headed()
    path = tmp_path / {"places365": "resnet50_places365.pth.tar"}.get(form, f"w.{form}")
    if form == "safetensors":
        save_file(state, path)
    elif form == "pth":
        torch.save(state, path)
    else:
        torch.save(_as_csail(state), path, _use_new_zipfile_serialization=False)
    encoder = visual_weights.build(recipe_of(path))
    expected = timm.create_model(RESNET, num_classes=0).eval()
    expected.load_state_dict({k: v for k, v in state.items() if not k.startswith("fc.")})
    assert encoder.sha256 == weights.sha256_state(expected.state_dict())


def _as_csail(state: dict[str, torch.Tensor]) -> dict[str, object]:
    # Their files come from DataParallel and PyTorch 0.2, with what the script had at hand.
    old = {f"module.{k}": v for k, v in state.items() if "num_batches" not in k}
    return {
        "epoch": 90,
        "arch": "resnet50",
        "state_dict": old,
        "best_prec1": np.float64(54.7),
        "args": argparse.Namespace(lr=0.1),
    }


def test_torchvisions_resnet50_has_the_names_of_timms() -> None:
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        theirs = torchvision.models.resnet50(num_classes=365).state_dict()
        ours = timm.create_model("resnet50", num_classes=365).state_dict()
    assert {k: v.shape for k, v in theirs.items()} == {k: v.shape for k, v in ours.items()}


def _wrapped(state: dict[str, torch.Tensor], how: str) -> dict[str, object]:
    """The content of a file as training frameworks write it; ``how`` may be names' prefix."""
    if how == "plain":
        return dict(state)
    if how == "model_state_dict":
        return {"model_state_dict": state, "epoch": 3}
    if how == "model in state_dict":
        return {"state_dict": {"model": state, "step": 3}}
    others = {"criterion.weight": torch.ones(10), "net_teacher.proj.weight": torch.ones(3, 3)}
    named = {how + name: tensor for name, tensor in state.items()}
    return {"state_dict": named | others, "hyper_parameters": {"lr": 0.1}, "callbacks": {}}


@pytest.mark.parametrize(
    "how",
    [
        "plain",
        "model_state_dict",
        "model in state_dict",
        "net.",
        "model.",
        "module.",
        "a.b._orig_mod.",
    ],
)
@pytest.mark.parametrize("model", [RESNET, "test_vit", "tf_efficientnet_lite0"])
def test_weights_load_out_of_any_wrapper(how: str, model: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    state = timm.create_model(model, num_classes=7).state_dict()
    torch.save(_wrapped(state, how), tmp_path / "w.ckpt")
    encoder = visual_weights.build(VisualRecipe(model=model, weights=str(tmp_path / "w.ckpt")))
    own = encoder.backbone.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in own.items())


@pytest.mark.parametrize("counted", [True, False])
def test_weights_of_efficientnet_pytorch_load_by_their_order(counted: bool, tmp_path: Path) -> None:
    torch.manual_seed(5)
    state = timm.create_model("tf_efficientnet_lite0", num_classes=7).state_dict()
    kept = {k: v for k, v in state.items() if counted or "num_batches" not in k}
    ends = {"conv_stem.weight": "_conv_stem.weight", "classifier.weight": "_fc.weight"}
    ends["classifier.bias"] = "_fc.bias"
    names = {k: ends.get(k, f"_blocks.{i}.{k[-19:]}") for i, k in enumerate(kept)}
    theirs = {names[k]: v for k, v in kept.items()}
    recipe = VisualRecipe(model="tf_efficientnet_lite0", weights=str(tmp_path / "theirs.pth"))
    torch.save(theirs, recipe.weights)
    own = visual_weights.build(recipe).backbone.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in own.items())
    torch.save(dict(list(theirs.items())[:-9]), recipe.weights)
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe)
    assert recipe.weights in caught.value.got


@pytest.mark.parametrize("name", ["test_vit", "test_vit2", "vit_tiny_patch16_224"])
def test_a_transformers_file_of_another_size_loads_as_timm_loads_its_own(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    torch.manual_seed(5)
    save_file(dict(timm.create_model(name, num_classes=7).state_dict()), path)
    encoder = visual_weights.build(recipe_of(path, name, 96))
    theirs = timm.create_model(
        name, True, pretrained_cfg_overlay={"file": str(path)}, num_classes=0, img_size=96
    )
    assert encoder.sha256 == weights.sha256_state(theirs.state_dict())
    assert encoder.sha256 == visual_weights.build(recipe_of(path, name, 96)).sha256
    assert encoder(some_images(2, 96)).shape == (2, encoder.features)


def test_weights_of_another_transformer_are_not_resampled_into_it(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(dict(timm.create_model("vit_tiny_patch16_224").state_dict()), path)
    for other in ("vit_small_patch16_224", "vit_small_patch32_224"):
        with pytest.raises(AvscError) as caught:
            visual_weights.build(recipe_of(path, other, 96))
        assert str(path) in caught.value.got
        assert other in caught.value.got


def test_a_malicious_pickle_is_refused_and_executes_nothing(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": headed(), "extra": _Malice(touched)}, path)
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(path))
    assert str(path) in caught.value.got
    assert "weights_only" not in str(caught.value)
    path.write_bytes(pickle.dumps(_Malice(touched)))
    with pytest.raises(AvscError):
        visual_weights.build(recipe_of(path))
    assert not touched.exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("cut", [0, 10, 5000])
def test_a_truncated_file_is_refused_in_words(name: str, cut: int, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("pth"):
        torch.save(headed(), path)
    else:
        save_file(headed(), path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(path))
    assert str(path) in caught.value.got


def test_weights_of_another_model_are_refused_with_the_first_names(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(dict(timm.create_model("test_efficientnet").state_dict()), path)
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(path))
    for fact in (str(path), RESNET, "conv1"):
        assert fact in caught.value.got
    assert "visual.model" in caught.value.remedy


def test_a_deeper_models_weights_are_refused_though_all_of_ours_are_among_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "deeper.safetensors"
    save_file(headed() | {"layer3.1.conv1.weight": torch.ones(3, 3)}, path)
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(path))
    assert "layer3.1.conv1.weight" in caught.value.got


def test_a_file_without_tensors_and_an_absent_file_are_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    for name in ("empty.pth", "absent.pth"):
        with pytest.raises(AvscError) as caught:
            visual_weights.build(recipe_of(tmp_path / name))
        assert str(tmp_path / name) in caught.value.got


def test_a_failed_download_says_which_file_to_fetch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of("pretrained"))
    assert RESNET in caught.value.got
    assert "timm/test_resnet.r160_in1k" in caught.value.remedy
    assert "--ve-weights" in caught.value.remedy


def _folder(folder: Path) -> visual.VisualEncoder:
    encoder = visual_weights.build(recipe_of())
    config = visual.ImageConfig(64, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear", 0.875)
    visual_weights.save_folder(folder, RESNET, dict(encoder.backbone.state_dict()), config)
    return encoder


def test_a_pretrained_folder_brings_its_own_image_config(tmp_path: Path) -> None:
    saved = _folder(tmp_path / "ve")
    loaded = visual_weights.build(VisualRecipe(model=RESNET, weights=str(tmp_path / "ve")))
    assert loaded.sha256 == saved.sha256
    assert loaded.config == visual.ImageConfig(
        64, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear", 0.875
    )
    assert visual_weights.build(recipe_of(tmp_path / "ve")).config.size == 32


def test_a_folder_from_before_crop_modes_still_loads(tmp_path: Path) -> None:
    _folder(tmp_path)
    config = tmp_path / visual_weights.FOLDER_CONFIG
    content = json.loads(config.read_text())
    del content["image"]["crop_mode"]
    config.write_text(json.dumps(content))
    assert visual_weights.build(recipe_of(tmp_path)).config.crop_mode == "center"


def test_a_folder_of_another_model_or_altered_weights_is_refused(tmp_path: Path) -> None:
    _folder(tmp_path)
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(tmp_path, model="test_efficientnet"))
    assert "visual.model=test_resnet" in caught.value.remedy
    config = tmp_path / visual_weights.FOLDER_CONFIG
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"sha256": "0" * 64}))
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(tmp_path))
    assert str(tmp_path / visual_weights.FOLDER_WEIGHTS) in caught.value.got
    config.write_text("{}")
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(tmp_path))
    assert str(tmp_path) in caught.value.got


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"\n<!DOCTYPE html><html>log in</html>"])
def test_what_a_failed_download_left_is_downloaded_again(
    content: bytes, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(tmp_path / name))
    assert str(tmp_path / name) in caught.value.got
    assert "download it again" in caught.value.remedy


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_torchscript_archive_is_refused_without_unsafe_advice(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "w.pt")
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(tmp_path / "w.pt"))
    assert "TorchScript" in caught.value.got
    assert "weights_only" not in str(caught.value)


def test_without_a_network_the_hub_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub.constants

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"  # where nobody listens
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    asked: list[str] = []

    def silence_of(url: str) -> str:
        asked.append(url)
        return network.silence_of(url)

    monkeypatch.setattr(visual_weights, "silence_of", silence_of)
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of("pretrained"))
    assert asked == [address]
    assert address.removeprefix("http://") in caught.value.got
    assert "--ve-weights" in caught.value.remedy
    assert not huggingface_hub.constants.HF_HUB_OFFLINE
