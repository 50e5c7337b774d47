"""Run the command line by ``python -m mtneuro_ssl``."""

from mtneuro_ssl.cli import main

if __name__ == "__main__":
    main()
