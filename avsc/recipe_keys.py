"""What a recipe's keys are called, which values they take and what they mean, as text; pure.

All of it is read from the models of ``avsc.recipe``: ``avsc recipe`` prints it, and the messages
about wrong keys and values are made of it.
"""

import difflib
import json
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import tomli_w
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from avsc.errors import AvscError

UNSET = "unset"  # stands for no value where TOML has no null
WIDTH = 80
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_BOUNDS = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}


def sections(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The models of a recipe's sections, by name."""
    found = {}
    for name, field in model.model_fields.items():
        assert isinstance(field.annotation, type)
        assert issubclass(field.annotation, BaseModel)
        found[name] = field.annotation
    return found


def keys(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Every key as ``section.name``, with its field."""
    for section, part in sections(model).items():
        for name, field in part.model_fields.items():
            yield f"{section}.{name}", field


def is_optional(field: FieldInfo) -> bool:
    """Whether a key may have no value."""
    return NoneType in get_args(field.annotation)


def values(field: FieldInfo) -> str:
    """The values that a key takes.

    >>> from avsc.recipe_sections import TrainRecipe
    >>> [values(TrainRecipe.model_fields[name]) for name in ("epochs", "threads", "val_split")]
    ['a whole number of at least 1', 'a whole number of at least 1, or unset', 'location or clip']
    """
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    kind = field.annotation
    if is_optional(field):
        (kind,) = kinds
    if get_origin(kind) is tuple:
        text = "a list of texts"
    elif get_origin(kind) is Literal:
        *some, last = map(str, get_args(kind))
        text = f"{', '.join(some)} or {last}"
    else:
        text = " ".join([_KINDS[kind], *_bounds(field)])  # type: ignore[index]
    return f"{text}, or {UNSET}" if is_optional(field) else text


def _bounds(field: FieldInfo) -> list[str]:
    found = [
        f"{words} {getattr(one, name)}"
        for one in field.metadata
        for name, words in _BOUNDS.items()
        if getattr(one, name, None) is not None
    ]
    return [" and ".join(found)] if found else []


def not_valid(model: type[BaseModel], where: str, error: ValidationError) -> AvscError:
    """The error that names all faults that pydantic found in a recipe, and where it came from."""
    faults = [_described(model, fault) for fault in error.errors()]
    return AvscError(
        f"the recipe from {where} is not valid: " + "; ".join(faults),
        "the keys and values of a recipe",
        "correct them; `avsc recipe` prints every key with its values and its meaning",
    )


def _described(model: type[BaseModel], fault: ErrorDetails) -> str:
    """One fault that pydantic found in a recipe, in our words."""
    where = fault["loc"]
    key = ".".join(map(str, where))
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    known = dict(keys(model))
    if key in known:
        return f"{key} is {_shown(fault['input'])}; it takes {values(known[key])}"
    if key in sections(model):
        return f"{key} is {_shown(fault['input'])}; it is a section, [{key}] in TOML"
    return f"there is no key {key}{did_you_mean(model, key)}"


def did_you_mean(model: type[BaseModel], key: str) -> str:
    """The keys or sections that an unknown one may stand for, as the end of a sentence."""
    section, _, name = key.rpartition(".")
    known = [other for other, _ in keys(model)]
    here = [other for other in known if other.startswith(f"{section}.")] if section else []
    close = [other for other in known if other.partition(".")[2] == name]
    for options in (here, [] if section else list(sections(model)), known):
        names = {other.rpartition(".")[2]: other for other in options}
        close = close or [names[n] for n in difflib.get_close_matches(name, names, n=2, cutoff=0.7)]
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def full_key(model: type[BaseModel], key: str) -> list[str]:
    """The keys that a name without its section stands for; the key itself if it has one."""
    return [key] if "." in key else [k for k, _ in keys(model) if k.partition(".")[2] == key]


def apply(model: type[BaseModel], tree: dict[str, Any], setting: str) -> None:
    """Puts one setting into a recipe's tree.

    Args:
        model: Model of the recipe.
        tree: Sections, keys and values; changed.
        setting: Text ``section.key=value``, or ``key=value`` where one section alone has the key.

    Raises:
        AvscError: It is no setting, or its key is not one of a recipe.
    """
    key, equals, text = (part.strip() for part in setting.partition("="))
    if not (equals and key):
        raise AvscError(f"--set {setting}", "KEY=VALUE", "for example --set train.epochs=20")
    meant = full_key(model, key)
    if not meant:
        raise AvscError(
            f"--set {setting}: there is no key {key}{did_you_mean(model, key)}",
            "a key of a recipe",
            "`avsc recipe` prints every key with its values and its meaning",
        )
    if len(meant) > 1:
        raise AvscError(
            f"--set {setting}: several sections have a key {key}",
            " or ".join(meant),
            "write the section too",
        )
    section, _, name = meant[0].partition(".")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string: shells eat quotes
    known = tree.setdefault(section, {})
    if not isinstance(known, dict):
        raise AvscError(f"{section} = {known!r} in the recipe", f"a section [{section}]")
    known[name] = value


def explained(recipe: BaseModel, default: BaseModel) -> str:
    """A recipe as TOML with every key, its values and a line of meaning as comments.

    Args:
        recipe: Recipe to write.
        default: Default recipe, whose values are named where the recipe's are others.
    """
    lines: list[str] = []
    for section, part in sections(type(recipe)).items():
        mine, usual = getattr(recipe, section), getattr(default, section)
        lines += ["", *_comment(f"{(part.__doc__ or '').splitlines()[0]}"), f"[{section}]"]
        for name, field in part.model_fields.items():
            value, other = getattr(mine, name), getattr(usual, name)
            meaning = field.description or ""
            text = f"{meaning[:1].upper()}{meaning[1:]}. Takes {values(field)}."
            if value != other:
                text += f" Default: {toml_value(other)}."
            lines += ["", *_comment(text), f"{name} = {toml_value(value)}"]
    return "\n".join(lines[1:]) + "\n"


def to_toml(recipe: BaseModel) -> str:
    """The resolved recipe as TOML that ``avsc.recipe.load`` reads back to an equal one.

    It has every key; TOML has no null, so a key without a value is ``"unset"``.
    """
    tree = recipe.model_dump()
    return tomli_w.dumps(
        {
            section: {k: UNSET if v is None else v for k, v in values.items()}
            for section, values in tree.items()
        }
    )


def toml_value(value: object) -> str:
    """A key's value in TOML; no value is ``"unset"``."""
    return json.dumps(UNSET if value is None else value, ensure_ascii=False)


def without_unset(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """A section's keys, with no value where an optional one is ``"unset"``."""
    optional = {name for name, field in model.model_fields.items() if is_optional(field)}
    return {k: None if k in optional and v == UNSET else v for k, v in given.items()}


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shown(value: object) -> str:
    return repr(value) if len(repr(value)) <= WIDTH else f"{repr(value)[:WIDTH]}..."
