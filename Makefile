# Tasks of a contributor; `make` alone lists them.
help:    ; @grep ' # ' Makefile | sed 's/:.* # /	/'     # this list
test:    ; uv run pytest                          # the tests
lint:    ; uv run ruff check && uv run ruff format --check && uv run pyright  # style and types
twins:   ; uv run --no-sync tools/twins.py        # copy the shared modules to every package
pins:    ; uv run --no-sync tools/pins.py         # renew the exact versions in pyproject.toml
recipes: ; uv run --no-sync tools/recipes.py      # renew the conda recipes from each pyproject.toml
reference: ; uv run --no-sync tools/reference.py # show the recorded tables in the README
docs:    ; uv run sphinx-build -W -n docs docs/_build/html # the documentation site
ci:      ; .ci/run                                # what CI runs
slow:    ; .ci/run --slow                         # everything that this machine can
wheels:  ; .ci/wheels --tests                     # each package alone
lowest:  ; .ci/wheels --tests --lowest            # each package with its lowest versions
.PHONY: help test lint twins pins recipes reference docs ci slow wheels lowest
