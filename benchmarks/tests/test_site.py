"""The documentation site builds without a warning and without a network, and its links lead somewhere."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
from filelock import FileLock
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
BESIDE = (
    "benchmarks",
    "packages",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "pyproject.toml",
)


def copied(folder: Path) -> Path:
    """Return a copy of the pages in a folder with what they name, so that nothing is made in the checkout."""
    for name in BESIDE:
        (folder / name).symlink_to(ROOT / name)
    made = shutil.ignore_patterns("_build", "learn", "__pycache__", "mtneuro_*")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=made)
    return folder / "docs"


def built(folder: Path) -> None:
    """Build the site of a folder's pages, any warning an error."""
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "docs", "site"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once for all processes of the test run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "documentation"
    with FileLock(f"{folder}.lock"):
        if not (folder / "site" / "index.html").exists():
            folder.mkdir()
            copied(folder)
            built(folder)
    return folder / "site"


class Page(HTMLParser):
    """What a page links to, what it loads, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {given[key] or "" for key in ("id", "name") if key in given}
        if tag == "a":
            self.links.append(given.get("href") or "")
        elif given.get("rel") not in ("canonical", "search", "next", "prev"):
            self.loads += [given[key] or "" for key in ("src", "href") if key in given]


def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_link_within_the_site_leads_to_a_page_and_a_place(site: Path) -> None:
    found = pages(site)
    assert len(found) > 200
    lost: list[str] = []
    for path, page in found.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("https", "mailto"), f"{path}: {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file() or (target in found and parts.fragment not in found[target].anchors):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_page_loads_anything_from_a_network(site: Path) -> None:
    loads = [load for page in pages(site).values() for load in page.loads]
    assert loads
    assert [load for load in loads if urlsplit(load).scheme not in ("", "data")] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("package", ["mtneuro_data", "mtneuro_ssl", "mtneuro_seg", "mtneuro_probe"])
def test_every_public_name_has_its_place_in_the_reference(site: Path, package: str) -> None:
    (index,) = (page for path, page in pages(site).items() if path == site / "api" / f"{package}.html")
    names = {name for name in import_module(package).__all__ if not name.startswith("__")}
    assert names
    linked = {urlsplit(link).fragment.rpartition(".")[2] for link in index.links}
    assert {name for name in names if name not in linked and not is_module(package, name)} == set()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_setting_is_told_in_its_own_words(site: Path) -> None:
    page = (site / "api/mtneuro_ssl/mtneuro_ssl.TrainSettings.html").read_text("utf-8")
    assert "<p>Network from image to embedding: one that" in page
    assert "FieldInfo" not in page.partition("</dt>")[0]


def is_module(package: str, name: str) -> bool:
    return isinstance(getattr(import_module(package), name), type(sys))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a page](nowhere.md)", "nowhere.md"),
        ("[a place](architecture.md#nowhere)", "nowhere"),
        ("[a file](../benchmarks/nowhere.py)", "nowhere.py"),
        ("{py:func}`mtneuro_data.nowhere`", "nowhere"),
    ],
)
def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    docs = copied(tmp_path)
    kept = ("index.md", "architecture.md")
    for page in docs.rglob("*.md"):
        if page.relative_to(docs).as_posix() not in kept:
            page.unlink()
    (docs / "index.md").write_text(f"# Only page\n\n{text}\n\n```{{toctree}}\narchitecture\n```\n", "utf-8")
    (docs / "architecture.md").write_text("# Architecture\n", "utf-8")
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-D", "autosummary_generate=0"]
    options = ["-D", "exclude_patterns=_*,api,learn,tutorials", "-D", "plot_gallery=0", "docs", "site"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert said in done.stderr


GALLERY = runpy.run_path(str(ROOT / "docs/_ext/gallery.py"))


def test_every_tutorial_has_its_place() -> None:
    assert sorted(GALLERY["ORDER"]) == sorted(path.stem for path in (ROOT / "docs/tutorials").glob("*.py"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", GALLERY["ORDER"])
def test_a_tutorial_has_its_figures_and_no_error(site: Path, name: str) -> None:
    page = (site / "learn" / f"{name}.html").read_text("utf-8")
    figures = re.findall(rf'src="([^"]*sphx_glr_{name}_\d+\.png)"', page)
    assert figures
    assert all((site / "learn" / figure).is_file() for figure in figures)
    assert "Traceback" not in page


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", GALLERY["ORDER"])
def test_a_notebook_runs_in_an_empty_folder(site: Path, tmp_path: Path, name: str) -> None:
    cells = json.loads((site / "notebooks" / f"{name}.ipynb").read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    (tmp_path / "notebook.py").write_text(code, "utf-8")
    command = [sys.executable, "notebook.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_figure_made_without_pyplot_is_shown_once(tmp_path: Path) -> None:
    figure = Figure()
    paths = [str(tmp_path / f"{count}.png") for count in range(2)]
    names = {"example_globals": {"figure": figure, "___": figure}, "image_path_iterator": iter(paths)}
    conf = {"src_dir": str(tmp_path)}
    assert "0.png" in GALLERY["figures"](None, names, conf)
    assert GALLERY["figures"](None, names, conf) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["0.png"]


@pytest.mark.parametrize(("service", "links"), [("", 0), ("https://example.org/{name}.ipynb", 1)])
@pytest.mark.parametrize("page", ["learn/load_cutouts", "learn/index", "start"])
def test_a_tutorial_links_to_a_notebook_service_where_one_is_named(
    service: str, links: int, page: str
) -> None:
    content = ["text"]
    config = SimpleNamespace(notebook_service=service)
    GALLERY["add_badge"](SimpleNamespace(config=config), page, content)
    shown = links if page == "learn/load_cutouts" else 0
    assert content[0].count("<https://example.org/load_cutouts.ipynb>") == shown


def test_the_published_site_opens_its_notebooks_where_it_puts_them(tmp_path: Path) -> None:
    workflow = (ROOT / ".github/workflows/docs.yml").read_text("utf-8")
    (service,) = re.findall(r'-D "notebook_service=(.+?)"', workflow)
    repository, _, file = service.format(name="load_cutouts").partition("/blob/gh-pages/")
    assert repository == "https://colab.research.google.com/github/$GITHUB_REPOSITORY"
    source, site = tmp_path / "docs", tmp_path / "html"
    (source / "learn").mkdir(parents=True)
    (source / "learn" / "load_cutouts.ipynb").write_text("{}", "utf-8")
    site.mkdir()
    builder = SimpleNamespace(name="html")
    GALLERY["copy_notebooks"](SimpleNamespace(builder=builder, outdir=site, srcdir=source), None)
    assert (site / file).read_text("utf-8") == "{}"


REPOSITORY = runpy.run_path(str(ROOT / "docs/_ext/repository.py"))


@pytest.mark.parametrize(
    ("target", "at", "expected"),
    [
        ("glossary.md", "", "[words](/glossary.md)"),
        ("glossary.md#top", "", "[words](/glossary.md#top)"),
        ("../packages/mtneuro-seg/README.md#commands", "", "[words](/packages/mtneuro-seg.md#commands)"),
        ("../packages/mtneuro-seg", "", "[words](/packages/mtneuro-seg.md)"),
        ("../README.md", "", "[words](/index.md)"),
        ("decisions", "", "[words](/decisions/README.md)"),
        ("../LICENSE", "", "words"),
        ("../LICENSE", "https://example.org/o/n", "[words](https://example.org/o/n/blob/main/LICENSE)"),
        ("../benchmarks/records/leaderboard.html", "", "[words](/../benchmarks/records/leaderboard.html)"),
        ("../nowhere.py", "https://example.org/o/n", "[words](../nowhere.py)"),
        ("https://example.org/a.md", "", "[words](https://example.org/a.md)"),
        ("#place", "", "[words](#place)"),
    ],
)
def test_links_of_the_tree_are_links_of_the_site(target: str, at: str, expected: str) -> None:
    docs = ROOT / "docs"
    known = REPOSITORY["pages"](docs)
    found = REPOSITORY["resolved"]("words", target, origin=docs / "a.md", source=docs, known=known, at=at)
    assert found == expected


def test_code_is_not_searched_for_links() -> None:
    text = "a [b](c), `[b](c)` and [`d`](e)\n\n    [b](c)\n\n```python\nx = a[b](c)\n```\n"
    expected = text.replace("a [b](c)", "a b->c", 1).replace("[`d`](e)", "`d`->e")
    assert REPOSITORY["rewritten"](text, lambda words, target: f"{words}->{target}") == expected


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("words", "page"), [("phantom", "mtneuro_data.phantom"), ("MYOW pool", "mtneuro-ssl")]
)
def test_the_search_finds_pages_from_the_disk(site: Path, tmp_path: Path, words: str, page: str) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    address = f"{(site / 'search.html').as_uri()}?q={words.replace(' ', '+')}"
    command = [chromium, *flags, "--virtual-time-budget=20000", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"found \d+ pages? matching", done.stdout)
    results = Page(done.stdout.partition('<ul role="list" class="search">')[2]).links
    assert any(page in link for link in results)
