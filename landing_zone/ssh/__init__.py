"""Into the instances by SSH: host keys pinned from the console log, the bastion as the only way, never an unknown host.

certificates  keys for a short while, signed by the environment's own authority
hosts         who there is: address, user, way in; the ssh_config that people use too
pinning       host keys out of console logs, into the environment's known_hosts
shell         run a program on a host
"""
