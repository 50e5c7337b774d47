import numpy as np
import pandas as pd
import pytest
import zarr
from mtneuro_probe import ALL_FEATURES, semantic_features
from mtneuro_probe.registry import MEASURES
from mtneuro_probe.tables import load_features


def check_table(path, expected: pd.DataFrame) -> None:
    """Check that the table written is the one expected, to the last digit."""
    written = load_features(path)
    assert written.columns.tolist() == expected.columns.tolist()
    assert written.index.tolist() == expected.index.tolist()
    np.testing.assert_array_equal(written.to_numpy(), expected.to_numpy())


IDS = [f"{cube}/z{z}" for cube in ("A-CTX", "A-STR") for z in range(110, 140)]


def test_features_of_an_export_are_written_with_its_ids_and_voxel_size(tmp_path, export, labels, run):
    assert run("features", export, "-o", tmp_path / "f.csv") == 0
    expected = semantic_features(labels, sample_id=IDS, voxel_size_um=(1, 2, 2))
    check_table(tmp_path / "f.csv", expected)


def test_the_file_that_is_written_is_told(capsys, tmp_path, export, run):
    assert run("features", export, "-o", tmp_path / "new" / "f.csv") == 0
    assert capsys.readouterr().out.endswith(f"60 rows written to {tmp_path / 'new' / 'f.csv'}\n")


def test_features_of_an_array_a_zarr_and_an_ome_zarr_agree(tmp_path, labels, run):
    np.save(tmp_path / "cube.npy", labels)
    zarr.save_array(str(tmp_path / "array.zarr"), labels)
    group = zarr.create_group(str(tmp_path / "ome.zarr"))
    group.create_array("0", data=labels)
    scale = {"type": "scale", "scale": [1.17, 1.17, 1.17]}
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    dataset = {"path": "0", "coordinateTransformations": [scale]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [dataset]}]}
    options = ("-o", tmp_path / "f.csv", "--force", "--cube", "A-ZI", "--first-z", 110)
    tables = []
    for name in ("cube.npy", "array.zarr", "ome.zarr"):
        # The third states its voxel size itself.
        size = () if name == "ome.zarr" else ("--voxel-size", 1.17, 1.17, 1.17)
        assert run("features", tmp_path / name, *options, *size) == 0
        tables.append((tmp_path / "f.csv").read_text())
    assert tables[0] == tables[1] == tables[2]
    assert "A-ZI/z110," in tables[0]


def test_ids_of_a_zarr_are_those_that_it_holds(tmp_path, labels, run):
    ids = [f"A-CTX/z{110 + 2 * n}" for n in range(len(labels))]
    array = zarr.create_array(str(tmp_path / "labels.zarr"), data=labels)
    array.attrs["sample_id"] = ids
    assert run("features", tmp_path / "labels.zarr", "-o", tmp_path / "f.csv") == 0
    assert pd.read_csv(tmp_path / "f.csv")["sample_id"].tolist() == ids


def test_part_of_a_volume_is_measured_and_keeps_its_slice_numbers(tmp_path, labels, run):
    np.save(tmp_path / "cube.npy", labels)
    words = ("features", tmp_path / "cube.npy", "-o", tmp_path / "f.csv", "--first-z", 100)
    assert run(*words, "--z", "5:8", "--y", "2:20", "--x", "0:16") == 0
    expected = semantic_features(labels[5:8, 2:20, :16], sample_id=["cube/z105", "cube/z106", "cube/z107"])
    check_table(tmp_path / "f.csv", expected)


def test_a_file_without_a_voxel_size_gives_pixels_and_says_how_to_name_it(capsys, tmp_path, labels, run):
    np.save(tmp_path / "cube.npy", labels)
    assert run("features", tmp_path / "cube.npy", "-o", tmp_path / "f.csv") == 0
    assert "states no voxel size, so lengths are in pixels; --voxel-size Z Y X" in capsys.readouterr().out
    assert load_features(tmp_path / "f.csv").columns.tolist()[3:] == [
        "cell_size_px",
        "nearest_neighbour_distance_px",
    ]
    sized = ("features", tmp_path / "cube.npy", "-o", tmp_path / "f.csv", "--force", "--cube", "labels")
    for option in ("--voxel-size", "--voxel-size-um"):
        assert run(*sized, option, 0.04, 0.01, 0.02) == 0
        check_table(tmp_path / "f.csv", semantic_features(labels, voxel_size_um=(0.04, 0.01, 0.02)))
    assert "in pixels" not in capsys.readouterr().out


def test_a_label_that_was_not_annotated_is_left_empty(tmp_path, labels, run):
    np.save(tmp_path / "cube.npy", np.where(labels == 3, 0, labels))
    words = ("features", tmp_path / "cube.npy", "-o", tmp_path / "f.csv", "--not-annotated", "axon")
    assert run(*words) == 0
    assert np.isnan(pd.read_csv(tmp_path / "f.csv")["axon_density"]).all()


def test_every_feature_corners_and_3d_are_options(tmp_path, export, labels, run):
    words = ("features", export, "-o", tmp_path / "f.csv", "--feature", "all", "--corners")
    assert run(*words, "--components", "3d") == 0
    expected = semantic_features(
        labels,
        sample_id=IDS,
        voxel_size_um=(1, 2, 2),
        features=ALL_FEATURES,
        corners=True,
        components="3d",
    )
    check_table(tmp_path / "f.csv", expected)


def test_the_original_definition_is_an_option(tmp_path, export, labels, run):
    assert run("features", export, "-o", tmp_path / "f.csv", "--definition", "original") == 0
    expected = semantic_features(labels, sample_id=IDS, definition="original")
    check_table(tmp_path / "f.csv", expected)


def test_labels_of_one_s_own_are_measured(tmp_path, export, run):
    words = ("features", export, "-o", tmp_path / "f.csv", "--label", "synapse=2", "--label", "vesicle=3")
    assert run(*words, "--ignore", "1") == 0
    assert load_features(tmp_path / "f.csv").columns.tolist() == [
        f"{name}_{what}"
        for name in ("synapse", "vesicle")
        for what in ("density", "count", "size", "distance")
    ]


def test_a_label_may_be_the_name_of_a_class_in_the_file(tmp_path, export, run, capsys):
    numbers = ("features", export, "-o", tmp_path / "a.csv", "--label", "cell=2", "--label", "fibre=3")
    names = ("features", export, "-o", tmp_path / "b.csv", "--label", "cell", "--label", "fibre=axon")
    assert run(*numbers, "--ignore", "1") == run(*names, "--ignore", "blood vessel") == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    numbers = ("features", export, "-o", tmp_path / "c.csv", "--vessel-value", "3", "--axon-value", "1")
    names = ("features", export, "-o", tmp_path / "d.csv", "--vessel-value", "axon")
    assert run(*numbers) == run(*names, "--axon-value", "blood vessel") == 0
    assert (tmp_path / "c.csv").read_text() == (tmp_path / "d.csv").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--label", "cel"),
            "the label of --label must be one of background, blood vessel, cell, axon, got 'cel'",
        ),
        (("--vessel-value", "blood vesel"), "did you mean 'blood vessel'?"),
        (("--ignore", "axn"), "got 'axn'; did you mean 'axon'?"),
        (("--label", "=3"), "--label must read NAME=VALUE, such as synapse=5, or NAME, got '=3'"),
    ],
)
def test_an_unknown_class_is_refused_by_the_nearest(capsys, tmp_path, export, run, words, told):
    assert run("features", export, "-o", tmp_path / "f.csv", *words) == 2
    assert told in capsys.readouterr().err


def test_a_name_needs_a_file_that_names_its_classes(capsys, tmp_path, labels, run):
    np.save(tmp_path / "cube.npy", labels)
    assert run("features", tmp_path / "cube.npy", "-o", tmp_path / "f.csv", "--label", "synapse") == 2
    assert "--label must give a value, such as 5, as the file names no classes" in capsys.readouterr().err


def test_ids_of_instances_are_counted(tmp_path, run):
    ids = np.array([[[0, 7, 7, 1 << 60, 1 << 60]]], np.uint64)
    zarr.create_array(str(tmp_path / "ids.zarr"), data=ids)
    words = ("features", tmp_path / "ids.zarr", "-o", tmp_path / "f.csv", "--force")
    assert run(*words, "--instances", "cell", "--feature", "cell_count") == 0
    assert load_features(tmp_path / "f.csv")["cell_count"].tolist() == [2]
    assert run(*words, "--instances", "neuron") == 0
    assert load_features(tmp_path / "f.csv")["neuron_count"].tolist() == [2]
    assert run(*words, "--instances", "neuron", "--label", "glia=7") == 0
    assert load_features(tmp_path / "f.csv")[["glia_count", "neuron_count"]].to_numpy().tolist() == [[1, 1]]


# What was read wrongly before all packages shared one reader.


def test_some_features_of_ones_own_labels_are_asked_for_by_name(tmp_path, export, run, capsys):
    words = ["features", export, "-o", tmp_path / "f.csv", "--label", "net=2", "--label", "vesicle=3"]
    words += ["--ignore", 1]
    assert run(*words, "--feature", "net_length_density", "--feature", "vesicle_count") == 0
    table = pd.read_csv(tmp_path / "f.csv", index_col="sample_id")
    assert list(table.columns) == ["net_length_density", "vesicle_count"]
    assert run(*words, "--feature", "all", "--force") == 0
    assert len(pd.read_csv(tmp_path / "f.csv", index_col="sample_id").columns) == 2 * len(MEASURES)
    capsys.readouterr()
    assert run(*words, "--feature", "vessel_density", "--force") == 2
    assert "got 'vessel_density'" in capsys.readouterr().err


def test_classes_of_a_file_that_are_not_the_papers_are_measured_by_their_names(tmp_path, labels, run):
    names = ["background", "membrane", "mitochondrion", "cell"]
    file = tmp_path / "em.npz"
    np.savez(
        file,
        format_version=np.int64(1),
        masks=labels,
        class_names=names,
        sample_id=IDS,
        voxel_size_um=(1, 2, 2),
    )
    assert run("features", file, "-o", tmp_path / "f.csv") == 0
    table = pd.read_csv(tmp_path / "f.csv", index_col="sample_id")
    kinds = ("density", "count", "size", "distance")
    assert list(table.columns) == [f"{name}_{kind}" for name in names[1:] for kind in kinds]
    assert table["membrane_density"].tolist() == pytest.approx((labels == 1).mean(axis=(1, 2)))


def ome_labels(path, labels: np.ndarray, *, axes: str, scale: list[float], unit: str) -> None:
    group = zarr.create_group(str(path))
    group.create_array("0", data=labels)
    dataset = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    named = [{"name": name, "type": "space", "unit": unit} for name in axes]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": named, "datasets": [dataset]}]}


def test_a_scale_in_nanometres_gives_sizes_in_micrometres(tmp_path, labels, run):
    ome_labels(tmp_path / "nm.zarr", labels, axes="zyx", scale=[1000, 500, 500], unit="nanometer")
    assert run("features", tmp_path / "nm.zarr", "-o", tmp_path / "f.csv", "--feature", "cell_size") == 0
    expected = semantic_features(labels, voxel_size_um=(1, 0.5, 0.5), features=["cell_size"])
    np.testing.assert_allclose(load_features(tmp_path / "f.csv").to_numpy(), expected.to_numpy())


@pytest.mark.parametrize(
    ("axes", "scale", "told"),
    [
        ("xyz", [1, 1, 1], "nm.zarr"),
        ("zyx", [1, 1], "nm.zarr"),
    ],
)
def test_axes_or_scales_that_are_not_z_y_x_are_refused(capsys, tmp_path, labels, run, axes, scale, told):
    ome_labels(tmp_path / "nm.zarr", labels, axes=axes, scale=scale, unit="micrometer")
    assert run("features", tmp_path / "nm.zarr", "-o", tmp_path / "f.csv") == 2
    assert told in capsys.readouterr().err
