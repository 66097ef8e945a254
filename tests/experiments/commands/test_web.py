"""What `hirl web` refuses before it opens a page."""

import socket

import pytest

from hirl_experiments.commands.web import web


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"measure": "psnr"}, "--measure psnr has no quality map for the page; hirl-biqa and paq2piq have one"),
        ({"measure": "nonsense"}, "nonsense"),
        ({"port": 99_999}, "--port is 1 to 65535, got 99999"),
        ({"port": 0}, "--port must be at least 1, got 0"),
        ({"max_pixels": 0}, "--max-pixels must be at least 1"),
    ],
)
def test_wrong_options_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        web(**wrong, device="cpu")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_that_is_taken_is_said_before_anything_is_loaded(host, hirl, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert hirl("web", "--host", host, "--port", str(port), "--device", "cpu") == 1
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert said.err.startswith(f"hirl: --host {host} --port {port}: Address already in use")


def test_a_host_that_is_unknown_is_said(hirl, capsys):
    assert hirl("web", "--host", "nowhere.invalid", "--device", "cpu") == 1
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert said.err.startswith("hirl: --host nowhere.invalid --port 7860: ")
