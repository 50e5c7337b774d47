import numpy as np
from mtneuro_data import Cube, SplitPart, TaskArrays, TaskSpec

from mtneuro_suite.steps import Arrays


def task(image: str) -> TaskSpec:
    return TaskSpec(
        name="part",
        kind="region",
        image=image,
        regions=("CTX", "VP"),
        cubes={
            "A-CTX": Cube(region="CTX", y=(0, 4), x=(2, 8)),
            "A-VP": Cube(region="VP", y=(4, 8), x=(0, 6)),
        },
        splits={"all": (SplitPart(cubes=("A-CTX", "A-VP"), z=(1, 4)),)},
    )


def test_the_arrays_are_the_volumes_voxels_and_are_counted_by_region(tmp_path):
    volume = np.random.default_rng(0).integers(0, 256, (5, 8, 8), np.uint8)
    np.save(tmp_path / "volume.npy", volume)
    told = []
    step = Arrays(task=task(str(tmp_path / "volume.npy")), files={})
    outcome = step.run({}, tmp_path, lambda done, total: told.append((done, total)))
    arrays = TaskArrays.read(tmp_path / "arrays.npz")
    assert np.array_equal(arrays.images, np.concatenate([volume[1:4, :4, 2:], volume[1:4, 4:, :6]]))
    assert outcome.extra == {"images": 6, "shape": [6, 4, 6], "per_region": {"CTX": 3, "VP": 3}}
    assert told[-1][0] == told[-1][1]


def test_a_run_is_named_by_the_modules_that_read_its_volume_and_by_no_others():
    modules = {
        name: Arrays(task=task(f"{name}://image"), files={}).executed_modules()
        for name in ("phantom", "bossdb")
    }
    assert any("phantom" in module for module in modules["phantom"])
    assert not any("phantom" in module for module in modules["bossdb"])
