import multiprocessing
import pickle
import socket
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import blosc
import numpy as np
import pytest
from mtneuro_data import open_volume
from mtneuro_data.sources.boss import BossServer, BossSource, parsed_uri

URI = "bossdb://lab/scan/image"


def source(boss: Any, uri: str = URI, **settings: Any) -> BossSource:
    settings = {"first_pause_s": 0.001, "timeout_s": (2.0, 0.5), **settings}
    return BossSource(parsed_uri(uri), server=boss.server, **settings)


def test_a_channel_is_described_and_read(boss: Any, volume: np.ndarray) -> None:
    opened = open_volume(URI)
    assert (opened.shape, opened.dtype) == ((40, 150, 200), np.uint8)
    assert opened.voxel_size_um == (3.0, 2.0, 1.0)
    np.testing.assert_array_equal(opened[5:23, 10:140, 30:190], volume[5:23, 10:140, 30:190])


def test_boxes_that_intern_would_squeeze_keep_their_axes(boss: Any, volume: np.ndarray) -> None:
    opened = open_volume(URI)
    for key in (np.s_[3:4, 7:8, 9:10], np.s_[0:40, 7:8, 9:10], np.s_[3:4, :, 9:10]):
        np.testing.assert_array_equal(opened[key], volume[key])


def test_wide_labels_arrive_whole(boss: Any, labels: np.ndarray) -> None:
    opened = open_volume("bossdb://lab/scan/labels")
    assert opened.dtype == np.uint64
    np.testing.assert_array_equal(opened[0:3, :, :], labels[0:3])


def test_a_level_halves_rows_and_columns(boss: Any, volume: np.ndarray) -> None:
    opened = open_volume(URI + "/1")
    assert (opened.shape, opened.voxel_size_um) == ((40, 75, 100), (3.0, 4.0, 2.0))
    np.testing.assert_array_equal(opened[0:2, 0:75, 0:100], volume[0:2, ::2, ::2])
    with pytest.raises(ValueError, match=r"level must lie within \[0, 2\), got 2"):
        open_volume(URI + "/2")


def test_units_become_micrometres(boss: Any) -> None:
    boss.voxel_unit = "nanometers"
    assert open_volume(URI).voxel_size_um == pytest.approx((0.003, 0.002, 0.001))


def test_a_large_box_goes_in_small_requests(boss: Any, volume: np.ndarray) -> None:
    open_volume(URI)[:, :, :]
    sizes: list[int] = []
    for path in boss.cutouts:
        spans = [part.split(":") for part in path.split("/") if ":" in part]
        sizes.append(int(np.prod([int(hi) - int(lo) for lo, hi in spans])))
    assert sum(sizes) == volume.size
    assert max(sizes) <= 16 * 256 * 256


def status(code: int) -> Any:
    return lambda handler: handler.refuse(code, 0, "for now")


def hung_up(handler: Any) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def cut_short(handler: Any) -> None:
    handler.answer(200, b"\x02\x01\x21", length=1000)
    hung_up(handler)


def not_blosc(handler: Any) -> None:
    handler.answer(200, b"these are no voxels")


def too_few_voxels(handler: Any) -> None:
    handler.answer(200, blosc.compress(b"12345678", typesize=1))


def stalled(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.flush()
    import time

    time.sleep(1)
    handler.close_connection = True


@pytest.mark.parametrize(
    "fault", [status(500), status(503), status(429), hung_up, cut_short, not_blosc, too_few_voxels, stalled]
)
def test_what_can_pass_is_tried_again(boss: Any, volume: np.ndarray, fault: Any) -> None:
    boss.faults = [fault, fault]
    np.testing.assert_array_equal(source(boss).read((0, 0, 0), (2, 20, 30)), volume[0:2, 0:20, 0:30])
    assert len(boss.cutouts) == 3


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        (401, PermissionError, "refused the token"),
        (403, PermissionError, "refused the token"),
        (404, FileNotFoundError, "no such channel"),
        (400, OSError, r"status 400\): for now"),
    ],
)
def test_what_cannot_pass_fails_at_once(boss: Any, code: int, error: type[Exception], text: str) -> None:
    boss.faults = [status(code)] * 9
    with pytest.raises(error, match=text):
        source(boss).read((0, 0, 0), (2, 20, 30))
    assert len(boss.cutouts) == 1


def test_lasting_failure_ends_with_its_cause(boss: Any) -> None:
    boss.faults = [status(503)] * 9
    with pytest.raises(OSError, match=r"no whole answer from .* in 3 attempts .* status 503"):
        source(boss, attempts=3).read((0, 0, 0), (2, 20, 30))


def test_a_stall_ends_in_a_timeout(boss: Any) -> None:
    boss.faults = [stalled] * 2
    with pytest.raises((TimeoutError, ConnectionError)):
        source(boss, attempts=2, timeout_s=(1.0, 0.1)).read((0, 0, 0), (1, 2, 3))


def test_an_unknown_channel_is_named(boss: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"bossdb://lab/scan/absent: .* has no such channel"):
        open_volume("bossdb://lab/scan/absent")


def test_no_network_is_one_clear_line(boss: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    server = BossServer(host=f"127.0.0.1:{port}", protocol="http")
    with pytest.raises(ConnectionError, match=r"cannot be reached. Is there a network"):
        BossSource(parsed_uri(URI), server=server, attempts=2, first_pause_s=0.001)


def test_a_token_goes_with_every_request(boss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    boss.token = "secret"
    with pytest.raises(PermissionError):
        open_volume(URI)
    monkeypatch.setenv("INTERN_TOKEN", "secret")
    open_volume(URI)[0:1, 0:1, 0:1]
    assert boss.tokens == {"Token public", "Token secret"}
    assert "secret" not in repr(BossServer.from_environment())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": "a/b"}, "host must be"),
        ({"protocol": "ftp"}, 'protocol must be "https" or "http"'),
        ({"token": "a\nb"}, "token must consist of"),
    ],
)
def test_a_malformed_server_is_refused(settings: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        BossServer(**settings)


def _checked(opened: Any, volume: np.ndarray, results: Any) -> None:
    results.put(all(np.array_equal(opened[z : z + 1, :, :], volume[z : z + 1]) for z in range(10)))


@pytest.mark.timeout(60)
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_volume_used_before_forking_is_right_in_children(boss: Any, volume: np.ndarray) -> None:
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
def test_a_volume_sent_to_a_new_process_is_right_there(boss: Any, volume: np.ndarray, tmp_path: Path) -> None:
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


def test_a_source_leaves_its_socket_behind_when_pickled(boss: Any, volume: np.ndarray) -> None:
    opened = source(boss)
    opened.fetch((0, 0, 0), (1, 2, 3))
    copy: BossSource = pickle.loads(pickle.dumps(opened))
    np.testing.assert_array_equal(copy.fetch((0, 0, 0), (1, 2, 3)), volume[0:1, 0:2, 0:3])
