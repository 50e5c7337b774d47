"""Each module has its mirror test file: ``a/b.py`` has ``a/test_b.py``."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = {
    **{
        ROOT / f"packages/mtneuro-{name}/src/mtneuro_{name}": ROOT / f"packages/mtneuro-{name}/tests"
        for name in ("data", "ssl", "seg", "probe")
    },
    ROOT / "benchmarks/mtneuro_suite": ROOT / "benchmarks/tests",
}


@pytest.mark.parametrize("house", TESTS, ids=lambda house: house.name)
def test_each_module_has_its_mirror_test_file(house: Path) -> None:
    modules = [path.relative_to(house) for path in sorted(house.rglob("*.py"))]
    missing = [
        str(module)
        for module in modules
        if not module.stem.startswith("__")
        and "_shared" not in module.parts
        and not (TESTS[house] / module.parent / f"test_{module.stem}.py").is_file()
    ]
    assert not missing


def test_each_shared_module_has_its_mirror_test_file_in_one_package() -> None:
    names = {path.name for house in TESTS for path in (house / "_shared").glob("[!_]*.py")}
    tested = {path.name for tests in TESTS.values() for path in (tests / "shared").glob("test_*.py")}
    assert {f"test_{name}" for name in names} == tested
