import numpy as np
import pytest
from mtneuro_data import TaskSpec, open_task, pieces
from mtneuro_data.pieces import batches, crossings_of, labelled, pieces_of, stacked


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("z_step", [1, 2, 5])
@pytest.mark.parametrize("block_bytes", [1, 40_000, 1 << 25])
def test_pieces_hold_every_image_once_and_in_order(
    task: TaskSpec, monkeypatch: pytest.MonkeyPatch, depth: int, z_step: int, block_bytes: int
) -> None:
    monkeypatch.setattr(pieces, "_BLOCK_BYTES", block_bytes)
    task = task.replaced(depth=depth, z_step=z_step)
    found = list(pieces_of(task, task.boxes("train"), *open_task(task)))
    assert tuple((piece.cube, z) for piece in found for z in piece.starts) == task.samples("train")
    assert [at for piece in found for at in range(piece.rows.start, piece.rows.stop)] == list(
        range(task.counts()["train"])
    )


def test_a_piece_is_cut_into_its_images(task: TaskSpec, volume: np.ndarray) -> None:
    task = task.replaced(z_step=3)
    (piece, _) = pieces_of(task, task.boxes("train"), *open_task(task))
    images = stacked(task, piece, volume[piece.box.slices])
    np.testing.assert_array_equal(images[1], volume[3:4, 4:36, 8:56])


def test_a_batch_is_of_a_bounded_size_or_one_piece(task: TaskSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_BLOCK_BYTES", 1)
    found = list(pieces_of(task, task.boxes("train"), *open_task(task)))
    size = found[0].n_bytes
    assert [len(batch) for batch in batches(found, 3 * size)] == [3, 3, 3, 3, 3, 3, 2]
    assert [len(batch) for batch in batches(found, size - 1)] == [1] * 20


def test_pieces_beyond_the_labels_are_not_read(task: TaskSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_BLOCK_BYTES", 1)
    regions = task.replaced(
        kind="region", class_names=(), label_map={}, roi_map={0: 0, 1: 0, 2: 1, 3: 1}, annotated_z=(2, 5)
    )
    found = list(pieces_of(regions, regions.boxes("train")[:1], *open_task(regions)))
    assert [piece.starts[0] for piece in labelled(regions, found)] == [2, 3, 4]


def test_a_subvolume_that_no_cube_holds_whole_goes_on_in_the_next_ones(task: TaskSpec) -> None:
    across = task.replaced(depth=4, across_cubes=True)
    pieces_own = list(pieces_of(across, across.boxes("train"), *open_task(across)))
    rows = [row for piece in pieces_own for row in range(piece.rows.start, piece.rows.stop)]
    crossings = list(crossings_of(across, ("train",)))
    # Two cubes of ten slices: three subvolumes each, of which the third has two slices in its own cube.
    assert (rows, [crossing.row for crossing in crossings]) == ([0, 1, 3, 4], [2, 5])
    spans = [[(box.lower[0], box.upper[0]) for box in crossing.boxes] for crossing in crossings]
    assert spans == [[(8, 10), (0, 2)], [(8, 10)]]
    first, last = crossings_of(across.replaced(depth=13), ("train",))
    assert [(box.lower[0], box.upper[0]) for box in first.boxes] == [(0, 10), (0, 3)]
    assert [(box.lower[0], box.upper[0]) for box in last.boxes] == [(0, 10)]
