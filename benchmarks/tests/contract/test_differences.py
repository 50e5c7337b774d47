"""The page on how the suite differs from the original: each line names its tests, and its numbers hold."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import builtin_task, downsampled_images
from PIL import Image

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/differences.md").read_text(encoding="utf-8")

TESTS = re.compile(r"`([\w/.-]+\.py)::(test_\w+)`")


def rows() -> list[str]:
    """Return the lines of the page's tables, without their headings."""
    lines = PAGE.splitlines()
    rules = [at for at, line in enumerate(lines) if re.fullmatch(r"\|[-|]+\|", line)]
    assert rules
    headings = {at - 1 for at in rules}
    return [
        line
        for at, line in enumerate(lines)
        if line.startswith("|") and at not in headings and at not in rules
    ]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("|")[1].strip()[:60])
def test_each_line_names_tests_that_are_there(row: str) -> None:
    named = TESTS.findall(row)
    assert named
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, path


def test_what_looks_like_a_test_is_read_as_one() -> None:
    assert PAGE.count("::") == len(TESTS.findall(PAGE))


@pytest.mark.parametrize(("factor", "rms", "most"), [(2, 1.1, 9), (4, 1.3, 13)])
def test_an_area_mean_is_near_the_hamming_filter(
    real_data: Path, factor: int, rms: float, most: float
) -> None:
    scan = np.asarray(Image.open(real_data / "prasad2020" / "image_z159.png"))
    cubes = builtin_task("roi-c3").cubes.values()
    images = np.stack([scan[slice(*cube.y), slice(*cube.x)] for cube in cubes])
    small = (images.shape[2] // factor, images.shape[1] // factor)
    theirs = [
        np.asarray(Image.fromarray(image.astype(np.float32)).resize(small, Image.Resampling.HAMMING))
        for image in images
    ]
    difference = downsampled_images(images, factor) - np.stack(theirs)
    assert np.sqrt(np.square(difference).mean()) == pytest.approx(rms, abs=0.05)
    assert np.abs(difference).max() <= most
