"""The sections of a recipe: every key, its values, its default and its meaning (DESIGN section 3).

The defaults are those of the paper's joint optimisation (its section 3), as far as it gives them.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from avsc import recipe_keys

Strategy = Literal["joint", "pipeline", "audio", "video"]


class Section(BaseModel):
    """A table of a recipe file; its keys are strict and cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_unset(cls, given: Any) -> Any:  # noqa: ANN401  whatever a file holds
        return recipe_keys.without_unset(cls, given) if isinstance(given, dict) else given


class AudioRecipe(Section):
    """The acoustic encoder's input and shape."""

    feature: Literal["scalogram", "fbank"] = Field(
        default="scalogram", description="audio feature: long-term scalogram or mel filter bank"
    )
    concat: Literal["all", "last"] = Field(
        default="all",
        description="residual blocks whose outputs the acoustic encoder concatenates",
    )
    encoder: str | None = Field(
        default=None,
        description="acoustic encoder: ae, the paper's, which is trained; pretrained, the frozen "
        "one in audio.model, whose embeddings `avsc embed` keeps; both of these; or the class of "
        "your own, package.module:Class, a torch.nn.Module from [n, 2, bands] to [n, D] made with "
        "`bands`, alone or, with audio.model, beside the pretrained one; unset: ae",
    )
    model: str | None = Field(
        default=None,
        description="folder of the pretrained audio encoder (AST or CLAP, as transformers saves "
        "them), for audio.encoder = pretrained, both or the class of your own",
    )

    @field_validator("encoder", mode="before")
    @classmethod
    def _papers_own(cls, encoder: object) -> object:
        return None if encoder == "ae" else encoder

    @model_validator(mode="after")
    def _agrees(self) -> "AudioRecipe":
        module, _, name = (self.encoder or "").partition(":")
        parts = [*module.split("."), name]
        needs_model = self.encoder in ("pretrained", "both")
        if not (self.encoder is None or needs_model or all(map(str.isidentifier, parts))):
            raise ValueError(
                f"audio.encoder is {self.encoder!r}; it takes ae, pretrained, both or "
                "package.module:Class"
            )
        if needs_model and self.model is None:
            raise ValueError(
                f"audio.encoder = {self.encoder} needs the encoder's folder: set audio.model"
            )
        if self.model is not None and self.encoder is None:
            raise ValueError(
                "audio.model is for audio.encoder = pretrained, both (beside ae) or "
                "package.module:Class: set one of them, or leave audio.model out"
            )
        return self

    @property
    def uses_tower(self) -> bool:
        """Whether there is a pre-trained, frozen audio encoder, alone or beside another."""
        return self.model is not None

    @property
    def uses_frames(self) -> bool:
        """Whether there is an acoustic encoder of audio frames: the paper's or somebody's own."""
        return self.encoder != "pretrained"

    @property
    def own_class(self) -> str | None:
        """The class of somebody's own acoustic encoder, ``package.module:Class``, or None."""
        return self.encoder if self.encoder and ":" in self.encoder else None


class VisualRecipe(Section):
    """The frozen visual encoder."""

    model: str = Field(
        default="efficientnetv2_rw_s.ra2_in1k", description="timm name of the visual encoder"
    )
    weights: str = Field(
        default="pretrained",
        description="source of the visual weights: pretrained (timm's), random, a weights file, "
        "or a folder of `avsc pretrain`",
    )
    image_size: int | None = Field(
        default=None,
        ge=16,
        le=2048,
        description="side of the input image in pixels; unset: the side the weights expect",
    )


class ModelRecipe(Section):
    """The size of what is trained."""

    width: float = Field(
        default=1.0,
        ge=0.01,
        le=16,
        description="factor of the widths of the hidden layers: the acoustic encoder's linear "
        "layers (2048 and 1024 at 1) and the scene classifier's (1024); below 1: a small student",
    )


class TrainRecipe(Section):
    """Optimisation, data loading and hardware."""

    strategy: Strategy = Field(
        default="joint", description="training strategy: joint, pipeline, audio or video"
    )
    images: Literal["raw", "embedding"] | None = Field(
        default=None,
        description="form of the training images: raw (augmented) or their stored embedding; "
        "unset: as the strategy has it",
    )
    acoustic: Literal["trainable", "pretrained"] | None = Field(
        default=None,
        description="acoustic encoder: trained here, or pretrained and frozen; "
        "unset: as the strategy has it",
    )
    audio_run: str | None = Field(
        default=None, description="folder of the run that the pretrained acoustic encoder is from"
    )
    epochs: int = Field(default=150, ge=1, description="largest number of epochs")
    batch_size: int = Field(
        default=256, ge=4, description="number of triples in a batch, over all processes"
    )
    lr_max: float = Field(
        default=1e-2, gt=0, description="learning rate at the start of each cosine cycle"
    )
    lr_min: float = Field(
        default=1e-5, ge=0, description="learning rate at the end of each cosine cycle"
    )
    restart_epochs: int = Field(
        default=10, ge=1, description="length of the first cosine cycle in epochs"
    )
    restart_factor: int = Field(
        default=2, ge=1, description="ratio of each cosine cycle's length to the one before it"
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="momentum of SGD")
    weight_decay: float = Field(default=0.0, ge=0, description="weight decay of SGD")
    patience: int = Field(
        default=30,
        ge=1,
        description="number of epochs without a lower validation loss before training stops",
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="weight of each scene in the training loss; balanced: the same for each scene, "
        "whatever its number of clips",
    )
    seed: int = Field(
        default=0,
        ge=0,
        lt=1 << 63,
        description="random seed of the initial weights, the split, the order and augmentation",
    )
    val_fraction: float = Field(
        default=0.1, gt=0, lt=1, description="share of the training clips held out for validation"
    )
    val_split: Literal["location", "clip"] = Field(
        default="location", description="unit of the validation split: whole locations or clips"
    )
    fold: str | None = Field(
        default=None,
        description="fold that is left out for testing in a store of several folds; unset: the "
        "store's folds train and test",
    )
    cache: Literal["auto", "device", "host", "none"] = Field(
        default="auto",
        description="memory for the decoded images, or for the bank of views: GPU (device), host, "
        "none, or what has room",
    )
    images_per_second: int | None = Field(
        default=None,
        ge=1,
        description="number of augmented images of each second, shared by its audio frames; "
        "unset: one image an audio frame",
    )
    drop_audio: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="probability that a sample's sound is replaced by a learnt stand-in",
    )
    drop_image: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="probability that a sample's image is replaced by a learnt stand-in",
    )
    shift_s: int = Field(
        default=0,
        ge=0,
        description="largest distance in seconds between a sample's sound and its image, which is "
        "another second's of the same clip",
    )
    views: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="number of augmented views of each image that are encoded once, kept in a bank "
        "beside the store and drawn from; unset: a fresh view for every sample and epoch",
    )
    precision: Literal["auto", "float32", "bf16"] = Field(
        default="auto",
        description="number format of the visual encoder; auto: bf16 on a GPU, float32 elsewhere",
    )
    channels_last: bool | None = Field(
        default=None,
        description="memory layout of the visual encoder: channels last or not; "
        "unset: channels last on a GPU only",
    )
    compile: bool | None = Field(
        default=None,
        description="use of torch.compile for the visual encoder and, where steps encode no raw "
        "image (views, pipeline, audio), for the steps; unset: on a GPU only",
    )
    deterministic: bool = Field(
        default=False, description="choice of kernels that give bit-equal results, at some cost"
    )
    threads: int | None = Field(
        default=None, ge=1, description="number of image decoding threads; unset: one a core"
    )
    checkpoint_minutes: float = Field(
        default=10.0, gt=0, description="shortest time in minutes between checkpoints in an epoch"
    )

    @field_validator("fold", mode="before")
    @classmethod
    def _named(cls, fold: object) -> object:
        return str(fold) if isinstance(fold, int) else fold  # --set train.fold=1

    @model_validator(mode="after")
    def _agrees(self) -> "TrainRecipe":
        if self.lr_min > self.lr_max:
            raise ValueError(f"lr_min {self.lr_min} is above lr_max {self.lr_max}")
        if self.strategy == "audio" and self.images:
            raise ValueError("the strategy audio has no images: leave `images` out")
        if self.disturbs and self.strategy in ("audio", "video"):
            raise ValueError(
                "drop_audio, drop_image and shift_s are for two modalities, not for the strategy "
                f"{self.strategy}"
            )
        if self.drop_audio + self.drop_image >= 1:
            raise ValueError(
                f"drop_audio {self.drop_audio} and drop_image {self.drop_image} leave no sample "
                "whole: their sum is below 1, since no sample loses both"
            )
        if self.views and self.strategy == "audio":
            raise ValueError("the strategy audio has no images: leave `views` out")
        if self.views and self.image_source() == "embedding":
            raise ValueError(
                "`views` are augmented raw images, and this run takes the embedding of the plain "
                "image (as the strategy pipeline does): leave `views` out, or set images = raw"
            )
        if self.acoustic and self.strategy in ("audio", "video"):
            raise ValueError(
                f"`acoustic` is for joint and pipeline, not for the strategy {self.strategy}"
            )
        return self

    @property
    def dropped(self) -> list[Literal["audio", "image"]]:
        """The modalities that training drops, so that their stand-ins are learnt."""
        shares = {"audio": self.drop_audio, "image": self.drop_image}
        return [name for name in ("audio", "image") if shares[name] > 0]

    @property
    def drops(self) -> bool:
        """Whether training drops modalities, so that the model has stand-ins for them."""
        return bool(self.dropped)

    @property
    def disturbs(self) -> bool:
        """Whether training drops modalities or shifts them in time."""
        return self.drops or self.shift_s > 0

    def image_source(self) -> Literal["raw", "embedding"]:
        """The form of the training images: raw, or a stored embedding (the paper's section 3.3)."""
        return self.images or ("embedding" if self.strategy == "pipeline" else "raw")

    def acoustic_source(self) -> Literal["trainable", "pretrained"]:
        """Whether the acoustic encoder is trained here or taken from an audio run and frozen."""
        return self.acoustic or ("pretrained" if self.strategy == "pipeline" else "trainable")


class DistillRecipe(Section):
    """Distillation: a teacher's soft targets beside the labels of the training clips."""

    teacher: tuple[str, ...] = Field(
        default=(),
        description="teachers: folders of runs or of seeds, or predictions files that cover the "
        "training clips; of several, the mean of their soft targets; none: labels alone",
    )
    weight: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of the soft targets in the training loss; the labels have the rest",
    )
    temperature: float = Field(
        default=2.0,
        gt=0,
        le=100,
        description="temperature of the soft targets: the logits of teacher and student are "
        "divided by it",
    )
    unlabelled: bool = Field(
        default=False,
        description="whether the store's clips without a scene are training clips too, with the "
        "teacher's soft targets alone",
    )

    @field_validator("teacher", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) and n for n in names):
            raise ValueError(f"distill.teacher is {given!r}; it takes a list of paths")
        return tuple(names)

    @model_validator(mode="after")
    def _taught(self) -> "DistillRecipe":
        if self.unlabelled and not self.teacher:
            raise ValueError(
                "distill.unlabelled needs a teacher, which says what the unlabelled clips are: set "
                "distill.teacher (--teacher)"
            )
        return self
