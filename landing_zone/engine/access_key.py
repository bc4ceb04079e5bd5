"""The access key of the state's bucket, where the bucket is one of an own region's Swift: that region's Keystone gives one."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from openstack.connection import Connection
from openstack.exceptions import raise_from_response

from foundation import files
from landing_zone.engine.clouds import Cloud, keystone
from landing_zone.engine.stores.s3 import Bucket, credentials_text
from landing_zone.engine.stores.signing import Credentials


def ensure(bucket: Bucket, clouds: Mapping[str, Cloud], connections: Mapping[str, Connection]) -> None:
    """Make the key (0600, in the environment's home) and the private bucket, if either is missing; keep the authority of clouds.yaml.

    Both mappings are by region. A bucket of another service is left to whoever gave its key.
    """
    for region, connection in connections.items():
        if urlsplit(connection.object_store.get_endpoint() or "").netloc != urlsplit(bucket.endpoint).netloc:
            continue
        authority = clouds[region].ca
        if authority and not (bucket.authority.exists() and bucket.authority.read_text() == authority):
            files.replace(bucket.authority, authority)
        if not bucket.credentials_file.exists():
            files.make(bucket.credentials_file, credentials_text(_given(connection)))
        bucket.make()


def _given(connection: Connection) -> Credentials:
    """A new key of the account of the region's entry in clouds.yaml, for its project.

    Asked for once only: the library repeats any call whose answer was lost, and a key of which nobody knows would stay behind.
    """
    place = f"/users/{connection.current_user_id}/credentials/OS-EC2"
    answer = keystone(connection).post(place, json={"tenant_id": connection.current_project_id}, connect_retries=0)
    raise_from_response(answer)
    given = answer.json()["credential"]
    return Credentials(given["access"], given["secret"])
