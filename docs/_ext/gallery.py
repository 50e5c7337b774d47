"""The tutorials as notebooks: their order, and a badge that opens them on a service, where one is named."""

import shutil
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

ORDER = (
    "load_cutouts",
    "what_does_my_encoder_know",
    "bring_your_encoder",
    "train_on_bossdb",
    "label_efficiency",
    "label_a_volume_on_a_cluster",
    "proofreading_loop",
    "reproduce_a_table",
)
"""The tutorials, in the order in which they are shown."""

BADGE = """\
.. container:: notebook-service

   :bdg-link-primary:`Open this page as a notebook in your browser <{address}>`

"""

FIRST_CELL = """\
# On a machine that has none of it yet, take the mark off the next line.
# %pip install mtneuro"""


class Order:
    """The key by which tutorials are sorted; sphinx-gallery makes it for each of their folders."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, file: str) -> int:
        """Return a tutorial's place."""
        return ORDER.index(Path(file).stem)

    def __repr__(self) -> str:
        """Return the same text for every build, so that nothing is built again for it."""
        return "Order"


def figures(block: Any, block_vars: dict[str, Any], conf: dict[str, Any]) -> str:
    """Show the figures that a block makes without pyplot, as the packages do."""
    made = [each for each in block_vars["example_globals"].values() if isinstance(each, Figure)]
    paths: list[Any] = []
    for figure in {id(each): each for each in made if not hasattr(each, "number")}.values():
        if not hasattr(figure, "in_gallery"):
            path = next(block_vars["image_path_iterator"])
            figure.savefig(path, dpi=100)
            figure.in_gallery = True  # pyright: ignore[reportAttributeAccessIssue]
            paths.append(path)
    return figure_rst(paths, conf["src_dir"])


def _get_sg_image_scraper() -> Any:  # pyright: ignore[reportUnusedFunction]  # sphinx-gallery's name
    return figures


def add_badge(app: Any, name: str, content: list[str]) -> None:
    """Give a tutorial the badge that opens its notebook on a service, if one is named."""
    folder, _, page = name.partition("/")
    if app.config.notebook_service and folder == "learn" and page in ORDER:
        content[0] = BADGE.format(address=app.config.notebook_service.format(name=page)) + content[0]


def copy_notebooks(app: Any, error: Exception | None) -> None:
    """Put the notebooks at addresses that stay the same, which a service can open."""
    if error is None and app.builder.name == "html":
        place = Path(app.outdir) / "notebooks"
        place.mkdir(exist_ok=True)
        for name in ORDER:
            made = Path(app.srcdir) / "learn" / f"{name}.ipynb"
            if made.exists():
                shutil.copyfile(made, place / made.name)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_config_value("notebook_service", "", "env")
    app.connect("source-read", add_badge)
    app.connect("build-finished", copy_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
