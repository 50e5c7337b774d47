import json
import multiprocessing
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import Cache, open_volume
from mtneuro_data.box import Box
from mtneuro_data.serving import Faults
from mtneuro_data.serving.faults import Fault
from mtneuro_data.sources import locate
from mtneuro_data.sources.base import Location
from mtneuro_data.sources.precomputed import opened
from mtneuro_data.sources.stores import Store, StoredSource

BOX = np.s_[3:40, 10:69, 31:90]


def source(web: Any, name: str = "raw8", **settings: Any) -> StoredSource:
    """Open a volume whose requests are repeated at once."""
    address = f"http://{web.host}/{name}"
    return opened(Store(f"precomputed://{address}", address, first_pause_s=0.01, **settings), None)


class Scripted(Faults):
    """Faults in a given order, then none."""

    script: list[Fault]

    def next(self, path: str, /) -> Fault | None:
        return self.script.pop(0) if self.script else None


def failing(*faults: Any, stall_s: float = 0.3) -> Faults:
    scripted = Scripted(rate=0, stall_s=stall_s)
    object.__setattr__(scripted, "script", list(faults))
    return scripted


@pytest.mark.parametrize(
    ("name", "dtype", "kind"),
    [
        ("raw8", "uint8", "image"),
        ("raw16", "uint16", "image"),
        ("float", "float32", "image"),
        ("ids64", "uint64", "annotation"),
        ("ids32", "uint32", "annotation"),
        ("shards", "uint8", "image"),
    ],
)
def test_voxels_are_those_that_tensorstore_wrote(
    web: Any, written: Path, truth: dict[str, np.ndarray], name: str, dtype: str, kind: str
) -> None:
    for uri in (f"precomputed://http://{web.host}/{name}", f"precomputed://{(written / name).as_uri()}"):
        volume = open_volume(uri)
        assert (volume.shape, str(volume.dtype), volume.kind) == (truth[name].shape, dtype, kind)
        assert (volume.voxel_size_um, volume.chunks) == ((0.04, 0.004, 0.004), (16, 32, 32))
        np.testing.assert_array_equal(volume[:, :, :], truth[name])
        np.testing.assert_array_equal(volume[BOX], truth[name][BOX])


def test_a_path_opens_by_itself_and_with_the_scheme(written: Path, truth: dict[str, np.ndarray]) -> None:
    for uri in (written / "raw8", f"precomputed://{written}/raw8", f"precomputed://{written}/raw8/#0"):
        np.testing.assert_array_equal(open_volume(uri)[BOX], truth["raw8"][BOX])


def test_indices_begin_at_0_and_the_offset_is_an_attribute(web: Any, truth: dict[str, np.ndarray]) -> None:
    volume = open_volume(f"precomputed://http://{web.host}/scales")
    assert volume.offset == (30, 200, 100)
    np.testing.assert_array_equal(volume[0:1, 0:2, 0:3], truth["scales#0"][:1, :2, :3])
    with pytest.raises(IndexError):
        volume[30:42, 200:210, 100:110]


def test_scales_are_levels_with_their_own_voxel_size(web: Any, truth: dict[str, np.ndarray]) -> None:
    address = f"precomputed://http://{web.host}/scales"
    coarse = open_volume(f"{address}#1")
    assert (coarse.shape, coarse.voxel_size_um, coarse.offset) == (
        (40, 35, 45),
        (0.04, 0.008, 0.008),
        (30, 100, 50),
    )
    np.testing.assert_array_equal(coarse[:, :, :], truth["scales#1"])
    for level, text in (
        ("2", r"must lie within \[0, 2\), got #2"),
        ("fine", "the number of a scale, got #fine"),
    ):
        with pytest.raises(ValueError, match=text):
            open_volume(f"{address}#{level}")


def test_voxels_of_a_lossy_encoding_are_read_and_called_so(web: Any, truth: dict[str, np.ndarray]) -> None:
    volume = open_volume(f"precomputed://http://{web.host}/jpeg")
    assert volume.source.encoding == "jpeg (lossy)"
    np.testing.assert_array_equal(volume[:, :, :], truth["jpeg"])
    assert open_volume(f"precomputed://http://{web.host}/raw8").source.encoding == "raw"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"num_channels": 3}, "a volume has one channel, got 3; copy one of them apart"),
        ({"@type": "neuroglancer_legacy_mesh"}, "must be a volume, got 'neuroglancer_legacy_mesh'"),
        ({"type": "mesh"}, "its info does not describe a volume: type"),
        ({"scales": []}, "its info does not describe a volume: scales"),
        ({"scales": [{"size": [0, 5, 5]}]}, "its info does not describe a volume: scales"),
        ({"data_type": "complex64"}, "cannot be read"),
    ],
)
def test_what_is_no_volume_is_refused(
    written: Path, tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    about = json.loads((written / "raw8/info").read_text()) | changes
    (tmp_path / "info").write_text(json.dumps(about))
    with pytest.raises(ValueError, match=text):
        open_volume(tmp_path)


def test_a_description_that_tensorstore_does_not_take_is_told_at_once(web: Any, tmp_path: Path) -> None:
    about = json.loads((web.root / "raw8/info").read_text())
    about["scales"][0]["encoding"] = "none_of_these"
    (tmp_path / "em").mkdir()
    (tmp_path / "em/info").write_text(json.dumps(about))
    web.root = tmp_path
    with pytest.raises(ValueError, match=r"cannot be read: .*none_of_these"):
        source(web, "em", attempts=9)
    assert len(web.requests) <= 3


def test_sizes_that_cannot_be_are_refused_before_anything_is_read(written: Path, tmp_path: Path) -> None:
    about = json.loads((written / "raw8/info").read_text())
    scale = about["scales"][0]
    for changes, text in (
        ({"size": [1 << 40, 1 << 40, 1 << 40]}, r"cannot be read|less than 2\^63 bytes"),
        (
            {"size": [1 << 18, 1 << 18, 1 << 18], "chunk_sizes": [[1 << 18, 1 << 18, 1 << 8]]},
            "must fit into memory",
        ),
    ):
        (tmp_path / "info").write_text(json.dumps(about | {"scales": [scale | changes]}))
        with pytest.raises(ValueError, match=text):
            open_volume(tmp_path)[0:1, 0:1, 0:1]


def test_a_damaged_file_is_told_in_one_line(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written / "raw8", tmp_path / "raw8")
    for chunk in (tmp_path / "raw8/4_4_40").iterdir():
        chunk.write_bytes(b"no voxels")
    with pytest.raises(ValueError, match=r"z 0:1 y 0:1 x 0:1 cannot be read: Expected chunk length") as told:
        open_volume(tmp_path / "raw8")[0:1, 0:1, 0:1]
    assert "\n" not in str(told.value)
    (tmp_path / "raw8/info").write_text("<html>")
    with pytest.raises(ValueError, match="info must be a JSON object, got a web page"):
        open_volume(tmp_path / "raw8")


@pytest.mark.parametrize(
    "fault", ["429", "500", "503", "reset", "truncate", "wrong_size", "garbage", "drip", "stall"]
)
def test_a_temporary_failure_is_tried_again(web: Any, truth: dict[str, np.ndarray], fault: Fault) -> None:
    volume = source(web)
    web.faults = failing(fault, fault)
    np.testing.assert_array_equal(volume.read(Box((0, 0, 0), (9, 20, 20))), truth["raw8"][:9, :20, :20])
    assert len(web.chunks) == (1 if fault == "drip" else 3)


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        ("400", OSError, r"refused z 0:9 y 0:20 x 0:20 \(status 400\)"),
        ("401", PermissionError, r"\(status 401\); check the address and who may read it"),
        ("403", PermissionError, r"\(status 403\); check the address and who may read it"),
    ],
)
def test_a_permanent_failure_is_an_error_at_once(web: Any, fault: Fault, kind: type, text: str) -> None:
    volume = source(web)
    web.faults = failing(*[fault] * 9)
    with pytest.raises(kind, match=text):
        volume.read(Box((0, 0, 0), (9, 20, 20)))
    assert len(web.chunks) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        ("503", OSError, "the last had status 503"),
        ("429", OSError, "the last had status 429"),
        ("reset", ConnectionError, "the host cannot be reached; check the network and the host"),
        ("truncate", ConnectionError, "the last was cut off: CURL error Transferred a partial file"),
        ("garbage", OSError, "the last could not be decoded: Expected chunk length"),
    ],
)
def test_a_lasting_failure_is_reported_with_its_cause(web: Any, fault: Fault, kind: type, text: str) -> None:
    volume = source(web, attempts=3)
    web.faults = failing(*[fault] * 99)
    with pytest.raises(kind, match=rf"no complete answer from {web.host} in 3 attempts \(z 0:9 .*\); {text}"):
        volume.read(Box((0, 0, 0), (9, 20, 20)))


def test_an_answer_that_does_not_come_ends_in_a_timeout(web: Any) -> None:
    volume = source(web, attempts=2, deadline_s=0.3)
    web.faults = failing(*["stall"] * 99, stall_s=2)
    with pytest.raises(TimeoutError, match=r"in 2 attempts .*; the last timed out"):
        volume.read(Box((0, 0, 0), (9, 20, 20)))


def test_a_redirect_is_not_followed(web: Any) -> None:
    volume = source(web)
    web.redirect = f"http://{web.host}/raw16/4_4_40/100-132_200-232_30-46"
    with pytest.raises(OSError, match=r"must answer z 0:9 .* itself, got a redirect \(status 302\)"):
        volume.read(Box((0, 0, 0), (9, 20, 20)))
    assert len(web.chunks) == 1


def test_every_voxel_is_right_though_a_third_of_the_answers_fail(
    web: Any, truth: dict[str, np.ndarray]
) -> None:
    volume = source(web, attempts=12)
    web.faults = Faults(rate=0.3, seed=1, stall_s=0.1)
    np.testing.assert_array_equal(volume.read(Box((0, 0, 0), volume.shape)), truth["raw8"])


def test_a_chunk_that_is_not_there_is_zero_as_the_format_says(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written / "raw8", tmp_path / "raw8")
    (tmp_path / "raw8/4_4_40/100-132_200-232_30-46").unlink()
    assert not open_volume(tmp_path / "raw8")[0:16, 0:32, 0:32].any()


@pytest.mark.parametrize("name", ["raw8", "raw16", "float", "ids64"])
def test_a_cache_gives_what_the_volume_gives_and_asks_no_more(
    web: Any, truth: dict[str, np.ndarray], tmp_path: Path, name: str
) -> None:
    uri = f"precomputed://http://{web.host}/{name}"
    np.testing.assert_array_equal(open_volume(uri, cache=Cache(tmp_path))[BOX], truth[name][BOX])
    asked = len(web.requests)
    cached = open_volume(uri, cache=Cache(tmp_path, offline=True))
    np.testing.assert_array_equal(cached[BOX], truth[name][BOX])
    direct = open_volume(uri)
    assert (cached.kind, cached.offset, cached.voxel_size_um) == (
        direct.kind,
        direct.offset,
        direct.voxel_size_um,
    )
    if direct.kind == "image":
        assert cached.dtype == direct.dtype
    assert len(web.requests) <= asked + 2
    assert [entry.uri for entry in Cache(tmp_path).entries()] == [uri]


def test_a_cache_is_filled_right_though_a_third_of_the_answers_fail(
    web: Any, truth: dict[str, np.ndarray], tmp_path: Path
) -> None:
    uri = f"precomputed://http://{web.host}/raw16"
    location = locate(uri)
    patient = Location(uri, lambda: source(web, "raw16", attempts=12), location.cache_key)
    web.faults = Faults(rate=0.3, seed=2, stall_s=0.1)
    told: list[tuple[int, int]] = []
    cached = Cache(tmp_path).open_source(patient)
    box = Box((0, 0, 0), cached.shape)
    cached.prefetch([box], progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
    np.testing.assert_array_equal(cached.read(box), truth["raw16"])


def test_each_volume_has_its_own_place_in_a_cache_and_a_folder_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    uris = [
        f"precomputed://{address}"
        for address in (
            "s3://a/b",
            "gs://a/b",
            "https://a/b",
            "http://a/b",
            "s3://a/b#1",
            "s3://a/c/b",
            "s3://a/b_c",
        )
    ]
    keys = [locate(uri).cache_key for uri in uris]
    assert len(set(keys)) == len(keys)
    assert all(key is not None and len(key) == 5 for key in keys)
    assert all(locate(uri).remote for uri in uris)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://store.lab.org")
    assert locate("precomputed://s3://a/b").cache_key not in keys
    for uri in ("precomputed:///data/b", "precomputed://file:///data/b"):
        assert locate(uri).cache_key is None
        assert not locate(uri).remote


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_bucket_is_read_as_the_web_is(
    web: Any, truth: dict[str, np.ndarray], scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mtneuro_data.sources import asking

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{web.host}")
    monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", f"http://{web.host}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("GCE_METADATA_ROOT", web.host)
    # Of its own, because the environment is read when the process starts.
    monkeypatch.setattr(asking._Own, "asked", None)
    try:
        volume = open_volume(f"precomputed://{scheme}://raw8")
        np.testing.assert_array_equal(volume[BOX], truth["raw8"][BOX])
    finally:
        asking._end()


def _checked(volume: Any, wanted: np.ndarray, results: Any) -> None:
    results.put(bool(np.array_equal(volume[BOX], wanted)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_volume_used_before_forking_is_right_in_children(web: Any, truth: dict[str, np.ndarray]) -> None:
    volume = open_volume(f"precomputed://http://{web.host}/raw8")
    volume[0:1, 0:1, 0:1]
    context: Any = multiprocessing.get_context("fork")
    results = context.Queue()
    children = [
        context.Process(target=_checked, args=(volume, truth["raw8"][BOX], results)) for _ in range(2)
    ]
    for child in children:
        child.start()
    assert [results.get(timeout=50) for _ in children] == [True, True]
    for child in children:
        child.join()
    np.testing.assert_array_equal(volume[BOX], truth["raw8"][BOX])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(volume))[BOX], truth["raw8"][BOX])


@pytest.mark.parametrize(
    ("uri", "kind", "text"),
    [
        ("precomputed://ftp://a/b", ValueError, "an address must be s3://, gs://, .* got ftp://a/b"),
        ("precomputed://https://me:secret@a/b", ValueError, "without a user's name"),
        ("precomputed://s3:///b", ValueError, "must be scheme://bucket/path"),
        ("precomputed:///nowhere/at/all", FileNotFoundError, "there is no info at /nowhere/at/all"),
        (
            "precomputed://http://127.0.0.1:9/a",
            ConnectionError,
            r"in 2 attempts \(info\); the host cannot be",
        ),
    ],
)
def test_an_address_that_is_none_is_told_so(written: Path, uri: str, kind: type, text: str) -> None:
    with pytest.raises(kind, match=text):
        open_volume(uri)
