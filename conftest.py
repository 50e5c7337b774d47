"""Settings of the whole test run: checked array shapes, and no network."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import jaxtyping
import numpy as np
import pytest
from jaxtyping import install_import_hook

# Shapes and types in signatures are enforced from the first import on. The call's own numeric tower
# lets an int stand where a float is asked for, as Python does.
install_import_hook(
    ["mtneuro_data", "mtneuro_ssl", "mtneuro_seg", "mtneuro_probe", "mtneuro_suite"],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)

# Tests run side by side, a process a core: more threads would only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    for library in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# No test fails for its time alone: how long an example takes is the machine's.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

# A job in a shell's background ignores interrupts, and so would the programs that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# pytest-socket guards this process; its children inherit these.
os.environ.update(
    dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    NO_PROXY="127.0.0.1,localhost,::1",
    HF_HUB_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    MPLBACKEND="agg",
    LIGHTLY_DID_VERSION_CHECK="True",
)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Let Ctrl-C raise ``KeyboardInterrupt`` again after a command that was interrupted in this process."""
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Switch the shape checks off, to reach an entry point's own refusal of bad input."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """Puts ``planted.nets:make`` into the current folder, and tells whether it was imported or called."""
    package = tmp_path / "here" / "planted"
    package.mkdir(parents=True)
    ran = package / "ran"
    for name in ("__init__", "nets"):
        (package / f"{name}.py").write_text(
            f"open({str(ran)!r}, 'w').close()\ndef make(**_): raise TypeError\n"
        )
    monkeypatch.chdir(package.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield ran.exists
    for name in ("planted", "planted.nets"):
        sys.modules.pop(name, None)


@pytest.fixture
def certificates(tmp_path: Path) -> Callable[[str], Path]:
    """Makes folders of certificates, none of which is good for another's."""
    distributed: Any = pytest.importorskip("distributed", reason="certificates are those of Dask")
    pytest.importorskip("cryptography", reason="certificates are made with it")

    def made(name: str) -> Path:
        security, folder = distributed.Security.temporary(), tmp_path / name
        folder.mkdir()
        (folder / "ca.pem").write_text(security.tls_ca_file)
        (folder / "cert.pem").write_text(security.tls_client_cert)
        (folder / "key.pem").touch(mode=0o600)
        (folder / "key.pem").write_text(security.tls_client_key)
        return folder

    return made


@pytest.fixture(scope="session")
def array_forms() -> Callable[..., dict[str, np.ndarray]]:
    """Returns the same numbers as arrays of other memory: layouts, byte orders, and the types named."""

    def forms(array: np.ndarray, *kinds: str) -> dict[str, np.ndarray]:
        locked = array.copy()
        locked.flags.writeable = False
        around = tuple(slice(None, None, -1) for _ in array.shape)
        found = {
            "read-only": locked,
            "strided": np.repeat(array, 2, axis=-1)[..., ::2],
            "mirrored": np.ascontiguousarray(array[around])[around],
            "Fortran-ordered": np.asfortranarray(array),
        }
        if array.dtype.itemsize > 1:
            found["big-endian"] = array.astype(array.dtype.newbyteorder(">"))
        return found | {kind: array.astype(kind) for kind in kinds}

    return forms


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real slices, labels and cutouts, or a skip where it is absent."""
    root = Path(os.environ.get("MTNEURO_REAL_DATA", Path(__file__).parent.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"real data not found at {root}; set MTNEURO_REAL_DATA to its folder")
    return root
