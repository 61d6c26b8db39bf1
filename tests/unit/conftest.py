"""Unit tests need nothing outside the process: opening a socket fails the test."""

import pytest


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest) -> None:
    """Every socket is refused (pytest-socket), but for tests that are marked `enable_socket` and serve themselves."""
    if request.node.get_closest_marker("enable_socket") is None:
        request.getfixturevalue("socket_disabled")
