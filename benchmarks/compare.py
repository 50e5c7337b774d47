"""Compare results with the paper's, and models with each other: ``mtneuro compare`` in a checkout."""

from mtneuro_suite.__main__ import main

if __name__ == "__main__":
    main("compare", "uv run benchmarks/compare.py")
