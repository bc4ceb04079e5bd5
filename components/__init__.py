"""Pulumi components by domain, each with its typed arguments beside it.

A component makes resources from its arguments and from nothing else: it never reads an environment file, a setting or the
environment of the process. Names in arguments are final; the logical name of a resource is its name in the cloud.
"""
