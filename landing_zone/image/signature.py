"""The environment's signature on what it publishes: over an image's name and the SHA-512 that Glance itself keeps of its content."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PROPERTY = "lz_signature"
"""Property with the signature: Ed25519, in base64."""
ALGORITHM = "sha512"
"""What Glance calls the sum that is signed (os_hash_algo); its default."""


def sign(key: Ed25519PrivateKey, name: str, sha512: str) -> str:
    """The signature, always the same for the same words."""
    return base64.b64encode(key.sign(_words(name, sha512))).decode()


def holds(key: Ed25519PublicKey, name: str, sha512: str, signature: str) -> bool:
    """Whether the owner of the key signed just this."""
    try:
        key.verify(base64.b64decode(signature, validate=True), _words(name, sha512))
    except (InvalidSignature, binascii.Error):
        return False
    return True


def _words(name: str, sha512: str) -> bytes:
    return f"landing-zone image\n{name}\n{sha512}\n".encode()
