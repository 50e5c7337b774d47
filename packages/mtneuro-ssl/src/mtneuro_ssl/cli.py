"""The command line of mtneuro-ssl."""


def main() -> None:
    """Run the command line."""
