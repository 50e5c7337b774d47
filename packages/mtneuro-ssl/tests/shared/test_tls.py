import logging

import pytest
from mtneuro_ssl._shared import tls
from mtneuro_ssl._shared.tls import scheduler_security

pytest.importorskip("distributed", reason="sharing among workers needs the extra 'dask'")
SECRET = "tls://127.0.0.1:8786"


@pytest.fixture
def folder(certificates):
    return certificates("tls")


def test_certificates_are_taken_from_a_folder(folder):
    security = scheduler_security(SECRET, folder)
    assert security.require_encryption
    assert security.tls_client_cert == str(folder / "cert.pem")


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
def test_a_file_that_is_missing_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"holds ca.pem, cert.pem and key.pem, found no .*{name}"):
        scheduler_security(SECRET, folder)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_may_read_is_refused(folder, mode):
    (folder / "key.pem").chmod(mode)
    with pytest.raises(
        PermissionError, match=rf"key.pem must be its owner's alone, got mode {mode:o}: chmod"
    ):
        scheduler_security(SECRET, folder)


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
def test_a_file_that_is_no_certificate_is_refused(folder, name):
    (folder / name).write_text("-----BEGIN NOTHING-----\n")
    with pytest.raises(ValueError, match="must hold a certificate and its key in PEM form: "):
        scheduler_security(SECRET, folder)


def test_certificates_for_an_address_without_tls_are_refused(folder):
    with pytest.raises(ValueError, match=r"whose address begins with tls://, got 'tcp://127.0.0.1:1'"):
        scheduler_security("tcp://127.0.0.1:1", folder)


def test_an_address_without_tls_is_refused_where_dask_is_told_to_have_none():
    import dask

    with (
        dask.config.set({"distributed.comm.require-encryption": True}),
        pytest.raises(ValueError, match=r"asks for TLS, and so for a scheduler whose address .* tls://, got"),
    ):
        scheduler_security("tcp://127.0.0.1:1", None)


def test_an_address_with_tls_needs_certificates():
    with pytest.raises(ValueError, match=r"needs certificates: name the folder of .* with --tls"):
        scheduler_security(SECRET, None)


def test_certificates_that_dask_is_told_of_serve_too(folder):
    import dask

    names = {"ca-file": "ca.pem", "client.cert": "cert.pem", "client.key": "key.pem"}
    with dask.config.set({f"distributed.comm.tls.{key}": str(folder / name) for key, name in names.items()}):
        assert scheduler_security(SECRET, None).tls_client_key == str(folder / "key.pem")


def test_a_scheduler_without_tls_is_warned_of_once_on_one_line(caplog):
    tls._warn.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            scheduler_security("tcp://127.0.0.1:8786", None)
    (line,) = caplog.messages
    assert "whoever reaches that port, from this machine or the network, can run code as you" in line
    assert "give --tls FOLDER" in line
    assert "\n" not in line
