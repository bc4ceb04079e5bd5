"""What all components do alike: options of their resources, and ids that wait for more than their own resource."""

from __future__ import annotations

from collections.abc import Iterable

import pulumi


def child(parent: pulumi.Resource, provider: pulumi.ProviderResource | None = None) -> pulumi.ResourceOptions:
    """Options of a resource below `parent`, made by its provider or by another one.

    Names and addresses are final, so that an old and a new thing of the same name cannot stand side by side: what has to
    be replaced is removed first.
    """
    return pulumi.ResourceOptions(parent=parent, provider=provider, delete_before_replace=True)


def once(identity: pulumi.Output[str], others: Iterable[pulumi.Output[str]]) -> pulumi.Output[str]:
    """The same id, known only once the resources with these other ids stand: whoever uses it comes after them."""
    return pulumi.Output.all(identity, *others).apply(lambda ids: str(ids[0]))
