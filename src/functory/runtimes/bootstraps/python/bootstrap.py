"""Runs the official Python client (``awslambdaric``) on the function named by ``_HANDLER``.

Started with ``-S``, because the interpreter's own ``site-packages`` are the machine owner's, not Lambda's: they must be
neither importable nor run their ``.pth`` files. What else ``site`` gives (``exit``, ``help``, ``sitecustomize``) is kept.

The client is imported before the function's folders are on the path, so that a function cannot replace it by accident;
everything else is found in AWS's order: code, layers, runtime (SDK), standard library. Runs on every supported Python.
"""

# ruff: noqa: PTH112, PTH118  (pathlib is slow to import, and this runs at every cold start)

import os
import site
import sys


def _finish_site() -> None:
    """Do what ``-S`` left out, except adding ``site-packages``."""
    site.ENABLE_USER_SITE = False
    site.setquit()
    site.setcopyright()
    site.sethelper()
    site.execsitecustomize()


def _open_path(task: str, runtime: str, layers: str) -> None:
    """Put code and layers before the runtime on ``sys.path`` and honour their ``.pth`` files.

    AWS: a ``PYTHONPATH`` of the function's own takes the place of the layers.
    """
    if "PYTHONPATH" in os.environ:
        folders = [task]
    else:
        version = "python{}.{}".format(*sys.version_info[:2])
        folders = [task, os.path.join(layers, "python/lib", version, "site-packages"), os.path.join(layers, "python")]
        os.environ["PYTHONPATH"] = runtime
    sys.path[:0] = folders
    known = {site.makepath(folder)[1] for folder in folders}
    for folder in folders:
        if os.path.isdir(folder):
            site.addsitedir(folder, known)


def _wait(channel: int) -> None:
    """Standby: import ahead, and go on when the function is known and its environment is ours."""
    before = set(sys.modules)
    import _functory_standby

    _functory_standby.become(_functory_standby.wait(channel, before))


def _prepare_for_snapshot() -> None:
    import _functory_snapshot
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    _functory_snapshot.install(LambdaRuntimeClient)


def _main() -> None:
    runtime = os.environ["LAMBDA_RUNTIME_DIR"]
    task = os.environ["LAMBDA_TASK_ROOT"]
    layers = os.environ.pop("_FUNCTORY_LAYERS", "/opt")
    channel = os.environ.pop("_FUNCTORY_STANDBY_FD", None)
    if runtime not in sys.path:  # PYTHONSAFEPATH of the function
        sys.path.insert(0, runtime)
    _finish_site()
    from awslambdaric.__main__ import main

    if channel is not None:
        _wait(int(channel))
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        _prepare_for_snapshot()
    _open_path(task, runtime, layers)
    main([os.path.join(runtime, "bootstrap"), os.environ["_HANDLER"]])


if __name__ == "__main__":
    _main()
