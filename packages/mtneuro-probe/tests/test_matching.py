import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import Embeddings, aligned, matched
from mtneuro_probe.matching import images_of, rows_of


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


IDS = ["A-CTX/z110", "A-CTX/z111", "B-STR/z7/br"]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def ids(n: int) -> np.ndarray:
    return np.array([f"A/z{z}" for z in range(n)])


def test_features_come_in_the_order_of_the_embeddings(vectors):
    table = pd.DataFrame({"cell_count": [1.0, 2.0, 3.0]}, index=IDS[::-1])
    rows = matched(Embeddings(vectors, np.array(IDS)), table)
    assert rows["cell_count"].tolist() == [3.0, 2.0, 1.0]
    assert rows.index.tolist() == IDS


def test_ids_that_do_not_match_are_shown_ten_at_most():
    ids = np.array([f"A/z{z}" for z in range(25)])
    table = pd.DataFrame({"cell_count": np.zeros(3)}, index=["A/z0", "A/z1", "B/z0"])
    with pytest.raises(ValueError) as refused:
        matched(Embeddings(np.zeros((25, 2), np.float32), ids), table)
    assert "23 sample(s) have an embedding but no features: A/z2, " in str(refused.value)
    assert "A/z11, … (23 in all)" in str(refused.value)
    assert "A/z12" not in str(refused.value)
    assert "1 sample(s) have features but no embedding: B/z0" in str(refused.value)


def test_a_sample_twice_in_the_table_is_refused(vectors):
    table = pd.DataFrame({"cell_count": np.zeros(4)}, index=[*IDS, IDS[0]])
    with pytest.raises(ValueError, match="got twice: A-CTX/z110"):
        matched(Embeddings(vectors, np.array(IDS)), table)


def test_rows_are_aligned_by_id(rng):
    x = rng.normal(size=(5, 2)).astype(np.float32)
    order = rng.permutation(5)
    vectors, names = aligned({"a": Embeddings(x, ids(5)), "b": Embeddings(x[order], ids(5)[order])})
    np.testing.assert_array_equal(vectors["a"], vectors["b"])
    assert names.tolist() == ids(5).tolist()


def test_representations_of_other_samples_are_refused(rng):
    x = rng.normal(size=(5, 2)).astype(np.float32)
    with pytest.raises(
        ValueError, match="a and b must be of the same samples, 2 are in one only: B/z0, A/z4"
    ):
        aligned({"a": Embeddings(x, ids(5)), "b": Embeddings(x, np.array([*ids(4), "B/z0"]))})


def test_a_corner_has_the_row_of_its_image_where_it_has_none_of_its_own(vectors):
    embeddings = Embeddings(vectors, np.array(["A/z1/tl", "A/z0", "A/z1/br"]))
    assert rows_of(embeddings, ["A/z0", "A/z1", "A/z1/br"], what="a region").tolist() == [1, 0, 2]


def test_an_embedding_without_a_row_is_named(vectors):
    with pytest.raises(ValueError, match=r"must have a region, 2 have none, the first: A-CTX/z111, B-STR"):
        rows_of(Embeddings(vectors, np.array(IDS)), IDS[:1], what="a region")


@pytest.mark.parametrize(("corner", "at"), [("tl", (0, 0)), ("tr", (0, 3)), ("bl", (2, 0)), ("br", (2, 3))])
def test_the_image_of_a_corner_is_cut_from_the_whole(corner, at):
    images = np.arange(60).reshape(3, 4, 5)
    embeddings = Embeddings(np.zeros((1, 2), np.float32), np.array([f"A/z1/{corner}"]))
    y, x = at
    cut = images_of(embeddings, images, ["A/z0", "A/z1", "A/z2"])
    np.testing.assert_array_equal(cut[0], images[1, y : y + 2, x : x + 2])


def test_images_come_in_the_order_of_the_embeddings(vectors):
    images = np.arange(27).reshape(3, 3, 3)
    embeddings = Embeddings(vectors, np.array(["A/z2", "A/z0", "A/z1"]))
    np.testing.assert_array_equal(images_of(embeddings, images, ["A/z0", "A/z1", "A/z2"]), images[[2, 0, 1]])


def test_a_file_that_gives_a_sample_two_rows_is_refused_by_name():
    ids = np.array(["A/z0", "A/z1", "A/z0"])
    vectors = Embeddings(np.ones((1, 1), np.float32), ids[1:2])
    with pytest.raises(ValueError, match=r"must have a region once, got twice: A/z0$"):
        rows_of(vectors, ids, what="a region")
    with pytest.raises(ValueError, match=r"must have an image once, got twice: A/z0$"):
        images_of(vectors, np.zeros((3, 4, 4)), ids.tolist())
