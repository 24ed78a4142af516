"""The sections of a recipe that augment: of images and of sound (DESIGN section 7)."""

from pydantic import Field

from avsc.recipe_sections import Section


class AugmentRecipe(Section):
    """Augmentation of raw training images; each sample draws its own."""

    seed: int = Field(
        default=0,
        ge=0,
        lt=1 << 63,
        description="random seed of the views of a bank (train.views), which runs of other "
        "train.seed share; fresh views are drawn from train.seed",
    )
    crop_scale_min: float = Field(
        default=0.35,
        gt=0,
        le=1,
        description="smallest share of the image's area that a random crop keeps; 1: no crop",
    )
    crop_ratio_max: float = Field(
        default=4 / 3, ge=1, description="largest aspect ratio of a random crop, wide or tall"
    )
    flip: float = Field(
        default=0.5, ge=0, le=1, description="probability of a horizontal mirror image"
    )
    brightness: float = Field(
        default=0.2, ge=0, le=1, description="largest change of the brightness factor from 1"
    )
    contrast: float = Field(
        default=0.2, ge=0, le=1, description="largest change of the contrast factor from 1"
    )
    saturation: float = Field(
        default=0.2, ge=0, le=1, description="largest change of the saturation factor from 1"
    )
    hue: float = Field(
        default=0.0, ge=0, le=0.5, description="largest rotation of the hue in turns (360 degrees)"
    )


class AugmentAudioRecipe(Section):
    """Augmentation of the stored sound, off by default; each sample draws its own."""

    mixup: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability that a sample is mixed with another one: sound, embedding of the "
        "image and label in the same shares",
    )
    mixup_alpha: float = Field(
        default=0.3,
        gt=0,
        le=100,
        description="parameter of the Beta distribution of the shares of mixup; small: one of the "
        "two samples prevails",
    )
    mask: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="largest share of the bands, side by side, that are replaced by their mean "
        "over the training clips",
    )
    gain_db: float = Field(
        default=0.0, ge=0, le=60, description="largest change of the level in dB, up or down"
    )
    swap: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability that the polarity of one ear is reversed, which exchanges the "
        "average and the difference of the two",
    )
    mixstyle: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability that a sample takes over a part of another clip's mean and "
        "standard deviation in each band (Freq-MixStyle)",
    )
    mixstyle_alpha: float = Field(
        default=0.3,
        gt=0,
        le=100,
        description="parameter of the Beta distribution of the shares of mixstyle",
    )

    @property
    def is_on(self) -> bool:
        """Whether it changes any sound."""
        return max(self.mixup, self.mask, self.gain_db, self.swap, self.mixstyle) > 0

    def __str__(self) -> str:
        """The keys that are on, ``mixup 1, gain_db 6``."""
        on = {k: v for k, v in self.model_dump().items() if v and not k.endswith("_alpha")}
        return ", ".join(f"{key} {value:g}" for key, value in on.items())
