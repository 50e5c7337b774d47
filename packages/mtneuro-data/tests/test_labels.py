import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mtneuro_data.labels import instance_boundaries, mapped_labels, voted_region

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


@given(hnp.arrays(np.uint64, (3, 5), elements=st.sampled_from(sorted(ROI))))
def test_a_vote_by_label_agrees_with_the_region_of_the_most_frequent_one(labels: np.ndarray) -> None:
    counts = {raw: int((labels == raw).sum()) for raw in sorted(ROI)}
    assert voted_region(labels, ROI, by="label") == ROI[max(counts, key=lambda raw: counts[raw])]


def test_labels_are_counted_one_by_one_where_asked_for() -> None:
    assert voted_region(np.array([1, 1, 1, 3, 3, 4, 4]), ROI, by="label") == 0
    with pytest.raises(ValueError, match="labels must be among"):
        voted_region(np.array([9]), ROI, by="label")


@pytest.mark.parametrize("label", [5, 1 << 40, -1])
def test_an_unknown_label_is_named(label: int) -> None:
    labels = np.array([0, label], np.int64)
    for translated in (mapped_labels, voted_region):
        with pytest.raises(
            ValueError, match=f"cube A must be among 0, 1, 2, 3, 4, 8, got .* {label}; name them"
        ):
            translated(labels, ROI, what="cube A")


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", ">u8", ">i2"])
def test_ids_of_any_type_are_foreground_by_one_word(dtype: str) -> None:
    top = int(np.iinfo(dtype).max)
    ids = np.array([[0, 1, top], [top - 1, 0, 7]]).astype(dtype) if top < 1 << 62 else np.array(
        [[0, 1, top], [top - 1, 0, 7]], dtype
    )  # fmt: skip
    assert mapped_labels(ids, {"*": 1}).tolist() == [[0, 1, 1], [1, 0, 1]]
    assert mapped_labels(ids, {"*": 1, 0: 2, 7: 3}).tolist() == [[2, 1, 1], [1, 2, 3]]
    assert mapped_labels(ids, {"*": 0, top: 5, 1 << 70: 6, -4: 7}).tolist() == [[0, 0, 5], [0, 0, 0]]


def test_large_ids_are_looked_up_without_a_table_as_large_as_they_are() -> None:
    ids = np.array([2, 2**63 + 5, 2**60, 2**60], np.uint64)
    assert mapped_labels(ids, {2: 1, 2**63 + 5: 0, 2**60: 4}).tolist() == [1, 0, 4, 4]
    assert voted_region(ids, {2: 1, 2**63 + 5: 0, 2**60: 3}) == 3
    assert voted_region(ids, {2: 1, "*": 2}) == 2
    with pytest.raises(ValueError, match=f"got the unknown labels {2**60}; name them in the map"):
        mapped_labels(ids, {2: 1, 2**63 + 5: 0})


@given(
    hnp.arrays(np.uint64, st.tuples(st.integers(1, 3), st.integers(1, 9)), elements=st.integers(0, 9)),
    st.dictionaries(st.integers(0, 9), st.integers(0, 255), min_size=1),
    st.integers(0, 255),
    st.sampled_from([1, 1 << 40]),
)
def test_every_way_of_looking_labels_up_agrees(
    labels: np.ndarray, named: dict[int, int], others: int, scale: int
) -> None:
    table = {"*": others, **{raw * scale: value for raw, value in named.items()}}
    expected = [named.get(int(raw), others if raw else 0) for raw in labels.ravel()]
    ids = labels * np.uint64(scale)
    assert mapped_labels(ids, table).ravel().tolist() == expected
    if scale == 1:
        assert mapped_labels(ids.astype(np.uint8), table).ravel().tolist() == expected


def test_a_negative_label_is_mapped_only_where_it_is_named() -> None:
    labels = np.array([-1, 0, 5])
    assert mapped_labels(labels, {-1: 0, "*": 1}).tolist() == [0, 0, 1]
    with pytest.raises(
        ValueError, match=r'cube A must be 0 or more where "\*" stands for them, got -1; name'
    ):
        mapped_labels(labels, {"*": 1}, what="cube A")
    with pytest.raises(ValueError, match="got the unknown labels -1"):
        mapped_labels(labels, {0: 0, 5: 1})


def test_nothing_is_written_where_a_label_is_refused() -> None:
    labels = np.array([0, 1, 9], np.uint8)
    with pytest.raises(ValueError, match="unknown labels 9"):
        mapped_labels(labels, {0: 1, 1: 0}, out=labels)
    assert labels.tolist() == [0, 1, 9]


def test_an_unknown_word_is_refused_by_the_nearest() -> None:
    with pytest.raises(ValueError, match="got 'boundry'; did you mean 'boundary'"):
        mapped_labels(np.array([0]), {"boundry": 1})


def test_boundaries_of_instances_worked_by_hand() -> None:
    ids = np.array([[0, 4, 4, 4, 0], [0, 4, 4, 9, 9], [0, 4, 4, 9, 9]], np.uint32)
    # Both sides of where two objects touch, and no pixel of the background.
    assert mapped_labels(ids, {"*": 1, "boundary": 2}).tolist() == [
        [0, 2, 1, 2, 0],
        [0, 2, 2, 2, 2],
        [0, 2, 2, 2, 1],
    ]
    assert mapped_labels(ids, {"boundary": 1}).tolist() == [
        [0, 1, 0, 1, 0],
        [0, 1, 1, 1, 1],
        [0, 1, 1, 1, 0],
    ]


def test_a_label_that_is_named_is_no_instance_but_ends_one() -> None:
    ids = np.array([[3, 3, 5, 5, 5]], np.uint8)
    assert mapped_labels(ids, {3: 7, "*": 1, "boundary": 2}).tolist() == [[7, 7, 2, 1, 1]]


def test_a_boundary_lies_in_the_plane_or_in_the_volume() -> None:
    ids = np.full((3, 3, 3), 6, np.uint64)
    ids[0] = 1 << 60
    assert not mapped_labels(ids, {"boundary": 1}).any()
    assert mapped_labels(ids, {"boundary_3d": 1}).all(axis=(1, 2)).tolist() == [True, True, False]


@given(
    hnp.arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 3)),
    st.sampled_from([("boundary", 2), ("boundary_3d", 3)]),
)
def test_boundaries_are_those_of_a_naive_loop(labels: np.ndarray, asked: tuple[str, int]) -> None:
    word, axes = asked
    expected = np.zeros(labels.shape, np.uint8)
    for place in np.ndindex(labels.shape):
        for axis in range(3 - axes, 3):
            for step in (-1, 1):
                there = list(place)
                there[axis] += step
                if 0 <= there[axis] < labels.shape[axis] and labels[place] != labels[tuple(there)]:
                    expected[place] = labels[place] != 0
    np.testing.assert_array_equal(mapped_labels(labels, {word: 1}), expected)


def test_boundaries_are_those_of_scikit_image(rng: np.random.Generator) -> None:
    segmentation = pytest.importorskip("skimage.segmentation")
    ids = rng.integers(0, 4, (2, 20, 20)).repeat(3, 1).repeat(3, 2) << 50
    found = mapped_labels(ids, {"boundary": 1})
    for slice_, labels in zip(found, ids, strict=True):
        expected = segmentation.find_boundaries(labels, mode="inner", connectivity=1)
        np.testing.assert_array_equal(slice_, expected)
    assert instance_boundaries(ids, axes=2)[found == 1].all()
