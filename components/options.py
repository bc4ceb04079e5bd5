"""Options that every resource of a component has."""

from __future__ import annotations

import pulumi


def child(parent: pulumi.Resource, provider: pulumi.ProviderResource | None = None) -> pulumi.ResourceOptions:
    """Options of a resource below `parent`, made by its provider or by another one.

    Names and addresses are final, so that an old and a new thing of the same name cannot stand side by side: what has to
    be replaced is removed first.
    """
    return pulumi.ResourceOptions(parent=parent, provider=provider, delete_before_replace=True)
