"""Run the MTNeuro benchmark: all three tasks, from image volumes to the tables of the paper."""

import os
import signal

if __name__ == "__main__":
    # Ctrl-C while modules are still imported ends the command without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# One thread a run: results do not depend on the number of cores. Set before NumPy and torch are loaded.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from mtneuro_suite.cli import main

if __name__ == "__main__":
    main()
