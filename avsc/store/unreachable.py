"""What is said of a remote store that does not answer or refuses; pure."""

from avsc.errors import AvscError


class UnreachableStoreError(AvscError):
    """A remote place does not answer or refuses; the store's files are what they were."""


def unreachable(place: str, doing: str, error: Exception) -> UnreachableStoreError:
    """The error for a remote place that fails; its advice depends on how.

    Args:
        place: Address of the store.
        doing: What was tried: ``read``, ``list``, ``write`` or ``remove``.
        error: What the library raised.
    """
    expected, remedy = _advice(error)
    what = f"{type(error).__name__}: {first_line(error)}"
    return UnreachableStoreError(f"cannot {doing} {place}: {what}", expected, remedy)


def _advice(error: Exception) -> tuple[str, str]:
    kind = type(error).__name__
    if isinstance(error, ImportError):
        return "the Python package for such addresses", f"install it ({first_line(error)})"
    if isinstance(error, PermissionError) or "Credential" in kind or "Token" in kind:
        return (
            "credentials that may do that",
            "give them as the storage's own tools take them (for S3: AWS_PROFILE, or"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) and run the same command again",
        )
    if isinstance(error, NotImplementedError):
        return "a place that can be written to", "name a folder or a bucket"
    if isinstance(error, ValueError):
        return "an address such as s3://bucket/x.zarr", "correct the address"
    return (
        "a server that answers",
        "check the network and the server's address (for S3: AWS_ENDPOINT_URL), then run the same"
        " command again; what is there is kept, and nothing is damaged by this",
    )


def first_line(error: Exception) -> str:
    """What a library says, without the rest of its text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
