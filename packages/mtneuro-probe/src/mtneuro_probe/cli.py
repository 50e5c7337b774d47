"""The command line of mtneuro-probe."""


def main() -> None:
    """Run the command line."""
