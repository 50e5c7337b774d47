"""Names by content."""

import hashlib

import numpy as np
import pytest
from mtneuro_data._shared import digests
from mtneuro_data._shared.digests import array_digest, digest, file_digest


def test_a_value_is_named_by_the_first_half_of_its_sha256():
    assert digest({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()[:16]


def test_the_order_of_keys_does_not_matter_and_that_of_entries_does():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest([1, 2]) != digest([2, 1])


@pytest.mark.parametrize(
    "change", [lambda a: a + 1, lambda a: a.astype(np.uint16), lambda a: a.reshape(4, 3, 2)]
)
def test_voxels_type_and_shape_each_change_an_arrays_name(change):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert array_digest(change(array)) != array_digest(array)


def test_an_arrays_name_does_not_depend_on_its_pieces_or_its_layout(monkeypatch):
    array = np.arange(240, dtype=np.int32).reshape(10, 6, 4)
    whole = array_digest(array)
    monkeypatch.setattr(digests, "_BLOCK_BYTES", 100)
    assert array_digest(np.asfortranarray(array)) == whole


def test_a_file_is_named_by_its_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"content").hexdigest()
