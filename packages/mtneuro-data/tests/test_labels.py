import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mtneuro_data.labels import mapped_labels, voted_region

ROI = {0: 0, 1: 0, 2: 1, 8: 1, 3: 2, 4: 2}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int32])
def test_labels_are_translated_whatever_their_type(dtype: type) -> None:
    labels = np.array([[0, 1], [2, 8]], dtype)
    assert mapped_labels(labels, ROI).tolist() == [[0, 0], [1, 1]]


@given(
    hnp.arrays(np.uint8, st.integers(0, 40), elements=st.integers(0, 3)),
    st.lists(st.integers(0, 255), min_size=4, max_size=4),
)
def test_bytes_are_translated_as_by_a_table(labels: np.ndarray, table: list[int]) -> None:
    expected = np.array(table, np.uint8)[labels]
    label_map = dict(enumerate(table))
    np.testing.assert_array_equal(mapped_labels(labels, label_map), expected)
    assert mapped_labels(labels, label_map, out=labels) is labels
    np.testing.assert_array_equal(labels, expected)


@given(hnp.arrays(np.uint64, (3, 5), elements=st.sampled_from(sorted(ROI))))
def test_a_vote_agrees_with_the_majority_of_mapped_labels(labels: np.ndarray) -> None:
    assert voted_region(labels, ROI) == np.bincount(mapped_labels(labels, ROI).ravel()).argmax()


def test_labels_of_one_region_are_counted_together() -> None:
    # 1 is the most frequent single label, but 3 and 4 together are more.
    assert voted_region(np.array([1, 1, 1, 3, 3, 4, 4]), ROI) == 2


@pytest.mark.parametrize("label", [5, 1 << 40, -1])
def test_an_unknown_label_is_named(label: int) -> None:
    labels = np.array([0, label], np.int64)
    for translated in (mapped_labels, voted_region):
        with pytest.raises(ValueError, match=f"cube A must be among 0, 1, 2, 3, 4, 8, got .* {label}$"):
            translated(labels, ROI, what="cube A")
