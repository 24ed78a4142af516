"""A share of some work, as a job array names it: part I of N. Pure."""

import re
from dataclasses import dataclass

from avsc.errors import AvscError


@dataclass(frozen=True)
class Part:
    """Share ``index`` (from 1) of ``count`` of a job array."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Reads ``I/N``.

        >>> Part.parse("3/16")
        Part(index=3, count=16)

        Raises:
            AvscError: It is not two whole numbers with 1 <= I <= N.
        """
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        part = cls(int(match[1]), int(match[2])) if match else cls(0, 0)
        if not 1 <= part.index <= part.count:
            raise AvscError(
                f"--part {text}",
                "I/N, the share's number from 1 and how many there are, such as 3/16",
                "in a SLURM array: --part $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT",
            )
        return part

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
