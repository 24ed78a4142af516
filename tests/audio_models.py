"""Small audio encoders with random weights, of the classes of the real ones, and a small data set.

A store is prepared in the test's own process, as the workers of ``avsc prepare`` do it.
"""

from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import nn

from avsc.dataset.read import read_dataset
from avsc.prepare.clip import prepare_clip
from avsc.scenes import SCENES
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete
from avsc.store.schema import (
    FBankSettings,
    ImageSettings,
    StoreSettings,
    partition_count,
    partition_range,
)
from avsc.store.writer import write_partition
from tests.prepare.conftest import write_mp4, write_table

RATE_HZ = 48_000
AST_FEATURES, CLAP_FEATURES, OWN_FEATURES = 16, 12, 9


def save_ast(folder: Path, seed: int = 0, window: int = 128) -> Path:
    """Saves an AST encoder of 1.28 s and its feature extractor."""
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    torch.manual_seed(seed)
    config = ASTConfig(
        hidden_size=AST_FEATURES,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_length=window,
        num_mel_bins=32,
        frequency_stride=16,
        time_stride=16,
        initializer_range=0.5,
    )
    ASTModel(config).save_pretrained(folder)
    ASTFeatureExtractor(max_length=window, num_mel_bins=32).save_pretrained(folder)
    return folder


def save_clap(folder: Path, seed: int = 0, fusion: bool = False, text: bool = False) -> Path:
    """Saves a CLAP encoder of two seconds and its extractor, with the text's half or without."""
    from transformers import (
        ClapAudioConfig,
        ClapAudioModelWithProjection,
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
    )

    torch.manual_seed(seed)
    audio = ClapAudioConfig(
        patch_embeds_hidden_size=8,
        depths=[1, 1],
        num_attention_heads=[1, 2],
        num_hidden_layers=2,
        hidden_size=16,
        projection_dim=CLAP_FEATURES,
        spec_size=64,
        num_mel_bins=16,
        window_size=2,
        mlp_ratio=1.0,
        enable_fusion=fusion,
        fusion_type="aff_2d" if fusion else None,
    )
    words = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 20}
    if text:
        both = {"text_config": words, "audio_config": audio.to_dict()}
        ClapModel(ClapConfig(**both, projection_dim=CLAP_FEATURES)).save_pretrained(folder)
    else:
        ClapAudioModelWithProjection(audio).save_pretrained(folder)
    truncation = "fusion" if fusion else "rand_trunc"
    ClapFeatureExtractor(feature_size=16, truncation=truncation, max_length_s=2).save_pretrained(
        folder
    )
    return folder


def make_tau(root: Path, clips: int = 8, seed: int = 0) -> Path:
    """Writes clips of ten seconds in TAU's layout, every second one in the test fold."""
    names = [f"{SCENES[n % 2]}-lyon-{1000 + n}-{n}" for n in range(clips)]
    rows = [[f"audio/{name}.wav", f"video/{name}.mp4", name.split("-")[0]] for name in names]
    for folder in ("audio", "video"):
        (root / folder).mkdir(parents=True)
    for number, name in enumerate(names):
        write_sound(root / "audio" / f"{name}.wav", seed + number, hz=300 + 900 * (number % 2))
        write_mp4(root / "video" / f"{name}.mp4", number)
    header = ["filename_audio", "filename_video", "scene_label"]
    write_table(root / "meta.csv", header, rows)
    train = [row for number, row in enumerate(rows) if number % 4 < 2]
    write_table(root / "evaluation_setup" / "fold1_train.csv", header, train)
    test = [row for row in rows if row not in train]
    write_table(root / "evaluation_setup" / "fold1_evaluate.csv", header, test)
    return root


def write_sound(path: Path, seed: int, hz: float = 400.0, seconds: float = 10.0) -> None:
    """Writes stereo noise and a tone that climbs."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(seed).normal(0, 0.05, (len(time), 2))
    tone = 0.2 * np.sin(2 * np.pi * (hz + 30 * time) * time)
    soundfile.write(path, (noise + tone[:, None]).astype(np.float32), RATE_HZ, subtype="FLOAT")


SETTINGS = StoreSettings(
    features=("fbank",),
    partition_clips=3,
    fbank=FBankSettings(bands=24),
    image=ImageSettings(short_side=36),
)


def prepare_here(dataset: Path, store: Path, clip_seconds: int = 10) -> Path:
    """Prepares a data set into a store of few bands."""
    found = read_dataset(dataset, None, clip_seconds)
    settings = SETTINGS.model_copy(
        update={"clip_seconds": found.clip_seconds, "split": found.split}
    )
    open_for_writing(store, found.clips, settings, found.scenes)
    for partition in range(partition_count(len(found.clips), settings)):
        with write_partition(store, len(found.clips), settings, partition) as writer:
            for row in partition_range(partition, len(found.clips), settings):
                clip = found.clips[row]
                writer.add(row, prepare_clip(found.root, clip, settings), clip.seconds)
    mark_complete(store)
    return store


def make_encoded(base: Path, clips: int = 12) -> Path:
    """Makes ``base / "tau"``, its store ``store``, an encoder ``ast`` and the embeddings by it."""
    from avsc.train.embed import embed_sound

    make_tau(base / "tau", clips)
    prepare_here(base / "tau", base / "store")
    save_ast(base / "ast")
    embed_sound(base / "store", base / "tau", base / "ast", device="cpu")
    return base


def sound_of(base: Path, encoder: str) -> list[str]:
    """Settings of a run on what ``make_encoded`` made."""
    return ["audio.feature=fbank", f"audio.encoder={encoder}", f"audio.model={base / 'ast'}"]


class Small(nn.Sequential):
    """Somebody's own acoustic encoder."""

    def __init__(self, bands: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(2 * bands, OWN_FEATURES), nn.ReLU())


def ast_by_hand(folder: Path, mono: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings of seconds at 16 kHz, [n, 16000] -> [n, D], by transformers alone."""
    from transformers import ASTFeatureExtractor, ASTModel

    inputs = ASTFeatureExtractor.from_pretrained(folder)(
        list(mono), sampling_rate=16_000, return_tensors="pt"
    )
    with torch.no_grad():
        return np.asarray(ASTModel.from_pretrained(folder).eval()(**inputs).pooler_output)
