"""What a person corrected is read back as they left it, and what cannot be theirs is refused."""

from typing import Any

import numpy as np
import pytest
import zarr
from mtneuro_seg.annotation.corrections import read_corrections
from mtneuro_seg.annotation.folder import read_suggestions
from mtneuro_seg.nifti import read_nifti, write_nifti

NAMES = ("background", "vessels", "cells")
SIZES = (3.0, 2.0, 1.0)


@pytest.fixture
def round1(suggested, tmp_path):
    """A folder of two boxes, and the place of the first."""
    first, _ = suggested(tmp_path / "round1")
    return tmp_path / "round1", tmp_path / "round1" / "boxes" / first.box.name


def labels() -> np.ndarray:
    """Return labels that are nobody's prediction, nowhere symmetric."""
    drawn = np.random.default_rng(5).integers(0, 3, (2, 16, 16), dtype=np.uint8)
    drawn[0, 0, :5] = 255
    return drawn


def test_corrected_labels_come_back_with_their_image(round1, volume):
    folder, place = round1
    write_nifti(place / "labels.nii.gz", labels(), voxel_size_um=SIZES)
    (found,), others = read_corrections(folder, class_names=NAMES)
    np.testing.assert_array_equal(found.labels, labels())
    z, y, x = found.box.lower
    np.testing.assert_array_equal(found.image, volume[z : z + 2, y : y + 16, x : x + 16])
    prediction = read_suggestions(folder).boxes[0].prediction
    assert found.changed == (labels() != prediction).mean()
    assert others == (read_suggestions(folder).boxes[1].box.name,)


def test_labels_that_another_tool_saved_turned_and_as_other_numbers_are_put_right(round1):
    nibabel: Any = pytest.importorskip("nibabel")
    folder, place = round1
    written = nibabel.load(place / "labels.nii.gz")
    for kind in (np.int16, np.float32):
        image = nibabel.Nifti1Image(labels().T.astype(kind), written.affine)
        image.header.set_xyzt_units("mm")
        flipped = image.as_reoriented(nibabel.orientations.axcodes2ornt(("P", "I", "L")))
        assert flipped.shape == (2, 16, 16)
        nibabel.save(flipped, place / "labels.nii.gz")
        (found,), _ = read_corrections(folder, class_names=NAMES)
        np.testing.assert_array_equal(found.labels, labels())


@pytest.mark.parametrize("name", ["labels.npy", "labels-corrected.npz", "labels.ome.zarr"])
def test_labels_may_be_saved_beside_or_into_the_ome_zarr(round1, name):
    folder, place = round1
    if name.endswith("npy"):
        np.save(place / name, labels())
    elif name.endswith("npz"):
        np.savez(place / name, masks=labels())
    else:
        level: Any = zarr.open_group(place / name, mode="r+")["0"]
        level[...] = labels()
    (found,), _ = read_corrections(folder, class_names=NAMES)
    np.testing.assert_array_equal(found.labels, labels())


def test_boxes_that_were_not_changed_count_only_where_they_are_accepted(round1):
    folder, _ = round1
    first, second = (each.box.name for each in read_suggestions(folder).boxes)
    assert read_corrections(folder, class_names=NAMES) == ((), (first, second))
    (found,), others = read_corrections(folder, class_names=NAMES, accept=[second])
    assert (found.box.name, found.changed, others) == (second, 0, (first,))
    both, others = read_corrections(folder, class_names=NAMES, accept=["all"])
    assert (len(both), others) == (2, ())


def test_a_box_whose_folder_was_removed_is_left_out(round1):
    folder, place = round1
    for path in sorted(place.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    place.rmdir()
    found, others = read_corrections(folder, class_names=NAMES, accept=["all"])
    assert (len(found), others) == (1, (place.name,))


def test_two_corrections_of_a_box_must_be_alike(round1):
    folder, place = round1
    np.save(place / "labels.npy", labels())
    write_nifti(place / "labels.nii.gz", labels(), voxel_size_um=None)
    assert len(read_corrections(folder, class_names=NAMES)[0]) == 1
    np.save(place / "labels.npy", labels() * 0)
    with pytest.raises(ValueError, match=r"two that differ, labels\.nii\.gz and labels\.npy, .* remove one"):
        read_corrections(folder, class_names=NAMES)


@pytest.mark.parametrize(
    ("wrong", "size", "told"),
    [
        (labels()[:1], SIZES, r"must have the box's shape \(2, 16, 16\), got \(1, 16, 16\)"),
        (labels().transpose(1, 2, 0), SIZES, r"must have the box's shape \(2, 16, 16\), got \(16, 16, 2\)"),
        (labels() + np.uint8(1), SIZES, "from 0 to 2, or 255 where nothing is known, got 3 in "),
        (labels().astype(np.int16) - 1, SIZES, "from 0 to 2, or 255 where nothing is known, got -1 in "),
        (labels() * 0.5, SIZES, "from 0 to 2, or 255 where nothing is known, got 0.5 in "),
        (labels(), (3.0, 1.0, 1.0), "must have the image's voxels of 3 x 2 x 1 µm, got 3 x 1 x 1 µm"),
    ],
)
def test_labels_that_cannot_be_the_boxs_are_refused(round1, wrong, size, told):
    folder, place = round1
    write_nifti(place / "labels.nii.gz", wrong, voxel_size_um=size)
    with pytest.raises(ValueError, match=told) as error:
        read_corrections(folder, class_names=NAMES)
    assert "labels.nii.gz" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_of_other_classes_is_refused(round1):
    with pytest.raises(ValueError, match="a model of the classes background, cells, got background, vessels"):
        read_corrections(round1[0], class_names=("background", "cells"))


def test_missing_files_and_another_image_are_told(round1):
    folder, place = round1
    image = read_nifti(place / "image.nii.gz").array
    write_nifti(place / "image.nii.gz", image[::-1], voxel_size_um=SIZES)
    with pytest.raises(ValueError, match="must hold the image that was suggested, got other voxels"):
        read_corrections(folder, class_names=NAMES, accept=["all"])
    (place / "image.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"must have its image\.nii\.gz, found none in "):
        read_corrections(folder, class_names=NAMES, accept=["all"])
    (place / "labels.nii.gz").unlink()
    (place / "labels.ome.zarr").rename(place / "other.ome.zarr")
    with pytest.raises(FileNotFoundError, match="must have a file of labels"):
        read_corrections(folder, class_names=NAMES)
    (place / "labels.nii.gz").write_bytes(b"no file")
    with pytest.raises(ValueError, match="not a readable NIfTI file"):
        read_corrections(folder, class_names=NAMES)
