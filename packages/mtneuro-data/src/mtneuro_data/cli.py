"""The command line of mtneuro-data."""


def main() -> None:
    """Run the command line."""
