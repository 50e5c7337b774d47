from pathlib import Path
from typing import Any

import pytest
from mtneuro_data.box import Box
from mtneuro_data.sources import stores
from mtneuro_data.sources.stores import Store, _blocks, axes_of


@pytest.mark.parametrize(
    ("address", "spec"),
    [
        ("s3://bucket/a/b", {"driver": "s3", "bucket": "bucket", "path": "a/b/c/"}),
        ("gs://bucket/a/b/", {"driver": "gcs", "bucket": "bucket", "path": "a/b/c/"}),
        ("https://host/a", {"driver": "http", "base_url": "https://host/a/c/"}),
        ("http://host:8/a?key=1", {"driver": "http", "base_url": "http://host:8/a/c/?key=1"}),
        ("file:///data/a%20b", {"driver": "file", "path": "/data/a b/c/"}),
        ("/data/a", {"driver": "file", "path": "/data/a/c/"}),
    ],
)
def test_an_address_is_what_tensorstore_calls_it(
    address: str, spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    anonymous = {"aws_credentials": {"type": "anonymous"}} if address.startswith("s3") else {}
    assert Store("uri", address).spec("c") == spec | anonymous


def test_credentials_for_s3_are_used_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "me")
    assert Store("uri", "s3://bucket/a").spec()["aws_credentials"] == {"type": "default"}


def test_blocks_cover_a_box_once_and_end_where_chunks_do() -> None:
    box = Box((3, 10, 0), (70, 300, 1000))
    blocks = _blocks(box, (32, 64, 64), 4)
    assert sum(block.size for block in blocks) == box.size
    assert len(blocks) > 1
    assert all(
        edge % size == 0 or edge in (lo, hi)
        for block in blocks
        for axis, (size, lo, hi) in enumerate(zip((32, 64, 64), box.lower, box.upper, strict=True))
        for edge in (block.lower[axis], block.upper[axis])
    )


@pytest.mark.parametrize(
    ("names", "shape", "axes"),
    [
        (None, (3, 4, 5), (0, 1, 2)),
        ((None, None), (4, 5), (0, 1)),
        (("t", "c", "z", "y", "x"), (1, 1, 3, 4, 5), (2, 3, 4)),
        (("X", "Y", "Z"), (5, 4, 3), (2, 1, 0)),
        (("y", "x"), (4, 5), (0, 1)),
    ],
)
def test_axes_are_found_by_their_names(names: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    assert axes_of(names, shape, uri="a.zarr") == axes


@pytest.mark.parametrize(
    ("names", "shape", "text"),
    [
        (None, (2, 3, 4, 5), r"a volume has the axes \(z, y, x\), got the shape"),
        (("c", "z", "y", "x"), (2, 3, 4, 5), "one channel and one time, got c: 2"),
        (("a", "b", "c"), (3, 4, 5), "axes must be named z, y, x, got a, b, c"),
    ],
)
def test_axes_that_are_no_volumes_are_refused(names: Any, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        axes_of(names, shape, uri="a.zarr")


def test_a_description_is_no_longer_than_it_may_be(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store("uri", str(written / "raw8"))
    assert store.contents("absent") == [None]
    monkeypatch.setattr(stores, "_MOST_CONTENTS", 10)
    with pytest.raises(ValueError, match="a description must have at most 10 bytes, got"):
        store.contents("info")
