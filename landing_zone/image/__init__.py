"""The golden image: a Debian tree, hardened by the very roles that harden nodes.

base       the tree before the roles
tree       a copy of it, on which the playbook runs
contents   cleaned, one date, a digest
sbom       what software it has
loader     GRUB in it
disk       partitions and file systems made of it
build      the disk and what lies beside it
signature  the environment's, on what it publishes
publish    into Glance
"""
