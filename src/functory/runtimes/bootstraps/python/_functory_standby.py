"""A Python process that is started before its function is known: what it does while it waits, and how it hides it.

It imports the client and the AWS SDK ahead, waits for its orders on an inherited socket, and takes on the function's
environment. A function must not be able to tell: what was imported ahead is taken out of ``sys.modules`` again and comes
back module by module when it is imported, and only as long as nothing on the function's path bears the name of anything
that module needs. So the function's own copies always win, also those of a folder that it adds to ``sys.path`` later.

Restored with a module is exactly what its import would have loaded (recorded while importing ahead), with the warning
filters and import hooks it would have added. Runs on every supported Python.
"""

# ruff: noqa: PTH208  (pathlib is slow to import)

from __future__ import annotations

import builtins
import importlib
import json
import logging
import os
import sys
import time

TYPE_CHECKING = False  # the module typing is slow to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_AT_ONCE = ("random", "importlib.util", "warnings", "runtime_client")
_IN_CALM = ("boto3",)
_CALM_S = 0.5
"""Whoever waits so long has time to load what not every function needs."""
_OF_THE_PROCESS = ("encodings", "__main__")
_CHUNK = 65_536
_Spec: Any = type(sys.__spec__)  # importlib.machinery is not loaded in every process
_LOG_SETTINGS = {"AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL"}


def wait(channel: int, before: set[str]) -> dict[str, Any]:
    """Import ahead and say that this process waits; the orders, when they come, with all hidden but what was ``before``."""
    stash = Stash()
    stash.load(_AT_ONCE)
    os.write(channel, b"1")
    import select

    if not select.select([channel], [], [], _CALM_S)[0]:
        stash.load(_IN_CALM)
    stash.hide(before)
    return receive(channel)


def receive(channel: int) -> dict[str, Any]:
    """The orders. Ends the process when the node is gone."""
    pieces = []
    while True:
        piece = os.read(channel, _CHUNK)
        if not piece:
            break
        pieces.append(piece)
    os.close(channel)
    if not pieces:
        os._exit(0)
    orders: dict[str, Any] = json.loads(b"".join(pieces))
    return orders


def become(orders: Mapping[str, Any]) -> None:
    """Take on the function's environment as if the process had been started with it."""
    for name in orders["started_with"]:  # what the OCI runtime, the shell and Python have added stays
        os.environ.pop(name, None)
    for name, value in orders["env"].items():
        os.environ[name] = value
    time.tzset()
    os.chdir(orders["cwd"])
    if _LOG_SETTINGS.intersection(orders["env"]):  # the client reads them when it is imported
        package: Any = sys.modules["awslambdaric"]
        del sys.modules["awslambdaric.bootstrap"]
        importlib.import_module("awslambdaric.bootstrap")
        main: Any = sys.modules["awslambdaric.__main__"]
        main.bootstrap = package.bootstrap


class Stash:
    """What was imported ahead; put on ``sys.meta_path`` it gives modules back."""

    def __init__(self) -> None:
        self._modules: dict[str, ModuleType] = {}
        self._needs: dict[str, set[str]] = {}
        self._filters: list[tuple[Any, bool]] = []
        self._finders: list[Any] = []
        self._importers: dict[str, Any] = {}
        self._given: dict[str, ModuleType] = {}
        self._known_path = frozenset(sys.path)
        self._names: set[str] = set()
        self._root = ""
        warnings: Any = sys.modules["warnings"]
        self._old_filters = list(warnings.filters)
        self._old_finders = list(sys.meta_path)
        self._old_folders = set(sys.path_importer_cache)

    def load(self, names: Sequence[str]) -> None:
        """Import ``names`` and whatever they import."""
        self._root = names[-1]
        true_import = builtins.__import__
        builtins.__import__ = self._recording(true_import)
        try:
            for name in names:
                try:
                    importlib.import_module(name)
                except ImportError:  # not part of this runtime
                    continue
        finally:
            builtins.__import__ = true_import

    def hide(self, before: set[str]) -> None:
        """Hide all that was imported but what was there ``before``; give it back from now on."""
        warnings: Any = sys.modules["warnings"]
        filters, finders = self._old_filters, self._old_finders
        for name in list(sys.modules):
            if name not in before and name.partition(".")[0] not in _OF_THE_PROCESS:
                self._modules[name] = sys.modules.pop(name)
        self._modules.pop(__name__, None)
        self._adopt_orphans(self._root)
        self._names = set(self._modules)
        old = [place for place, each in enumerate(warnings.filters) if each in filters]
        self._filters = [
            (each, bool(old) and place > old[0]) for place, each in enumerate(warnings.filters) if each not in filters
        ]
        warnings.resetwarnings()  # the way to make it forget what it knows of them
        warnings.filters.extend(filters)
        for folder in set(sys.path_importer_cache) - self._old_folders:
            self._importers[folder] = sys.path_importer_cache.pop(folder)
        self._finders = [each for each in sys.meta_path if each not in finders]
        sys.meta_path[:] = [*finders]
        sys.meta_path.insert(0, self)

    def _recording(self, true_import: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
        def recorded(
            name: str,
            globals: Mapping[str, Any] | None = None,  # noqa: A002  called by these names, too
            locals: Mapping[str, Any] | None = None,  # noqa: A002
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> ModuleType:
            result = true_import(name, globals, locals, fromlist, level)
            importer = (globals or {}).get("__name__")
            if (
                globals and importer and not importer.startswith("importlib._bootstrap")
            ):  # that is native code, seen by nobody
                full = _absolute(name, globals.get("__package__") or importer, level)
                needs = self._needs.setdefault(importer, set())
                parts = full.split(".")
                needs.update(".".join(parts[: end + 1]) for end in range(len(parts)))
                needs.update(f"{full}.{item}" for item in fromlist or ())
            return result

        return recorded

    def _adopt_orphans(self, root: str) -> None:
        """Modules that nobody was seen to import belong to their package, or to the last name that was imported."""
        self._needs.setdefault("multiprocessing.process", set()).add("__mp_main__")
        needed = {name for names in self._needs.values() for name in names}
        for name in self._modules:
            if name not in needed and name != root:
                self._needs.setdefault(name.rpartition(".")[0] or root, set()).add(name)

    # -- the import system's finder

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The spec of a module that is still here, can be given back and was not replaced by the function."""
        if name not in self._modules:
            return None
        wanted = self._wanted_with(name)
        if not self._is_ours(wanted):
            for each in [each for each in self._modules if name in self._wanted_with(each)]:
                del self._modules[each]
            return None
        module = self._modules[name]
        true_spec = getattr(module, "__spec__", None)
        loader = _Loader(self, module, true_spec, wanted)
        spec = _Spec(name, loader, origin=getattr(true_spec, "origin", None))
        spec.submodule_search_locations = getattr(true_spec, "submodule_search_locations", None)
        spec.cached, spec.has_location = getattr(true_spec, "cached", None), getattr(true_spec, "has_location", False)
        return spec  # type: ignore[no-any-return]

    def _wanted_with(self, name: str) -> set[str]:
        """``name`` and everything of ours that its import would load."""
        found: set[str] = set()
        left = [name]
        while left:
            each = left.pop()
            if each in self._names and each not in found:
                found.add(each)
                left.extend(self._needs.get(each, ()))
                parent = each.rpartition(".")[0]
                if parent:
                    left.append(parent)
        return found

    def _is_ours(self, names: Iterable[str]) -> bool:
        """Whether each of them is what the import system would find, or what it gave before."""
        for name in names:
            ours = self._modules.get(name)
            if ours is None and (name not in self._given or sys.modules.get(name) is not self._given[name]):
                return False  # dropped, or replaced by the function
            if ours is not None and sys.modules.get(name, ours) is not ours:
                return False
        return not self._shadows().intersection(name.partition(".")[0] for name in names)

    def _shadows(self) -> set[str]:
        """First parts of what lies on the path before the folders that were searched when importing ahead."""
        shadows: set[str] = set()
        last = max((place for place, entry in enumerate(sys.path) if entry in self._known_path), default=-1)
        if not self._known_path.issubset(sys.path):
            return self._top_names()
        for entry in sys.path[: last + 1]:
            if entry in self._known_path:
                continue
            try:
                shadows.update(file.partition(".")[0] for file in os.listdir(entry or "."))
            except FileNotFoundError:
                continue
            except OSError:  # an archive, or nothing that can be listed
                return self._top_names()
        return shadows

    def _top_names(self) -> set[str]:
        return {name.partition(".")[0] for name in self._names}

    def restore(self, names: Iterable[str]) -> None:
        """Give modules back, with what their import does beside."""
        given = [name for name in names if name in self._modules]
        warnings: Any = sys.modules["warnings"]
        for name in given:
            module: Any = self._modules.pop(name)
            self._given[name] = module
            sys.modules.setdefault(name, module)
            for folder in getattr(module, "__path__", ()):
                if folder in self._importers:
                    sys.path_importer_cache.setdefault(folder, self._importers.pop(folder))
            logger = logging.root.manager.loggerDict.get(name)
            if isinstance(logger, logging.Logger):
                logger.disabled = False  # a configuration made before would not have met it
            if name == "random":
                module.seed()
        for each in [each for each in self._filters if _home(each[0][2]) in given]:
            self._filters.remove(each)
            (action, _, category, _, line), is_last = each
            warnings.simplefilter(action, category, line, is_last)
        for each in [each for each in self._finders if _home(type(each)) in given or _home(each) in given]:
            self._finders.remove(each)
            sys.meta_path.append(each)
        if not self._modules and self in sys.meta_path:
            sys.meta_path.remove(self)


def _absolute(name: str, package: str, level: int) -> str:
    """What a relative import names."""
    if not level:
        return name
    base = package.rsplit(".", level - 1)[0] if level > 1 else package
    return f"{base}.{name}" if name else base


def _home(thing: object) -> str | None:
    return getattr(thing, "__module__", None)


class _Loader:
    """Loads a module by giving it back; everything else is asked of its true loader."""

    def __init__(self, stash: Stash, module: ModuleType, true_spec: ModuleSpec | None, wanted: set[str]) -> None:
        self._stash = stash
        self._module = module
        self._true_spec = true_spec
        self._wanted = wanted

    def __getattr__(self, name: str) -> object:
        return getattr(getattr(self._true_spec, "loader", None), name)

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002
        """The module that was loaded ahead."""
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is executed again."""
        module.__spec__ = self._true_spec
        self._stash.restore(self._wanted)
