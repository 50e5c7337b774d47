"""Ask at once whether a file at an address can be fetched."""

from urllib.error import HTTPError
from urllib.request import Request, urlopen

from mtneuro_ssl._shared.hub import answer_within, time_limit, told


def address_refusal(address: str) -> str:
    """Return in words why a file at an address cannot be fetched, or an empty text where it may."""
    if not address.startswith(("http://", "https://")):
        return f"{address!r} is no address of a file"

    def ask() -> None:
        try:
            urlopen(Request(address, method="HEAD"), timeout=time_limit()).close()  # noqa: S310  # checked above
        except HTTPError as error:
            error.close()

    answer = answer_within(ask, time_limit())
    return f"no answer ({told(answer)})" if isinstance(answer, Exception) else ""
