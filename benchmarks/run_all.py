"""Run the MTNeuro benchmark: ``mtneuro run`` in a checkout."""

from mtneuro_suite.__main__ import main

if __name__ == "__main__":
    main("run", "uv run benchmarks/run_all.py")
