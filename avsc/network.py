"""Whether a server can be reached at all, found out before anything is retried for minutes."""

import urllib.error
import urllib.request
from urllib.parse import urlsplit

PATIENCE_S = 8.0


def silence_of(url: str, timeout_s: float = PATIENCE_S) -> str:
    """Why a server cannot be reached; empty if it answers, whatever it says.

    Args:
        url: An http or https address.
        timeout_s: Seconds to wait for an answer.
    """
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "avsc"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):  # noqa: S310
            return ""
    except urllib.error.HTTPError:
        return ""  # it answers
    except OSError as error:
        reason = getattr(error, "reason", error)
        return f"{urlsplit(url).netloc} cannot be reached: {reason}"
