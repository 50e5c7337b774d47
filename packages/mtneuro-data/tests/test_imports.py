"""What an import and a help text may load, seen in a process of its own."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "lightning",
    "sklearn",
    "umap",
    "matplotlib",
    "monai",
    "pandas",
    "intern",
    "zarr",
    "tifffile",
)


@pytest.mark.parametrize(
    "code",
    [
        "import mtneuro_data",
        "import mtneuro_data.cli as c; c.app(['fetch', '--help'], result_action='return_value')",
    ],
)
def test_heavy_libraries_stay_unloaded(code: str) -> None:
    code += f"\nimport sys; print([name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_reading_and_loading_need_no_pytorch() -> None:
    code = (
        "import sys\n"
        "from mtneuro_data import SliceDataset, builtin_task, load\n"
        "task = builtin_task('roi-c1').with_source('phantom').replaced(z_step=50, downsample=4)\n"
        "SliceDataset(load(task, 'test'))[0]\n"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "False"
