"""What pages show can be copied: Python runs in an empty folder, and commands are taken as they are."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "benchmarks/README.md",
        *ROOT.glob("packages/*/README.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/howto/*.md"),
    ]
)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(
    r"^(?: {4})?((?:mtneuro(?:-(?:data|ssl|seg|probe))?|uv run benchmarks/(?:run_all|compare|scale)\.py)"
    r"(?: .*)?)$"
)

# What a page takes for given, by its place: each is run before the page's own blocks.
GIVEN = {
    "packages/mtneuro-data/README.md": """
import os
from mtneuro_data import open_volume
from mtneuro_data.serving import Catalogue, VolumeServer

# The database, on the loopback address.
server = VolumeServer(Catalogue({"prasad/prasad2020/image": open_volume("phantom://image")}))
server.__enter__()
os.environ |= {"INTERN_PROTOCOL": "http", "INTERN_HOST": server.address.host}
""",
    "packages/mtneuro-ssl/README.md": """
import numpy as np, timm, torch
from mtneuro_ssl import TrainSettings, train
from safetensors.torch import save_file

rng = np.random.default_rng(0)
images = rng.integers(0, 256, (128, 32, 32), dtype=np.uint8)
masks = (images // 86).astype(np.uint8)
labels = np.arange(128) % 2
np.save("images.npy", images)
train(images, TrainSettings(method="supervised", steps=1, batch_size=8), labels=labels, out="supervised")
network = timm.create_model("vit_small_patch14_dinov2", num_classes=0)
save_file(network.state_dict(), "dinov2_small.safetensors")
""",
    "packages/mtneuro-seg/README.md": """
import numpy as np
volume = np.random.default_rng(0).integers(0, 256, (4, 256, 256), dtype=np.uint8)
encode = lambda boxes: boxes.mean(axis=2)
""",
}

# What is shortened, so that a page's run takes moments and not hours.
SHORTER = {
    "epochs=200": "steps=1",
    "epochs=20": "steps=1",
    "steps=300": "steps=2",
    "cortex = image[110:410": "cortex = image[110:114",
}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def program(page: Path) -> str:
    """Return a page's Python, in order, after what it takes for given."""
    text = GIVEN.get(name(page), "") + "\n".join(PYTHON.findall(page.read_text("utf-8")))
    for long, short in SHORTER.items():
        text = text.replace(long, short)
    return text


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", [page for page in PAGES if PYTHON.search(page.read_text("utf-8"))], ids=name)
def test_the_python_of_a_page_runs_in_an_empty_folder(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTNEURO_CACHE", str(tmp_path / "cache"))
    done = subprocess.run([sys.executable, "-c", program(page)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def commands(page: Path) -> Iterator[str]:
    """Yield each command of a page that is whole, without what is said of it and where it prints."""
    for line in re.sub(r"\\\n\s*", "", page.read_text("utf-8")).splitlines():
        if (match := COMMAND.match(line)) and not re.search(r"\[|`|…|\.\.\.|\|", match[1]):
            yield re.split(r"\s{2,}|\s[#>]\s", match[1])[0]


@pytest.mark.parametrize("page", [page for page in PAGES if list(commands(page))], ids=name)
def test_the_commands_of_a_page_are_those_that_the_command_line_takes(page: Path) -> None:
    refused: list[str] = []
    for command in commands(page):
        words = shlex.split(command.removesuffix("&"))
        if words[0] == "uv":
            script = Path(words[2]).stem
            ours = {"run_all": ["run"], "compare": ["compare"]}.get(script, [])
            module, rest = "mtneuro_suite.cli" if ours else script, [*ours, *words[3:]]
        else:
            package = {"mtneuro": "mtneuro_suite"}.get(words[0], words[0].replace("-", "_"))
            module, rest = f"{package}.cli", words[1:]
        try:
            import_module(module).app.parse_args(rest, exit_on_error=False, print_error=False)
        except Exception as error:
            refused.append(f"{command}: {error}")
    assert refused == []
