"""The command line of mtneuro-seg."""


def main() -> None:
    """Run the command line."""
