"""Heads are signed with Ed25519: whoever has the public key can check one, and nobody but us can make one."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

NOT_SIGNED = "signature"


def _private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(settings.EVIDENCE_SIGNING_KEY))


def public_key() -> str:
    """What auditors keep: 32 bytes, hexadecimal."""
    return _private_key().public_key().public_bytes_raw().hex()


def trusted_keys() -> set[str]:
    """Ours, and those that we used before."""
    return {public_key(), *settings.EVIDENCE_OLD_PUBLIC_KEYS}


def signed(head: Mapping[str, Any]) -> dict[str, Any]:
    """``head`` with our public key and its signature."""
    line = {**head, "key": public_key()}
    return {**line, NOT_SIGNED: _private_key().sign(_bytes(line)).hex()}


def is_signed(line: Mapping[str, Any], trusted: Collection[str]) -> bool:
    """Whether one of the ``trusted`` keys signed it as it stands."""
    try:
        if line["key"] not in trusted:
            return False
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(line["key"]))
        key.verify(bytes.fromhex(line[NOT_SIGNED]), _bytes(line))
    except (InvalidSignature, KeyError, TypeError, ValueError):
        return False
    return True


def _bytes(line: Mapping[str, Any]) -> bytes:
    """What is signed: the line without its signature as JSON, names sorted, no spaces."""
    said = {name: value for name, value in line.items() if name != NOT_SIGNED}
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
