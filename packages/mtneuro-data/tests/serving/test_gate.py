from email.message import Message
from typing import Any

import pytest
from mtneuro_data import open_volume
from mtneuro_data._shared import bounds
from mtneuro_data.box import Box
from mtneuro_data.serving import Catalogue
from mtneuro_data.serving.gate import RefusalError, Request, admitted
from mtneuro_data.serving.service import Service

NEUROGLANCER = "https://neuroglancer-demo.appspot.com"
CUTOUT = "/v1/cutout/lab/scan/em/0/0:8/0:4/0:2/"


@pytest.fixture
def service() -> Service:
    catalogue = Catalogue({"lab/scan/em": open_volume("phantom://image?shape=4,32,32")}, levels=2)
    return Service(catalogue=catalogue, hosts=frozenset({"127.0.0.1", "localhost"}))


def asked(service: Service, method: str = "GET", target: str = "/v1/collection", **headers: str) -> Request:
    message = Message()
    for name, value in {"Host": "127.0.0.1:8000", **headers}.items():
        message[name.replace("_", "-")] = value
    return admitted(service, method, target, message)


def status(service: Service, *request: str, **headers: str) -> int:
    with pytest.raises(RefusalError) as refusal:
        asked(service, *request, **headers)
    return refusal.value.status


@pytest.mark.parametrize("target", ["/zarr/lab/scan/em/zarr.json", "/v1/collection", CUTOUT, "/absent"])
def test_nothing_is_answered_without_the_token(service: Service, target: str) -> None:
    service.token = "secret"
    assert status(service, "GET", target) == 401
    assert status(service, "GET", target, Authorization="Token wrong") == 401
    assert status(service, "GET", target, Authorization="Token s\xe9cret") == 401
    assert status(service, "DELETE", target) == 401
    assert status(service, "POST", target, Content_Length="600000000") == 401
    if target != "/absent":
        asked(service, "GET", target, Authorization="Token secret")


def test_a_request_is_checked_in_the_order_of_host_origin_token_method_path_and_length(
    service: Service,
) -> None:
    service.token = "secret"
    wrong = {
        "Host": "evil.example",
        "Origin": "https://evil.example",
        "Authorization": "Token wrong",
        "Content_Length": "600000000",
    }
    right = {"Host": "localhost", "Origin": None, "Authorization": "Token secret", "Content_Length": "70"}
    found: list[int] = []
    for name in ("Host", "Origin", "Authorization"):
        found.append(status(service, "POST", "/absent", **wrong))
        wrong.pop(name)
        if right[name] is not None:
            wrong[name] = str(right[name])
    found.append(status(service, "POST", "/absent", **wrong))
    service.writable = True
    found.append(status(service, "POST", "/absent", **wrong))
    found.append(status(service, "POST", CUTOUT, **wrong))
    assert found == [421, 403, 401, 403, 404, 413]
    assert asked(service, "POST", CUTOUT, **{**wrong, "Content_Length": "70"}).body_bytes == 70


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1", ""]
)
def test_a_name_that_is_not_the_servers_is_refused(service: Service, host: str) -> None:
    assert status(service, Host=host) == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000"])
def test_a_name_that_the_server_listens_on_is_admitted(service: Service, host: str) -> None:
    assert asked(service, Host=host).parts == ("v1", "collection")


def test_a_server_of_all_addresses_admits_addresses_but_no_foreign_names(service: Service) -> None:
    service.hosts = frozenset({"0.0.0.0"})
    for host in ("10.0.0.1:8000", "[::1]:8000"):
        assert asked(service, Host=host).parts == ("v1", "collection")
    assert status(service, Host="evil.example") == 421


def test_a_request_names_one_host(service: Service) -> None:
    message = Message()
    with pytest.raises(RefusalError, match="one Host, got 0"):
        admitted(service, "GET", "/v1/collection", message)
    message["Host"] = "localhost"
    message["Host"] = "localhost"
    with pytest.raises(RefusalError, match="one Host, got 2"):
        admitted(service, "GET", "/v1/collection", message)


@pytest.mark.parametrize(
    "page", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}]
)
def test_web_pages_read_only_where_their_origin_is_allowed_and_never_write(
    service: Service, page: dict[str, str]
) -> None:
    service.writable = True
    assert status(service, "GET", CUTOUT, **page) == 403
    assert status(service, "POST", CUTOUT, Content_Length="70", **page) == 403
    service.origins = frozenset({NEUROGLANCER})
    assert status(service, "GET", CUTOUT, **page) == 403
    assert asked(service, "GET", CUTOUT, Origin=NEUROGLANCER).cutout is not None
    assert status(service, "POST", CUTOUT, Content_Length="70", Origin=NEUROGLANCER) == 403
    assert status(service, "DELETE", CUTOUT, Origin=NEUROGLANCER) == 403


def test_a_browser_asks_without_a_token_whether_a_page_may_read(service: Service) -> None:
    service.token = "secret"
    service.origins = frozenset({NEUROGLANCER})
    assert asked(service, "OPTIONS", CUTOUT, Origin=NEUROGLANCER) == Request(preflight=True)
    assert status(service, "OPTIONS", CUTOUT, Origin="https://evil.example") == 403
    assert status(service, "OPTIONS", CUTOUT) == 401


@pytest.mark.parametrize("length", ["-1", "abc", "1e20", "", "1,1", "٣", "9" * 30])
def test_a_length_that_is_no_number_of_bytes_is_refused(service: Service, length: str) -> None:
    service.writable = True
    assert status(service, "POST", CUTOUT, Content_Length=length) == 400
    assert status(service, "GET", CUTOUT, Content_Length=length) == 400


def test_a_body_has_at_most_the_bytes_of_its_box(service: Service) -> None:
    service.writable = True
    request = asked(service, "POST", CUTOUT, Content_Length="80")
    assert request.body_bytes == 8 * 4 * 2 + 16
    assert request.cutout is not None
    assert request.cutout.box == Box((0, 0, 0), (2, 4, 8))
    assert status(service, "POST", CUTOUT, Content_Length="81") == 413
    assert status(service, "GET", CUTOUT, Content_Length="1") == 413
    assert status(service, "POST", CUTOUT) == 411
    assert status(service, "POST", CUTOUT, Transfer_Encoding="chunked") == 411
    assert status(service, "GET", CUTOUT, Transfer_Encoding="chunked") == 411


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_another_method_is_refused(service: Service, method: str) -> None:
    service.writable = True
    assert status(service, method, CUTOUT) == 405


@pytest.mark.parametrize(
    "target", ["http://evil.example/v1/collection", "*", "/v1", "/v1/cutout/lab/scan/em/0/"]
)
def test_a_target_that_is_no_path_of_the_database_is_refused(service: Service, target: str) -> None:
    assert status(service, "GET", target) in (400, 404)


def test_numbers_too_long_to_be_bounds_or_labels_are_no_fault_of_the_server(service: Service) -> None:
    many: Any = "9" * 5000
    assert status(service, "GET", f"/v1/cutout/lab/scan/em/0/0:{many}/0:4/0:2/") == 400
    assert asked(service, "GET", f"{CUTOUT}?filter=1,{many},{2**64},x,7").only == (1, 7)


def test_a_cutout_that_the_memory_at_hand_does_not_hold_is_put_off(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_ALWAYS", 0)
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 100)
    assert status(service, "GET", CUTOUT) == 503
    assert asked(service, "GET", "/v1/cutout/lab/scan/em/0/0:8/0:4/0:1/").cutout is not None
