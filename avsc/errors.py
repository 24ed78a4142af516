"""The errors a person is meant to read: what was got, what was expected, what to do."""


class AvscError(Exception):
    """Work that failed for a reason the user can act on; the command line prints it and exits 1.

    Args:
        got: Description of what was found, with its path, row or key.
        expected: Description of what should have been there instead.
        remedy: Advice on what the user can do now.
    """

    def __init__(self, got: str, expected: str = "", remedy: str = "") -> None:
        super().__init__(got, expected, remedy)
        self.got = got
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.got]
        if self.expected:
            lines.append(f"expected: {self.expected}")
        if self.remedy:
            lines.append(f"what to do: {self.remedy}")
        return "\n".join(lines)

    def one_line(self) -> str:
        """The message in one line, for a list or a table."""
        return self.got + (f" (expected {self.expected})" if self.expected else "")


class BadClipError(AvscError):
    """One clip's sound or picture cannot be used: it is quarantined and the others go on."""
