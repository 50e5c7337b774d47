"""The documentation site: `uv run sphinx-build -W -n docs docs/_build/html`, without a network."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

from gallery import FIRST_CELL  # noqa: E402  # stands in _ext
from public_names import write_pages  # noqa: E402  # stands in _ext

project = "MTNeuro"
author = "The MTNeuro suite contributors"
copyright = author  # noqa: A001  # Sphinx's name of it
release = version = version_of("mtneuro-data")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "repository",
    "public_names",
    "citation",
    "gallery",
]
exclude_patterns = ["_build", "_ext", "_templates", "tutorials/*.rst"]
templates_path = ["_templates"]
default_role = "autolink"
suppress_warnings = ["config.cache"]

# The address of the public repository, such as "https://host/owner/name", as the workflow that publishes the
# site gives it. While it is empty, files that are no pages of the site are named without a link.
repository_address = ""

# Where a tutorial's notebook opens in a browser, with {name} for its name: the address at which a service
# opens the file notebooks/{name}.ipynb of the branch gh-pages, as the workflow gives it, too. While it is
# empty, no page has such a badge.
notebook_service = ""

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "learn",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "gallery.Order",
    "first_notebook_cell": FIRST_CELL,
    "image_scrapers": ("matplotlib", "gallery"),
    "ignore_repr_types": r"matplotlib|NoneType|'(int|list)'|mtneuro_",
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autosummary_generate = True
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False  # the name in front of a result is no type
add_module_names = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88
# Nothing is looked up in a network: names of other projects, and modules inside a package, have no pages.
nitpick_ignore_regex = [(r"py:.*", r"(?!mtneuro_).*"), (r"py:.*", r"mtneuro_\w+\.\w+\..*")]

html_theme = "pydata_sphinx_theme"
html_title = "MTNeuro"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_last_updated_fmt = None
html_theme_options = {
    "logo": {"text": "MTNeuro"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "back_to_top_button": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}

os.environ.setdefault("MPLBACKEND", "agg")
write_pages(HERE / "api")
