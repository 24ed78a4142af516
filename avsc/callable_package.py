"""Packages that can be called: ``avsc.train(...)`` though ``avsc.train`` is a folder of modules."""

import importlib
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """A package that stands for the function of its name.

    Python binds a package's name to the package whenever one of its modules is imported, so the
    function itself could not keep that name.
    """

    _home: str

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        """The function's documentation."""
        return self.function.__doc__

    @property
    def function(self) -> Callable[..., Any]:
        """The function, imported on first use."""
        found: Callable[..., Any] = getattr(
            importlib.import_module(self._home), self.__name__.rpartition(".")[2]
        )
        return found

    def __call__(self, *arguments: object, **named: object) -> object:
        """Calls the function."""
        return self.function(*arguments, **named)

    @property
    def __signature__(self) -> inspect.Signature:
        """The function's parameters, for ``help`` and editors."""
        return inspect.signature(self.function)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        """Pickles by name, so that the function can be sent to other processes."""
        return importlib.import_module, (self.__name__,)


def make_callable(package: str, home: str) -> None:
    """Makes a package callable.

    Args:
        package: Name of the package, whose last part is that of the function.
        home: Name of the module that defines the function.
    """
    module = sys.modules[package]
    module.__class__ = CallablePackage
    module._home = home  # type: ignore[attr-defined]
