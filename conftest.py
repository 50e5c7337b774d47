"""Settings of the whole test run: checked array shapes, and no network."""

import base64
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

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


class HubStandIn:
    """A local stand-in of the Hugging Face hub: what its client asks of it, for repositories in memory."""

    def __init__(self) -> None:
        self.repositories: dict[str, list[dict[str, bytes]]] = {}
        """The files after each commit, by repository."""

        self.private: set[str] = set()
        self.gated: set[str] = set()
        self.tags: dict[tuple[str, str], int] = {}
        """Number of the commit, by repository and tag."""

        self.stored: dict[str, bytes] = {}
        """Large files by their SHA-256."""

        self.asked: list[str] = []
        """Method and path of each request."""

    def add(self, repository: str, **files: bytes) -> str:
        """Commit files, ``_`` in whose names stands for a dot, and return the commit."""
        named = {name.replace("_", ".", 1): data for name, data in files.items()}
        commits = self.repositories.setdefault(repository, [])
        commits.append({**(commits[-1] if commits else {}), **named})
        return self.commit(repository, len(commits) - 1)

    @staticmethod
    def commit(repository: str, number: int) -> str:
        """Return the name of a commit."""
        return sha1(f"{repository} {number}".encode(), usedforsecurity=False).hexdigest()

    def found(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Return the commit that a revision stands for, and its files."""
        commits = self.repositories[repository]
        names = [self.commit(repository, number) for number in range(len(commits))]
        number = self.tags.get((repository, revision), len(names) - 1 if revision == "main" else -1)
        number = names.index(revision) if revision in names else number
        return None if number < 0 else (names[number], commits[number])


def _hub_handler(hub: HubStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            pass

        def answer(self, status: int, body: Any = b"", **headers: str) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def refuse(self, status: int, code: str, words: str) -> None:
            self.answer(status, {"error": words}, X_Error_Code=code, X_Error_Message=words)

        def body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                data = b""
                while size := int(self.rfile.readline(), 16):
                    data += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return data
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def at(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
            """Return a commit and its files, or refuse."""
            logged_in = "Authorization" in self.headers
            if repository not in hub.repositories or (repository in hub.private and not logged_in):
                self.refuse(404, "RepoNotFound", "Repository not found")
            elif repository in hub.gated:
                self.refuse(403, "GatedRepo", "Access to this model is restricted")
            elif (found := hub.found(repository, unquote(revision))) is None:
                self.refuse(404, "RevisionNotFound", "Invalid rev id")
            else:
                return found
            return None

        def do_GET(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            path = self.path.partition("?")[0]
            if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
                repository, revision = match[1], match[2] or "main"
                if found := self.at(repository, revision):
                    commit, files = found
                    siblings = [{"rfilename": name} for name in files]
                    private = repository in hub.private
                    self.answer(
                        200,
                        {
                            "id": repository,
                            "sha": commit,
                            "private": private,
                            "siblings": siblings,
                            "tags": [],
                        },
                    )
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
                if found := self.at(match[1], match[2]):
                    entries = [
                        {"type": "file", "path": name, "size": len(data), "oid": _blob(data)}
                        for name, data in found[1].items()
                    ]
                    self.answer(200, entries)
            elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                if found := self.at(match[1], match[2]):
                    commit, files = found
                    if match[3] not in files:
                        self.refuse(404, "EntryNotFound", "Entry not found")
                        return
                    data = files[match[3]]
                    if match[3].endswith(".safetensors"):
                        oid = sha256(data).hexdigest()
                        hub.stored[oid] = data
                        # Large files lie on another host, to which the client's token is not sent.
                        place = f"http://localhost:{self.headers['Host'].rpartition(':')[2]}/stored/{oid}"
                        size = str(len(data))
                        about = {"X-Linked-ETag": f'"{oid}"', "X-Linked-Size": size, "X-Repo-Commit": commit}
                        self.answer(302, Location=place, **about)
                    else:
                        self.answer(200, data, ETag=f'"{_blob(data)}"', X_Repo_Commit=commit)
            elif path.startswith("/stored/"):
                self.answer(200, hub.stored[path.removeprefix("/stored/")])
            else:
                self.answer(404, {"error": path})

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            hub.asked.append(f"POST {self.path}")
            body, path = self.body(), self.path.partition("?")[0]
            if "Authorization" not in self.headers:
                self.answer(401, {"error": "Invalid username or password."})
            elif path == "/api/validate-yaml":
                self.answer(200, {"errors": [], "warnings": []})
            elif path == "/api/repos/create":
                given = json.loads(body)
                repository = f"{given['organization']}/{given['name']}"
                if given["organization"] == "others":
                    self.refuse(403, "", "You don't have the rights to create a model under this namespace")
                    return
                hub.add(repository, _gitattributes=b"")
                if given.get("private") or given.get("visibility") == "private":
                    hub.private.add(repository)
                self.answer(200, {"url": f"http://{self.headers['Host']}/{repository}"})
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
                asked = json.loads(body)["files"]
                answers = [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                        "shouldIgnore": False,
                    }
                    for file in asked
                ]
                self.answer(200, {"files": answers})
            elif re.fullmatch(r"/[^/]+/[^/]+\.git/info/lfs/objects/batch", path):
                objects = json.loads(body)["objects"]
                upload = f"http://{self.headers['Host']}/stored/"
                for each in objects:
                    each["actions"] = {"upload": {"href": upload + each["oid"]}}
                self.answer(200, {"transfer": "basic", "objects": objects})
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
                files: dict[str, bytes] = {}
                for line in body.decode().splitlines():
                    item = json.loads(line)
                    value = item["value"]
                    if item["key"] == "file":
                        files[value["path"]] = base64.b64decode(value["content"])
                    elif item["key"] == "lfsFile":
                        files[value["path"]] = hub.stored[value["oid"]]
                commits = hub.repositories[match[1]]
                commits.append(commits[-1] | files)
                oid = hub.commit(match[1], len(commits) - 1)
                self.answer(
                    200,
                    {"commitUrl": f"http://{self.headers['Host']}/{match[1]}/commit/{oid}", "commitOid": oid},
                )
            else:
                self.answer(404, {"error": path})

        def do_PUT(self) -> None:
            hub.asked.append(f"PUT {self.path}")
            data = self.body()
            assert self.path == f"/stored/{sha256(data).hexdigest()}"
            hub.stored[sha256(data).hexdigest()] = data
            self.answer(200)

    return Handler


def _blob(data: bytes) -> str:
    """Return git's name of a file's content."""
    return sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A stand-in of the hub on the loopback address, which its client asks, with an empty cache."""
    constants: Any = pytest.importorskip("huggingface_hub.constants")
    stand_in = HubStandIn()
    with ThreadingHTTPServer(("127.0.0.1", 0), _hub_handler(stand_in)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        at = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", at)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", at + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_of_the_tests")
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "20")
        yield stand_in
        server.shutdown()
        thread.join()
