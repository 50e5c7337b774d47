"""Run the command line: as the command ``mtneuro``, or by ``python -m mtneuro_suite``."""

import os
import signal


def main(command: str = "", called: str = "mtneuro") -> None:
    """Run the command line, or one of its commands by the name of a script that is that command alone."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C while modules are still imported ends the command without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # One thread a run: results do not depend on the number of cores. Set before NumPy and torch are loaded.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")

    from mtneuro_suite.cli import main as run_command

    run_command(command, called)


if __name__ == "__main__":
    main()
