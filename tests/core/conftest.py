import pytest
from django.test import Client


@pytest.fixture
def client(settings) -> Client:
    """Django's client on the URLconf that fails in every way; a bug is answered, not raised."""
    settings.ROOT_URLCONF = "tests.core.doors"
    return Client(raise_request_exception=False)
