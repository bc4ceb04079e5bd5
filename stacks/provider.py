"""The provider's library as stacks use it, imported in full: it puts off each part of itself until something in it is used.

For `crew.PRELOAD`: workers are forked from a process that has it.
"""

from __future__ import annotations

from pulumi_openstack import blockstorage, compute, dns, identity, loadbalancer, networking

USED = (blockstorage.QuoteSetV3, compute.Instance, dns.Zone, identity.Project, loadbalancer.Quota, networking.Network)
