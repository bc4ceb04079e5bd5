"""The golden image: a Debian tree, hardened by the very roles that harden nodes.

base    the tree before the roles
"""
