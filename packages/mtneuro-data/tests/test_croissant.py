import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import TaskSpec, builtin_task, croissant_metadata, load, task_names
from mtneuro_data.provenance import provenance_of

# The parser of JSON-LD that mlcroissant uses warns of itself.
parser = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")


def checked(metadata: dict[str, Any], folder: Path) -> Any:
    """Return a description as mlcroissant reads it, which refuses a wrong one."""
    mlcroissant = pytest.importorskip("mlcroissant")
    (folder / "croissant.json").write_text(json.dumps(metadata), encoding="utf-8")
    return mlcroissant.Dataset(folder / "croissant.json")


def found(dataset: Any) -> tuple[set[str], set[str]]:
    issues = dataset.metadata.ctx.issues
    return set(issues.errors), set(issues.warnings)


@parser
@pytest.mark.parametrize("name", ["roi-c1-3d", "seg-3d-4class"])
def test_mlcroissant_finds_nothing_wrong_with_a_built_in_task(name: str, tmp_path: Path) -> None:
    dataset = checked(croissant_metadata(builtin_task(name)), tmp_path)
    assert found(dataset) == (set(), set())


@parser
@pytest.mark.slow
@pytest.mark.parametrize("source", ["bossdb", "phantom"])
@pytest.mark.parametrize("name", task_names())
def test_mlcroissant_finds_nothing_wrong_with_any_built_in_task(
    name: str, source: str, tmp_path: Path
) -> None:
    dataset = checked(croissant_metadata(builtin_task(name).with_source(source)), tmp_path)
    errors, warnings = found(dataset)
    assert not errors
    # When a phantom of a version was published is a matter of the package's releases.
    assert [each for each in warnings if "datePublished" not in each] == []


@parser
def test_mlcroissant_reads_every_sample_with_its_box(tmp_path: Path, task: TaskSpec) -> None:
    dataset = checked(croissant_metadata(task.replaced(depth=2)), tmp_path)
    records = list(dataset.records("samples"))
    image = np.load(tmp_path / "image.npy")
    for split in task.splits:
        arrays = load(task.replaced(depth=2), split)
        boxes = {
            record["samples/id"]: tuple(
                slice(int(record[f"samples/{axis}_start"]), int(record[f"samples/{axis}_stop"]))
                for axis in "zyx"
            )
            for record in records
            if record["samples/split"] == split
        }
        assert list(boxes) == arrays.sample_id.tolist()
        for sample, voxels in zip(arrays.sample_id, arrays.images, strict=True):
            np.testing.assert_array_equal(image[boxes[sample]], voxels)
        regions = [record["samples/region"] for record in records if record["samples/split"] == split]
        assert regions == [arrays.region_names[number] for number in arrays.region]


@parser
@pytest.mark.parametrize("broken", ["a missing field", "an unknown set", "no licence"])
def test_mlcroissant_would_find_a_wrong_description(broken: str, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    metadata = croissant_metadata(builtin_task("roi-c1-3d"))
    samples = metadata["recordSet"][-1]
    if broken == "no licence":
        del metadata["license"]
        assert "license" in str(found(checked(metadata, tmp_path))[1])
        return
    if broken == "a missing field":
        del samples["data"][3]["samples/z_stop"]
    else:
        samples["field"][1]["references"]["field"]["@id"] = "elsewhere/name"
    with pytest.raises(mlcroissant.ValidationError):
        checked(metadata, tmp_path)


def test_a_description_names_volumes_licence_people_and_papers() -> None:
    metadata = croissant_metadata(builtin_task("roi-c3", extra="D"))
    assert metadata["conformsTo"][0] == "http://mlcommons.org/croissant/1.0"
    assert [file["contentUrl"] for file in metadata["distribution"]] == [
        "bossdb://prasad/prasad2020/image",
        "bossdb://prasad/prasad_analysis/roi_labels",
    ]
    assert metadata["isLiveDataset"]
    assert metadata["license"] == "https://creativecommons.org/licenses/by/4.0/"
    names = [person["name"] for person in metadata["creator"]]
    assert len(names) == len(set(names)) > 20
    assert {"Jorge Quesada", "Judy A. Prasad", "Vincent De Andrade", "Eva L. Dyer"} <= {*names}
    assert re.findall(r"@\w+\{(\w+),", metadata["citeAs"]) == [
        "quesada2022mtneuro",
        "prasad2020thalamocortical",
    ]
    sets = {each["name"]: each["data"] for each in metadata["recordSet"]}
    assert sets["splits"][2] == {"splits/name": "test", "splits/url": "cr:TestSplit"}
    assert sets["regions"][3] == {"regions/name": "ZI", "regions/value": 3}
    assert len(sets["samples"]) == sum(builtin_task("roi-c3").counts().values())


def test_every_statement_on_responsible_ai_has_a_name_that_the_vocabulary_knows() -> None:
    constants = pytest.importorskip("mlcroissant._src.core.constants")
    known = {
        str(value).rpartition("/")[2]
        for name, value in vars(constants).items()
        if name.startswith("ML_COMMONS_RAI_")
    }
    for task in (builtin_task("roi-c1"), builtin_task("semantics").with_source("phantom")):
        said = {key.removeprefix("rai:") for key in croissant_metadata(task) if key.startswith("rai:")}
        assert said == {*provenance_of(task).statements, "dataPreprocessingProtocol"}
        assert len(said) > 5
        assert said <= known


def test_a_local_volume_has_a_name_and_a_digest_and_no_folder(task: TaskSpec, tmp_path: Path) -> None:
    metadata = croissant_metadata(task)
    image, labels = metadata["distribution"]
    assert (image["contentUrl"], labels["contentUrl"]) == ("image.npy", "labels.npy")
    assert image["sha256"] == hashlib.sha256((tmp_path / "image.npy").read_bytes()).hexdigest()
    assert str(tmp_path) not in json.dumps(metadata)
    assert not metadata["isLiveDataset"]
    assert not metadata.keys() & {"license", "creator", "citeAs", "datePublished", "url"}
    assert [key for key in metadata if key.startswith("rai:")] == ["rai:dataPreprocessingProtocol"]
    assert croissant_metadata(task.replaced(image=f"file://{tmp_path}/image.npy"))["distribution"][0] == image


def test_a_folder_and_an_array_of_a_file_are_named(
    task: TaskSpec, tmp_path: Path, volume: np.ndarray
) -> None:
    import zarr

    np.savez(tmp_path / "both.npz", images=volume, other=volume)
    zarr.create_array(tmp_path / "em.zarr", data=volume)
    in_file = croissant_metadata(task.replaced(image=f"{tmp_path}/both.npz#other"))["distribution"][0]
    assert in_file["contentUrl"] == "both.npz"
    assert in_file["sha256"] == hashlib.sha256((tmp_path / "both.npz").read_bytes()).hexdigest()
    folder = croissant_metadata(task.replaced(image=str(tmp_path / "em.zarr")))
    assert folder["distribution"][0]["contentUrl"] == "em.zarr"
    assert folder["isLiveDataset"]


def test_a_local_volume_that_is_not_there_is_told(task: TaskSpec, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape(f"no file or folder at {tmp_path}/gone.npy")):
        croissant_metadata(task.replaced(image=str(tmp_path / "gone.npy")))


def test_more_samples_than_memory_takes_are_refused(task: TaskSpec) -> None:
    huge = task.replaced(splits={"all": ({"cubes": ("A-CTX",), "z": (0, 1 << 31)},)})
    with pytest.raises(ValueError, match=r"the list of 2147483648 samples .*take a larger z_step"):
        croissant_metadata(huge)


def test_how_samples_are_made_is_said(task: TaskSpec) -> None:
    def said(task: TaskSpec) -> str:
        return " ".join(croissant_metadata(task)["rai:dataPreprocessingProtocol"])

    assert "0 is background, 1 is vessel, 2 is cell, 3 is background" in said(task)
    assert "test is 10 slices or more away from train and val" in said(task)
    assert "reduced by 2" in said(task.replaced(downsample=2))
    assert "from 3 to 90 become float32" in said(task.replaced(intensity=(3, 90), image_type="float32"))
    original = builtin_task("roi-c1-3d", reading="original")
    assert "the most frequent label" in said(original)
    assert "goes on in the next cube" in said(original)
    assert "Slices outside 109 to 459" in said(original)
    last = croissant_metadata(original)["recordSet"][-1]["data"][-1]
    assert last["samples/z_stop"] - last["samples/z_start"] < original.depth
