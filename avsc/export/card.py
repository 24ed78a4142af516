"""The model card, ``README.md`` beside an exported model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from avsc import recipe
from avsc.dataset import manifests
from avsc.errors import AvscError
from avsc.evaluate import results
from avsc.evaluate.bootstrap import Interval
from avsc.export import card_usage
from avsc.export.description import Description, VisualInput
from avsc.recipe import Recipe
from avsc.report import formatting
from avsc.scenes import SCENES
from avsc.store.read import Store
from avsc.train.load import LoadedRun


@dataclass(frozen=True)
class Data:
    """What a run was trained on.

    Attributes:
        words: In a sentence.
        official: Whether it is TAU's official training fold; None if that cannot be told.
    """

    words: str
    official: bool | None


@dataclass(frozen=True)
class CardFacts:
    """All that the card says.

    Attributes:
        description: What ``config.json`` says.
        form: Of the export.
        recipe: The run's.
        data: What it was trained on.
        scores: Its ``metrics.json``; None if it was not evaluated with these weights.
        versions: Of the packages it was trained with.
        tensors: The scorer's tensors and their shapes.
    """

    description: Description
    form: Literal["onnx", "safetensors"]
    recipe: Recipe
    data: Data
    scores: Mapping[str, Any] | None
    versions: Mapping[str, str]
    tensors: Mapping[str, tuple[int, ...]]


def card(facts: CardFacts) -> str:
    """The card as Markdown."""
    parts = [
        f"# {facts.description.run}: urban scenes from {_senses(facts.description)}",
        _summary(facts),
        card_usage.usage(facts.description, facts.form),
        f"## Data\n\n{facts.data.words}",
        f"## Scores\n\n{_scores(facts.scores)}",
        f"## Limits\n\n{_limits(facts.description)}",
        f"## Licences\n\n{_licences(facts)}",
        f"## Recipe\n\n```toml\n{recipe.to_toml(facts.recipe).strip()}\n```",
    ]
    if facts.form == "safetensors":
        parts.append(card_usage.tensors(facts.tensors))
    made = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    parts.append(f"Trained with {made}. Exported by avsc {facts.description.avsc}.")
    return "\n\n".join(parts) + "\n"


def scores_of(run: Path, weights_sha256: str | None) -> dict[str, Any] | None:
    """The official scores of a run, if they are of these weights."""
    try:
        found = results.read_metrics(run / results.EVALUATION)
    except AvscError:
        return None
    return found if found.get("weights_sha256") == weights_sha256 else None


def describe_data(run: LoadedRun) -> Data:
    """What a run was trained on, as far as its store can still be asked."""
    facts = run.facts
    known = f"store `{Path(facts.store).name}`, identity `{facts.store_sha256}`"
    try:
        store = Store.open(facts.store)
    except AvscError:
        store = None
    if store is None or store.sha256 != facts.store_sha256:
        return Data(
            f"The training fold of a data set in the layout of TAU Urban Audio-Visual Scenes 2021 "
            f"({known}); the store was not there any more at export.",
            None,
        )
    ids = [clip.id for clip in store.clips if clip.fold == "train"]
    size = f"{len(ids):,} clips of {facts.settings.clip_seconds} s"
    if manifests.is_official("train", ids):
        return Data(
            f"The official training fold of TAU Urban Audio-Visual Scenes 2021, development set: "
            f"{size} ({known}).",
            True,
        )
    return Data(
        f"The training fold of a data set in the layout of TAU Urban Audio-Visual Scenes 2021, "
        f"**not** its official one: {size} ({known}).",
        False,
    )


def _senses(description: Description) -> str:
    senses = [("sound", description.audio), ("picture", description.visual)]
    return " and ".join(name for name, part in senses if part is not None)


def _summary(facts: CardFacts) -> str:
    description = facts.description
    parts = []
    if description.audio is not None:
        parts.append(f"one {description.audio.feature} frame (512 ms of sound)")
    if description.visual is not None:
        parts.append("one image")
    encoder = ""
    if description.visual is not None:
        encoder = f" The visual encoder is timm's `{description.visual.model}`, frozen in training."
    return (
        f"Gives each of ten urban scenes ({', '.join(description.scenes)}) a probability, from "
        f"{' and '.join(parts)}. Strategy `{description.strategy}` of avsc, an implementation of "
        f"audio-visual scene classification by joint optimisation.{encoder}"
    )


def _scores(scores: Mapping[str, Any] | None) -> str:
    if scores is None:
        return (
            "None are known of these weights: `avsc evaluate` had not scored them when they were "
            "exported."
        )
    intervals = scores.get("intervals", {})
    rows = [
        ("log-loss", formatting.loss(scores["log_loss"]), _loss_bounds(intervals.get("log_loss"))),
        (
            "accuracy (%)",
            formatting.per_cent(scores["accuracy"]),
            _per_cent_bounds(intervals.get("accuracy")),
        ),
    ]
    lines = ["| | mean of the scenes | 95 % interval |", "|---|---|---|"]
    lines += [f"| {name} | {value} | {bounds} |" for name, value, bounds in rows]
    lines += ["", "| scene | log-loss | accuracy (%) | segments |", "|---|---|---|---|"]
    for scene in SCENES:
        one = scores["per_class"][scene]
        loss, right = (_or_dash(one[name]) for name in ("log_loss", "accuracy"))
        words = (formatting.loss(loss), formatting.per_cent(right))
        lines.append(f"| {scene} | {words[0]} | {words[1]} | {one['n']} |")
    behind = (
        f"{scores['n_segments']:,} one-second segments of the {scores['fold']} fold, protocol "
        f"`{scores['protocol']}`; a segment's probabilities are the mean of its frames'. Intervals "
        "are percentiles of a bootstrap over locations."
    )
    return "\n".join([*lines, "", behind])


def _limits(description: Description) -> str:
    lines = [
        "It knows these ten scenes and nothing else; whatever it is shown is given the likeliest "
        "of them. Probabilities are not calibrated beyond what training gave.",
        "Other cities, seasons, microphones and cameras than those of the data are likely to be "
        "recognised less well than the scores above say.",
        "It is no basis for decisions about people.",
    ]
    if description.audio is not None:
        lines.append("The sound must be stereo: half of its input is the difference of channels.")
    return "\n".join(f"- {line}" for line in lines)


def _licences(facts: CardFacts) -> str:
    tau = (
        "TAU Urban Audio-Visual Scenes 2021 is free for non-commercial use only, which is to be "
        "expected of weights trained on it too"
    )
    data = {
        True: f"The weights were trained on TAU data. {tau}.",
        False: f"The weights depend on the licence of the data they were trained on. ({tau}.)",
        None: "The weights depend on the licence of the data they were trained on; if that is TAU: "
        f"{tau}.",
    }[facts.data.official]
    lines = ["avsc's code: MIT.", data]
    visual = facts.description.visual
    if visual is not None:
        lines.append(_encoder_licence(visual, facts.recipe.visual.weights))
    return "\n".join(f"- {line}" for line in lines)


def _encoder_licence(visual: VisualInput, weights: str) -> str:
    held = "inside" if visual.included else "**not** inside"
    which = f"`{visual.model}`, SHA-256 `{visual.sha256}`, {held}"
    if weights == "random":
        return f"The visual encoder's weights ({which}) are random numbers, free to use."
    source = "timm" if weights == "pretrained" else f"`{Path(weights).name}`"
    return (
        f"The visual encoder's weights ({which}), from {source}, have a licence of their own: that "
        "of timm's weights is on each model's page, and it may depend on the images they learnt "
        "from (ImageNet, Places365)."
    )


def _or_dash(value: float | None) -> float:
    return float("nan") if value is None else value


def _loss_bounds(pair: list[float] | None) -> str:
    return formatting.DASH if pair is None else formatting.loss_bounds(Interval(*pair))


def _per_cent_bounds(pair: list[float] | None) -> str:
    return formatting.DASH if pair is None else formatting.per_cent_bounds(Interval(*pair))
