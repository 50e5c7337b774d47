"""Fill a template with values: one HTML file that opens offline."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def filled(template: str, filters: Mapping[str, Any] | None = None, **values: Any) -> str:
    """Return a template of ``templates`` with its values in place, escaped.

    Parameters
    ----------
    template
        The file's name.
    filters
        What the template calls besides Jinja's own filters.
    values
        What it shows; a missing one is an error.
    """
    environment = Environment(
        loader=PackageLoader("mtneuro_suite.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(template).render(**values)
