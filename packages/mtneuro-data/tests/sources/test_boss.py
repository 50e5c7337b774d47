import multiprocessing
import pickle
import socket
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from mtneuro_data import Box, Cache, downsampled_images, open_volume
from mtneuro_data.serving import Catalogue
from mtneuro_data.serving.faults import Fault
from mtneuro_data.sources import boss as boss_source
from mtneuro_data.sources import locate
from mtneuro_data.sources.boss import BossServer, BossSource, parsed_uri

Boss = Any


URI = "bossdb://lab/scan/image"


def source(boss: Boss, uri: str = URI, **settings: Any) -> BossSource:
    settings = {"first_pause_s": 0.001, "timeout_s": (2.0, 0.5), **settings}
    return BossSource(parsed_uri(uri), server=boss.server, **settings)


def _checked(opened: Any, volume: np.ndarray, results: Any) -> None:
    results.put(all(np.array_equal(opened[z : z + 1, :, :], volume[z : z + 1]) for z in range(10)))


def test_the_web_address_of_a_channel_opens_it(boss: Any, volume: np.ndarray) -> None:
    opened = open_volume(f"http://{boss.server.host}/v1/mgmt/resources/lab/scan/image")
    np.testing.assert_array_equal(opened[3:5, 10:14, 9:15], volume[3:5, 10:14, 9:15])


@pytest.mark.parametrize(
    "uri", ["bossdb://a/b", "bossdb://a/../c", "bossdb://a/b/c/d", "bossdb://a/b/c/0/../../x"]
)
def test_a_malformed_database_uri_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="a database URI is"):
        open_volume(uri)


def test_a_location_is_named_for_a_cache_without_being_opened() -> None:
    location = locate("http://nowhere.invalid/v1/mgmt/resources/lab/scan/em/")
    assert location.uri == "bossdb://lab/scan/em"
    assert location.cache_key == ("nowhere.invalid", "lab", "scan", "em", 0)


def test_a_channel_is_described_and_read(boss: Boss, volume: np.ndarray) -> None:
    opened = open_volume(URI)
    assert (opened.shape, opened.dtype) == ((40, 150, 200), np.uint8)
    np.testing.assert_array_equal(opened[5:23, 10:140, 30:190], volume[5:23, 10:140, 30:190])


def test_boxes_that_intern_would_squeeze_keep_their_axes(boss: Boss, volume: np.ndarray) -> None:
    opened = open_volume(URI)
    for key in (np.s_[3:4, 7:8, 9:10], np.s_[0:40, 7:8, 9:10], np.s_[3:4, :, 9:10]):
        np.testing.assert_array_equal(opened[key], volume[key])


def test_wide_labels_arrive_whole(boss: Boss, labels: np.ndarray) -> None:
    opened = open_volume("bossdb://lab/scan/labels")
    assert opened.dtype == np.uint64
    np.testing.assert_array_equal(opened[0:3, :, :], labels[0:3])


def test_a_level_halves_rows_and_columns(boss: Boss, volume: np.ndarray) -> None:
    opened = open_volume(URI + "/1")
    assert (opened.shape, opened.voxel_size_um) == ((40, 75, 100), (1.0, 2.0, 2.0))
    np.testing.assert_array_equal(opened[0:2, 0:75, 0:100], downsampled_images(volume[0:2], 2))
    with pytest.raises(ValueError, match=r"level must lie within \[0, 2\), got 2"):
        open_volume(URI + "/2")


@pytest.mark.parametrize("start", [(1000, 300, 200), (7, 301, 203)])
def test_a_frame_that_does_not_begin_at_0_is_asked_for_at_its_own_start(
    boss: Boss, volume: np.ndarray, monkeypatch: pytest.MonkeyPatch, start: tuple[int, int, int]
) -> None:
    frames = Catalogue._frames

    def moved(self: Any, names: Any) -> Any:
        frame = frames(self, names)
        starts = dict(zip("zyx", start, strict=True))
        ends = ("start", "stop")
        return frame and frame | {
            f"{axis}_{end}": frame[f"{axis}_{end}"] + starts[axis] for axis in "zyx" for end in ends
        }

    monkeypatch.setattr(Catalogue, "_frames", moved)
    opened = open_volume(URI)
    assert (opened.shape, opened.offset) == (volume.shape, start)
    np.testing.assert_array_equal(opened[:, :, :], volume)
    np.testing.assert_array_equal(opened[0:2, 3:8, 5:9], volume[0:2, 3:8, 5:9])
    z, y, x = start
    assert f"/{x + 5}:{x + 9}/{y + 3}:{y + 8}/{z}:{z + 2}" in boss.cutouts[-1]
    with pytest.raises(IndexError):
        opened[z : z + 41, 0:1, 0:1]
    coarse = open_volume(URI + "/1")
    assert (coarse.shape, coarse.offset) == ((40, 75, 100), (z, y // 2, x // 2))
    np.testing.assert_array_equal(coarse[0:2, :, :], downsampled_images(volume[0:2], 2))


def test_units_become_micrometres(boss: Boss, monkeypatch: pytest.MonkeyPatch) -> None:
    described = Catalogue.description
    monkeypatch.setattr(
        Catalogue,
        "description",
        lambda self, parts: (described(self, parts) or {}) | {"voxel_unit": "nanometers"},
    )
    assert open_volume(URI).voxel_size_um == pytest.approx((0.001, 0.001, 0.001))


def test_a_large_box_goes_in_small_requests(boss: Boss, volume: np.ndarray) -> None:
    open_volume(URI)[:, :, :]
    sizes: list[int] = []
    for path in boss.cutouts:
        spans = [part.split(":") for part in path.split("/") if ":" in part]
        sizes.append(int(np.prod([int(hi) - int(lo) for lo, hi in spans])))
    assert sum(sizes) == volume.size
    assert max(sizes) <= 32 * 256 * 256


@pytest.mark.parametrize(
    "fault",
    ["429", "500", "503", "reset", "truncate", "garbage", "wrong_size", "stall"],
)
def test_a_temporary_failure_is_tried_again(boss: Boss, volume: np.ndarray, fault: Fault) -> None:
    boss.fail(fault, fault)
    np.testing.assert_array_equal(source(boss).read(Box((0, 0, 0), (2, 20, 30))), volume[0:2, 0:20, 0:30])
    assert len(boss.cutouts) == 3


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        ("401", PermissionError, "refused the token"),
        ("403", PermissionError, "refused the token"),
        ("404", FileNotFoundError, "no such channel"),
        ("400", OSError, r"status 400\): simulated fault"),
    ],
)
def test_a_permanent_failure_is_an_error_at_once(
    boss: Boss, fault: Fault, error: type[Exception], text: str
) -> None:
    boss.fail(*[fault] * 9)
    with pytest.raises(error, match=text):
        source(boss).read(Box((0, 0, 0), (2, 20, 30)))
    assert len(boss.cutouts) == 1


def test_a_lasting_failure_is_reported_with_its_cause(boss: Boss) -> None:
    boss.fail(*["503"] * 9)
    with pytest.raises(OSError, match=r"no complete answer from .* in 3 attempts .* status 503"):
        source(boss, attempts=3).read(Box((0, 0, 0), (2, 20, 30)))


def test_a_stall_ends_in_a_timeout(boss: Boss) -> None:
    boss.fail("stall", "stall")
    with pytest.raises((TimeoutError, ConnectionError)):
        source(boss, attempts=2, timeout_s=(1.0, 0.1)).read(Box((0, 0, 0), (1, 2, 3)))


def test_an_unknown_channel_is_named(boss: Boss) -> None:
    with pytest.raises(FileNotFoundError, match=r"bossdb://lab/scan/absent: .* has no such channel"):
        open_volume("bossdb://lab/scan/absent")


def test_a_missing_network_is_reported_in_one_line(boss: Boss) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    server = BossServer(host=f"127.0.0.1:{port}", protocol="http")
    with pytest.raises(ConnectionError, match=r"cannot be reached; check the network"):
        BossSource(parsed_uri(URI), server=server, attempts=2, first_pause_s=0.001)


def test_a_token_goes_with_every_request(boss: Boss, monkeypatch: pytest.MonkeyPatch) -> None:
    boss.service.token = "secret"
    with pytest.raises(PermissionError):
        open_volume(URI)
    monkeypatch.setenv("INTERN_TOKEN", "secret")
    open_volume(URI)[0:1, 0:1, 0:1]
    assert "secret" not in repr(BossServer.from_environment())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": "a/b"}, "host must be"),
        ({"protocol": "ftp"}, 'protocol must be "https" or "http"'),
        ({"token": "a\nb"}, "token must consist of"),
    ],
)
def test_a_malformed_server_is_refused(settings: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        BossServer(**settings)


@pytest.mark.timeout(60)
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_volume_used_before_forking_is_right_in_children(boss: Boss, volume: np.ndarray) -> None:
    opened = open_volume(URI)
    opened[0:1, 0:1, 0:1]
    context: Any = multiprocessing.get_context("fork")
    results = context.Queue()
    children = [context.Process(target=_checked, args=(opened, volume, results)) for _ in range(2)]
    for child in children:
        child.start()
    assert [results.get(timeout=50) for _ in children] == [True, True]
    for child in children:
        child.join()


@pytest.mark.timeout(60)
def test_a_volume_sent_to_a_new_process_is_right_there(
    boss: Boss, volume: np.ndarray, tmp_path: Path
) -> None:
    # What a spawned worker does: a fresh interpreter, and the volume out of its pickle.
    opened = open_volume(URI)
    opened[0:1, 0:1, 0:1]
    (tmp_path / "volume.pickle").write_bytes(pickle.dumps(opened))
    script = (
        "import pathlib, pickle, sys, zlib\n"
        "opened = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "print(zlib.crc32(opened[0:40, :, :].tobytes()))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "volume.pickle"], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) == zlib.crc32(volume.tobytes())


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_of_pytorchs_loader_read_a_volume_that_was_in_use(
    boss: Boss, volume: np.ndarray, tmp_path: Path, start: str
) -> None:
    data = pytest.importorskip("torch.utils.data", reason="PyTorch is not a dependency")
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"nothing starts by {start} here")
    boxes = [((z, 0, 0), (z + 1, 150, 200)) for z in range(40)]
    for cache in (None, Cache(tmp_path)):
        opened = open_volume(URI, cache=cache)
        opened[0:1, 0:1, 0:1]
        loader = data.DataLoader(
            boxes, batch_size=4, num_workers=2, collate_fn=opened.read_boxes, multiprocessing_context=start
        )
        np.testing.assert_array_equal(
            np.concatenate([slice_ for batch in loader for slice_ in batch]), volume
        )


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("9999", 60.0), ("soon", 0.0), (None, 0.0)])
def test_a_busy_server_is_given_the_time_it_asks_for(text: str | None, seconds: float) -> None:
    response = requests.Response()
    response.headers.update({} if text is None else {"Retry-After": text})
    assert boss_source.asked_to_wait_s(requests.HTTPError(response=response)) == seconds


def test_a_pickled_source_does_not_take_its_socket_along(boss: Boss, volume: np.ndarray) -> None:
    opened = source(boss)
    opened.fetch(Box((0, 0, 0), (1, 2, 3)))
    copy: BossSource = pickle.loads(pickle.dumps(opened))
    np.testing.assert_array_equal(copy.fetch(Box((0, 0, 0), (1, 2, 3))), volume[0:1, 0:2, 0:3])


def test_a_channel_is_of_the_kind_that_the_database_states(boss: Boss) -> None:
    assert source(boss).kind == "image"
    assert source(boss, "bossdb://lab/scan/labels").kind == "annotation"
