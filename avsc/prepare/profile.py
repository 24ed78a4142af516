"""Cluster profiles: small TOML files that say where ``avsc prepare`` works."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from avsc.errors import AvscError


class _Profile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    idle_limit_s: float = Field(default=1800.0, gt=0)  # without any clip that ends: then give up


class LocalProfile(_Profile):
    """Worker processes of this machine."""

    kind: Literal["local"]
    workers: int = Field(ge=1)


class AddressProfile(_Profile):
    """A scheduler that runs already; its workers see the data set and the store."""

    kind: Literal["address"]
    address: str
    timeout_s: float = Field(default=30.0, gt=0)  # for the scheduler to answer


class SlurmProfile(_Profile):
    """Jobs that dask-jobqueue submits; each runs a worker a core."""

    kind: Literal["slurm"]
    jobs: int = Field(ge=1)
    cores: int = Field(ge=1)  # a job
    memory: str  # a job
    walltime: str
    queue: str | None = None
    account: str | None = None
    interface: str | None = None  # network interface, where the default is not the fast one
    log_directory: str | None = None
    directives: tuple[str, ...] = ()  # further #SBATCH lines, without the #SBATCH
    prologue: tuple[str, ...] = ()  # shell lines before the worker starts


Profile = Annotated[LocalProfile | AddressProfile | SlurmProfile, Field(discriminator="kind")]


def read_profile(path: Path) -> LocalProfile | AddressProfile | SlurmProfile:
    """Reads a cluster profile.

    Raises:
        AvscError: It cannot be read, is not TOML, or a key or value is not a profile's.
    """
    examples = "compare with pipelines/clusters/*.toml"
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        adapter: TypeAdapter[LocalProfile | AddressProfile | SlurmProfile] = TypeAdapter(Profile)
        # Through JSON's rules, in which a list may stand for a tuple and no text for a number.
        return adapter.validate_python(_with_tuples(tree))
    except OSError as error:
        raise AvscError(f"cannot read {path}: {error.strerror}", "a TOML file", examples) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AvscError(f"{path} is not TOML: {error}", "key = value", examples) from None
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise AvscError(
            f"{path} is no cluster profile: {'; '.join(faults)}",
            'kind = "local", "address" or "slurm" with its keys',
            examples,
        ) from None


def _with_tuples(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in tree.items()}
