"""Paths of recipes and manifests, in a checkout and in an installed package."""

from pathlib import Path


def resource(name: str) -> Path:
    """The path of ``pipelines/...`` or ``data_manifests/...``.

    An installed wheel carries both folders inside the package; a checkout (or an editable
    install) has them beside it.
    """
    package = Path(__file__).parent
    installed = package / "_resources" / name
    return installed if installed.exists() else package.parent / name
